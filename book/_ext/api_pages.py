"""Sphinx extension: the line `gin-modules` of a page becomes gin's whole API.

One section a public module, filled by autodoc from the docstrings. Nothing is listed by
hand, so a new module is in the reference as soon as it exists.
"""

import pkgutil
import re

from sphinx.application import Sphinx

import gin

LINE = "\ngin-modules\n"
SECTION = """
## `{name}`

```{{eval-rst}}
.. automodule:: {name}
   :members:
```
"""


def modules() -> list[str]:
    """The dotted names of gin's public modules and packages, in order."""
    found = (module.name for module in pkgutil.walk_packages(gin.__path__, "gin."))
    return sorted(name for name in found if "._" not in name)


def escaped(lines: list[str]) -> list[str]:
    """A docstring in which only backticks are markup: `*` and `|` are themselves."""
    parts = re.split(r"(`[^`]*`)", "\n".join(lines))
    parts[::2] = (re.sub(r"[*|]", r"\\\g<0>", part) for part in parts[::2])
    return "".join(parts).split("\n")


def fill(app: Sphinx, page: str, source: list[str]) -> None:
    if LINE in source[0]:
        sections = (SECTION.format(name=name) for name in modules())
        source[0] = source[0].replace(LINE, "".join(sections))


def escape(app: Sphinx, what: str, name: str, thing: object, options, lines) -> None:
    lines[:] = escaped(lines)


def leave_out(app: Sphinx, what: str, name: str, thing: object, skip: bool, options):
    """What a class has from other hands: a library's, or a named tuple's field."""
    home = getattr(thing, "__module__", None) or "gin"
    field = (getattr(thing, "__doc__", None) or "").startswith("Alias for field number")
    return skip or field or home.partition(".")[0] != "gin"


def setup(app: Sphinx) -> dict[str, bool]:
    for extension in ("sphinx.ext.autodoc", "sphinx.ext.napoleon"):
        app.setup_extension(extension)
    app.connect("source-read", fill)
    app.connect("autodoc-process-docstring", escape, priority=400)  # before napoleon
    app.connect("autodoc-skip-member", leave_out)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
