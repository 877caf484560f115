"""Several ES modules as one, as anywidget wants them."""

from pathlib import Path

import pytest
from browser import chromium, why_not

from gin.ui.esm import joined

MODULES = {
    "main.js": 'import { a, twice as b } from "./lib/one.js";\n'
    'import { c } from "./two.js";\n\n'
    "const hidden = 3;\nexport default [a, b(hidden), c];\n",
    "lib/one.js": 'import { c } from "../two.js";\n\nconst hidden = 1;\n'
    "export const a = hidden + c;\nexport function twice(x) {\n  return 2 * x;\n}\n",
    "two.js": "/* import { a } from nowhere */\nconst hidden = 40;\n"
    "export const c = count();\nexport async function later() {}\n"
    "function count() {\n  globalThis.runs = (globalThis.runs ?? 0) + 1;\n"
    "  return hidden;\n}\n",
}


@pytest.fixture
def entry(tmp_path: Path) -> Path:
    (tmp_path / "lib").mkdir()
    for name, text in MODULES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path / "main.js"


def test_a_module_is_joined_once_and_before_those_that_need_it(entry: Path) -> None:
    script = joined(entry)
    assert script.count("hidden = 40") == 1
    positions = [script.index(f"hidden = {value}") for value in (40, 1, 3)]
    assert positions == sorted(positions)
    assert "return { c, later };" in script


@pytest.mark.skipif(bool(why_not()), reason=why_not())
def test_a_browser_runs_the_joined_script(entry: Path) -> None:
    load = """async (script) => {
      const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
      return [(await import(url)).default, globalThis.runs];
    }"""
    with chromium() as browser:
        page = browser.new_page()
        assert page.evaluate(load, joined(entry)) == [[41, 6, 40], 1]
