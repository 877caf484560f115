/* onnxruntime-web and the network, beside the page, so that the page stays awake.

   In: { id, load: manifest } or { id, run: [image, hole, rows, columns] }.
   Out: { id, result } or { id, error }; while it loads { arrived, all }, in bytes. */

const VENDOR = new URL("../vendor/onnxruntime-web/dist/", import.meta.url).href;

let runtime = null;
let session = null;

/** What to try: the graphics card where WebAssembly can wait for it, then the CPU. */
async function providers() {
  const waits = "Suspending" in WebAssembly;
  const card = waits && (await navigator.gpu?.requestAdapter().catch(() => null));
  return card ? ["webgpu", "wasm"] : ["wasm"];
}

/** The whole file; `seen` is told of every piece how many bytes it has. */
async function fetchWhole(url, seen) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answers ${response.status}.`);
  const parts = [];
  for (const reader = response.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) return new Blob(parts).arrayBuffer();
    parts.push(value);
    seen(value.length);
  }
}

async function start(provider, { model, runtimes }) {
  const { script, loader, binary, bytes } = runtimes[provider];
  let arrived = 0;
  const seen = (count) => {
    arrived += count;
    postMessage({ arrived, all: bytes + model.bytes });
  };
  const [module, core, weights] = await Promise.all([
    import(VENDOR + script),
    fetchWhole(VENDOR + binary, seen),
    fetchWhole(new URL(model.file, import.meta.url), seen),
  ]);
  module.env.wasm.wasmPaths = { mjs: VENDOR + loader };
  module.env.wasm.wasmBinary = core;
  runtime = module;
  const options = { executionProviders: [provider] };
  session = await module.InferenceSession.create(new Uint8Array(weights), options);
  await run(new Float32Array(3 * 256), new Float32Array(256), 16, 16); // does it work?
}

/** Start the first provider that works; its name. */
async function load(manifest) {
  const candidates = await providers();
  const last = candidates.pop();
  for (const provider of candidates) {
    try {
      await start(provider, manifest);
      return provider;
    } catch (error) {
      console.info(`${provider} does not work here:`, error);
    }
  }
  await start(last, manifest);
  return last;
}

async function run(image, hole, rows, columns) {
  const feeds = {
    image: new runtime.Tensor("float32", image, [1, 3, rows, columns]),
    mask: new runtime.Tensor("float32", hole, [1, 1, rows, columns]),
  };
  const { completed } = await session.run(feeds, ["completed"]);
  return completed.getData();
}

onmessage = async ({ data }) => {
  try {
    const work = data.load ? load(data.load) : run(...data.run);
    postMessage({ id: data.id, result: await work });
  } catch (error) {
    postMessage({ id: data.id, error: error.message ?? String(error) });
  }
};
