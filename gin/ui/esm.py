"""ES modules for anywidget, which loads one script per widget."""

import re
from pathlib import Path

# import { a, b as c } from "./name.js";
_IMPORT = re.compile(r'^import \{([^}]*)\} from "([\w./]+\.js)";$', re.MULTILINE)
_EXPORT = re.compile(
    r"^export (?=(?:async function|function|class|const) (\w+))", re.MULTILINE
)


def joined(entry: Path) -> str:
    """Return `entry` and the modules that it imports as one script.

    Imports have the form `import { a, b } from "./file.js";`, exports the form `export`
    before a function, a class or a const. Each imported module becomes a function that
    returns its exports, so that private names do not meet.

    Args:
        entry: the module whose exports are those of the script.
    """
    names: dict[Path, str] = {}
    parts: list[str] = []

    def linked(path: Path) -> str:
        """The module's text, its imports replaced by constants."""

        def constant(match: re.Match[str]) -> str:
            module = (path.parent / match[2]).resolve()
            if module not in names:
                text = linked(module)
                names[module] = f"module{len(names)}"
                parts.append(_function(names[module], text))
            return f"const {{{match[1].replace(' as ', ': ')}}} = {names[module]};"

        return _IMPORT.sub(constant, path.read_text(encoding="utf-8"))

    last = linked(entry.resolve())
    return "\n".join([*parts, last])


def _function(name: str, text: str) -> str:
    exports = ", ".join(_EXPORT.findall(text))
    body = _EXPORT.sub("", text)
    return f"const {name} = (() => {{\n{body}return {{ {exports} }};\n}})();\n"
