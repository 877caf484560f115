"""Links inside the book lead somewhere, in a second; the build finds the rest."""

import re
from collections import Counter
from functools import cache
from pathlib import Path

import jupytext
import pytest
from contents import pages

ROOT = Path(__file__).parents[2]
NAMES = pages()
PAGES = {name.removeprefix("book/"): ROOT / f"{name}.md" for name in NAMES}
LINK = re.compile(r"\]\(([^)\s]+)\)")
ROLE = re.compile(r"\{(ref|numref)\}`(?:[^`<]*<)?([\w-]+)>?`")
LABEL = re.compile(r"^\(([\w-]+)\)=$|^:name: ([\w-]+)$", re.MULTILINE)

pages = pytest.mark.parametrize("page", PAGES)


@cache
def prose(page: str) -> str:
    """The text of a page's Markdown cells, without code between backticks."""
    cells = jupytext.read(PAGES[page]).cells
    text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return re.sub(r"^```python.*?^```$|(?<!\})`[^`\n]+`", "", text, flags=re.M | re.S)


@cache
def labels(page: str) -> list[str]:
    """What `{ref}` can name: labels, and the names of figures."""
    cells = jupytext.read(PAGES[page]).cells
    about = (cell.metadata.get("mystnb", {}).get("figure", {}) for cell in cells)
    figures = [figure["name"] for figure in about if "name" in figure]
    return figures + ["".join(found) for found in LABEL.findall(prose(page))]


@pages
def test_links_name_pages_of_the_table_of_contents(page: str) -> None:
    for link in LINK.findall(prose(page)):
        file, _, anchor = link.partition("#")
        if not re.match(r"https?:|mailto:", link):
            assert file.removesuffix(".md") in PAGES, link
            assert not anchor, f"{link}: sections have no fixed names here; use a label"


@pages
def test_references_name_a_label(page: str) -> None:
    known = {label for each in PAGES for label in labels(each)}
    named = {label for _, label in ROLE.findall(prose(page))}
    assert named <= known


def test_a_label_stands_in_one_place() -> None:
    counts = Counter(label for page in PAGES for label in labels(page))
    assert len(counts) > 50
    assert not [label for label, count in counts.items() if count > 1]


def test_every_page_is_in_the_table_of_contents_once() -> None:
    written = {f"book/{path.stem}" for path in (ROOT / "book").glob("*.md")}
    assert sorted(written) == sorted(NAMES)
