"""The appendices say what is so: messages, references, and the words' spelling."""

import ast
import re
from itertools import chain
from pathlib import Path

import pytest
from pybtex.database import parse_file

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "book").glob("*.md"))
REFERENCES = parse_file(str(ROOT / "book" / "references.bib")).entries
PROGRAMS = [
    *(ROOT / "gin").rglob("*.py"),
    *(ROOT / "book" / "support").glob("*.py"),
    ROOT / "book" / "_ext" / "vendor.py",
]


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def texts(path: Path) -> list[str]:
    """Every text of a program, three dots where an f-string has a value."""
    found = []
    for node in ast.walk(ast.parse(text_of(path))):
        parts = node.values if isinstance(node, ast.JoinedStr) else [node]
        if all(isinstance(part, ast.Constant | ast.FormattedValue) for part in parts):
            values = [getattr(part, "value", "") for part in parts]
            found.append("".join(v if isinstance(v, str) else "..." for v in values))
    return found


def messages() -> list[str]:
    """The symptoms of the troubleshooting page that are messages of ours."""
    page = text_of(ROOT / "book" / "appendix_troubleshooting.md")
    return re.findall(r"\*\*`([^`]+)`\*\*", page)


@pytest.fixture(scope="module")
def said() -> list[str]:
    return [text_of(ROOT / "Makefile"), *chain(*map(texts, PROGRAMS))]


@pytest.mark.parametrize("message", messages())
def test_a_message_in_troubleshooting_is_one_that_a_program_says(message, said) -> None:
    message = message.removeprefix("ImportError: ")
    for part in message.split("..."):
        part = part.strip(" '")
        assert any(part in text for text in said), part


def test_every_reference_can_be_found_by_its_doi_arxiv_id_or_address() -> None:
    lost = [
        key
        for key, entry in REFERENCES.items()
        if not {"doi", "eprint", "url"} & {field.lower() for field in entry.fields}
    ]
    assert not lost


def test_doi_and_arxiv_ids_have_their_form() -> None:
    for key, entry in REFERENCES.items():
        if doi := entry.fields.get("doi"):
            assert re.fullmatch(r"10\.\d{4,9}/\S+", doi), key
        if eprint := entry.fields.get("eprint"):
            assert re.fullmatch(r"\d{4}\.\d{4,5}", eprint), key
            assert entry.fields["archiveprefix"] == "arXiv", key


def test_every_reference_is_cited_and_every_citation_is_a_reference() -> None:
    cited = re.compile(r"\{cite:\w+\}`([^`]+)`")
    keys = [
        key.strip().partition("-")[2]
        for page in PAGES
        for group in cited.findall(text_of(page))
        for key in group.split(",")
    ]
    assert set(keys) == set(REFERENCES)
