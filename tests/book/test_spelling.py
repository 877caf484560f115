"""The pages are spelt right, and in one dialect, British.

codespell knows what is often misspelt; words.txt lists what it takes wrongly for an
error: the Frobenius norm in PyTorch, a word that the paper is quoted with, the name of
a file.
"""

import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*(ROOT / "book").glob("*.md"), *ROOT.glob("*.md")])
WEIGHTS = ROOT / "data" / "weights" / "README.md"
FOLDERS = [ROOT / "gin", ROOT / "book" / "_ext", WEIGHTS]
NO_PROSE = re.compile(
    r"^---\n.*?^---\n"  # a header
    r"|^> [^\n]*$"  # a quotation, with the paper's spelling
    r"|^(`{3,})[^\n]*code-cell.*?^\1$|^```python.*?^```$"
    r"|^\$\$.*?^\$\$|`[^`\n]+`|\$[^$\n]+\$|\]\([^)]*\)|https?://\S+",
    re.DOTALL | re.MULTILINE,
)


def codespell(*arguments: object) -> str:
    words = ROOT / "tests" / "words.txt"
    command = [sys.executable, "-m", "codespell_lib", "-I", words]
    run = subprocess.run([*command, *arguments], capture_output=True, text=True)
    assert run.returncode in (0, 65), run.stderr  # 65: it found something
    return run.stdout


def prose(text: str) -> str:
    """Markdown without code, formulas and addresses; the lines keep their numbers."""
    return NO_PROSE.sub(lambda found: "\n" * found[0].count("\n") or " ", text)


@pytest.fixture(scope="module")
def american(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dictionary that takes American words for errors: codespell's, inverted."""
    known = files("codespell_lib") / "data" / "dictionary_en-GB_to_en-US.txt"
    pairs = [line.split("->") for line in known.read_text("utf-8").splitlines()]
    path = tmp_path_factory.mktemp("dialect") / "american.txt"
    rows = {b.strip(" ,"): a for a, b in pairs if "," not in b.strip(" ,")}
    lines = (f"{word}->{better}\n" for word, better in rows.items())
    path.write_text("".join(lines), "utf-8")
    return path


def test_nothing_is_misspelt() -> None:
    assert codespell(*PAGES, *FOLDERS) == ""


def test_the_pages_are_british(american: Path, tmp_path: Path) -> None:
    for page in PAGES:
        (tmp_path / page.name).write_text(prose(page.read_text("utf-8")), "utf-8")
    assert codespell("-D", american, tmp_path) == ""


def test_errors_and_the_other_dialect_are_noticed(
    american: Path, tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    page.write_text("Teh colours of `color`\n```python\ncolor\n```\nits color\n")
    assert "Teh ==> The" in codespell(page)
    page.write_text(prose(page.read_text()))
    assert re.findall(r"page.md:(\d+): (\w+)", codespell("-D", american, page)) == [
        ("5", "color")
    ]
