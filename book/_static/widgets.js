// Widgets look for their fonts, and for further modules, beside the vendored scripts.
require.config({ baseUrl: new URL("vendor", document.currentScript.src).href });
