"""Sphinx extension: a page loads the scripts that it needs, and no others.

Widgets bring four megabytes of scripts and their pictures to a page, also where the
page shows no widget because every widget's cell hides its output. And the scripts of
Thebe, which would run cells through a service elsewhere, are declared twice by
sphinx-thebe, which is an error in the browser; nothing here uses them.
"""

from collections.abc import Iterable
from typing import Any

from sphinx.application import Sphinx

SHOWN = "application/vnd.jupyter.widget-view+json"
OF_WIDGETS = ("vendor/requirejs", "widgets.js", "html-manager", "widget-state+json")


def needed(scripts: Iterable, body: str) -> list:
    """Those of Sphinx's `scripts` that a page with this HTML has a use for."""
    unused = ("thebe",) if SHOWN in body else ("thebe", *OF_WIDGETS)
    return [script for script in scripts if not _names(script, unused)]


def _names(script: Any, words: tuple[str, ...]) -> bool:
    kind, code = (script.attributes.get(key, "") for key in ("type", "body"))
    about = f"{script.filename} {kind} {code[:40]}".lower()
    return any(word in about for word in words)


def choose(app: Sphinx, page: str, template: str, context: dict, tree: object) -> None:
    context["script_files"] = needed(context["script_files"], context.get("body", ""))


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("html-page-context", choose, priority=900)  # after those that add some
    return {"parallel_read_safe": True, "parallel_write_safe": True}
