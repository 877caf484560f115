"""Chapters for Colab and Binder: their buttons, and the notebooks that they open.

Neither service opens a chapter, which is Markdown. The workflow `book` therefore keeps
a branch `notebooks`: this repository, and in it every chapter as it was executed for
the site. As a Sphinx extension this module points the buttons there;
`python book/_ext/launch.py EXECUTED BOOK REPOSITORY` writes them.
"""

import re
import sys
from pathlib import Path

import nbformat
from sphinx.application import Sphinx

BRANCH = "notebooks"
# Colab opens the notebook alone; the package and the photographs have to follow.
FIRST_CELL = """\
# Needed on Colab alone: the package, the photographs and the weights.
import os

if "COLAB_RELEASE_TAG" in os.environ and not os.path.exists("/content/book"):
    !git clone --quiet --depth 1 {repository} /content/book
    %pip install --quiet "/content/book[train,book]"
    %cd /content/book/book"""


def notebook_url(url: str, branch: str) -> str:
    """The address of a chapter on `branch`, as that of its notebook."""
    on_branch = re.sub(rf"/{re.escape(branch)}(?=[/?])", f"/{BRANCH}", url, count=1)
    return re.sub(r"\.md$", ".ipynb", on_branch)


def publish(executed: Path, book: Path, repository: str) -> list[Path]:
    """Write the notebooks of `executed` into `book`, each after the cell for Colab.

    Returns the new files.
    """
    first = FIRST_CELL.format(repository=repository)
    book.mkdir(parents=True, exist_ok=True)
    written = []
    for path in sorted(executed.glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        notebook.cells.insert(0, nbformat.v4.new_code_cell(first, id="for-colab"))
        nbformat.write(notebook, book / path.name)
        written.append(book / path.name)
    return written


def point(app: Sphinx, page: str, template: str, context: dict, tree: object) -> None:
    branch = app.config.html_theme_options["repository_branch"]
    for group in context.get("header_buttons", ()):
        if group.get("label") == "launch-buttons":
            for button in group["buttons"]:
                button["url"] = notebook_url(button["url"], branch)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("html-page-context", point, priority=900)  # after the theme's own
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    executed_folder, book_folder, address = sys.argv[1:]
    for file in publish(Path(executed_folder), Path(book_folder), address):
        print(file)
