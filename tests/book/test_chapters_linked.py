"""Code, chapters, tests and the README point at each other, and nothing dangles."""

import csv
import re
from pathlib import Path

import jupytext
import pytest
from contents import pages
from support.ablation import recorded_means

from gin.masks import KINDS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
APPENDIX = (ROOT / "book" / "appendix_code.md").read_text(encoding="utf-8")
CHAPTERS = sorted((ROOT / "book").glob("[0-9][0-9]_*.md"))
TAUGHT = re.compile(r"Taught\s+in\s+(book/\w+\.md(?:(?:,|\s+and)\s+book/\w+\.md)*)")
MODULES = {
    path: re.findall(r"book/\w+\.md", found[1])
    for path in sorted((ROOT / "gin").rglob("*.py"))
    if (found := TAUGHT.search(path.read_text("utf-8")))
}

# The columns of the model card's tables, and their digits.
CARD = {"PSNR": 2, "SSIM": 4, "L1 hole": 2, "LPIPS": 4, "VGG": 4}

chapters = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def code_cells(path: Path) -> list:
    cells = jupytext.read(path).cells
    return [cell for cell in cells if cell.cell_type == "code"]


def test_most_modules_name_their_chapter() -> None:
    assert len(MODULES) >= 15


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_the_chapters_that_a_module_names_mention_it(path: Path) -> None:
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for name in MODULES[path]:
        assert ROOT / name in CHAPTERS
        assert re.search(rf"\b{re.escape(module)}\b", text_of(ROOT / name)), module


def test_every_file_that_the_readme_names_exists() -> None:
    named = re.findall(r"\]\((?!https?:)([^)]+)\)", README)
    assert len(named) > 5
    assert not [name for name in named if not (ROOT / name).exists()]


def test_the_appendix_lists_each_chapter_with_its_modules_and_tests() -> None:
    table = [line for line in APPENDIX.splitlines() if line.startswith("| ")][1:]
    chapter, listed = "", dict[Path, list[str]]()
    for line in table:
        first, modules, tests = (cell.strip() for cell in line.strip("|").split("|"))
        chapter = re.search(r"\((\S+)\)", first)[1] if first else chapter
        for name in re.findall(r"`([^`]+)`", f"{modules} {tests}"):
            assert (ROOT / name).is_file(), name
        assert "`tests/" in tests, line
        for module in re.findall(r"`(gin/[^`]+)`", modules):
            listed.setdefault(ROOT / module, []).append(f"book/{chapter}")
    assert {path: sorted({*names}) for path, names in listed.items()} == {
        path: sorted(names) for path, names in MODULES.items()
    }
    others = "book/appendix_", "book/solutions_"
    files = [name for name in pages() if not name.startswith(others)]
    named = {chapter for chapters in listed.values() for chapter in chapters}
    assert sorted(named) == sorted(f"{name}.md" for name in files)


def test_the_results_of_the_readme_are_the_recorded_ones() -> None:
    names = {"shipped": "deepgin-auto", "paper": "deepgin", "Telea": "telea"}
    names |= {"Navier": "navier-stokes", "biharmonic": "biharmonic"}
    names |= {"PatchMatch": "patchmatch"}
    recorded = recorded_means(ROOT / "data" / "results" / "methods.csv", "256")
    section = README.split("## Results")[1].split("\n## ")[0]
    rows = re.findall(
        r"^\| (.+?) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", section, re.M
    )
    assert len(rows) == len(names)
    for title, *cells in rows:
        method = next(name for word, name in names.items() if word in title)
        means = (recorded[method][metric].value for metric in ("PSNR", "SSIM", "LPIPS"))
        digits = (2, 3, 3)
        assert cells == [f"{m:.{d}f}" for m, d in zip(means, digits, strict=True)]


def test_the_scores_of_the_model_card_are_the_recorded_ones() -> None:
    names = {"gin inpaint": "deepgin-auto", "as in the paper": "deepgin"}
    names |= {"two stages": "two-stages", "warm-up": "warm-up", "Telea": "telea"}
    names |= {"Navier": "navier-stokes", "biharmonic": "biharmonic"}
    names |= {"PatchMatch": "patchmatch", "mean colour": "mean-colour"}
    with (ROOT / "data/results/methods.csv").open(newline="") as stream:
        recorded = {
            (row["masks"], row["method"], row["metric"]): float(row["mean"])
            for row in csv.DictReader(stream)
            if (row["size"], row["hole"], row["minus"]) == ("256", "all", "")
        }
    card = (ROOT / "data" / "weights" / "README.md").read_text("utf-8")
    sections = re.findall(r"^#### (.+?)\n(.+?)\n\n(?=#### |\*As)", card, re.M | re.S)
    assert len(sections) == len(KINDS)
    for kind, (title, table) in zip(KINDS, sections, strict=True):
        assert title.lower().replace(" ", "_") == kind
        rows = re.findall(r"^\| (.+?) \| (.*\d.*) \|$", table, re.M)
        assert len(rows) == len(names)
        for name, cells in rows:
            method = next(method for word, method in names.items() if word in name)
            for cell, (metric, digits) in zip(
                cells.replace("*", "").split(" | "), CARD.items(), strict=True
            ):
                assert cell == f"{recorded[kind, method, metric]:.{digits}f}"


def test_the_pilots_of_the_model_card_are_the_recorded_ones() -> None:
    card = (ROOT / "data" / "weights" / "README.md").read_text("utf-8")
    table = card.split("### Losses compared")[1].split("\n### ")[0]
    shown = re.findall(r"^\| [^|]+ \| ([\d,]+) \| (.+) \|$", table, re.M)
    with (ROOT / "data/results/pilots.csv").open(newline="") as stream:
        rows = [*csv.DictReader(stream)]
    assert len(shown) * len(KINDS) == len(rows)
    for (images, cells), *kinds in zip(shown, *[iter(rows)] * len(KINDS), strict=True):
        assert [row["masks"] for row in kinds] == list(KINDS)
        assert {row["images"] for row in kinds} == {images}
        expected = [[row[m] for row in kinds] for m in ("PSNR", "LPIPS", "VGG")]
        assert [cell.split(" / ") for cell in cells.split(" | ")] == expected


@chapters
def test_a_chapter_has_its_parts_in_order(path: Path) -> None:
    text = text_of(path)
    parts = [
        ":::{admonition} In this chapter",
        "*Cost:*",
        "## Paper and released code",
        "## Break it",
        "## What we learnt",
        "### Questions",
        "### Exercises",
        "## References",
    ]
    places = [text.find(part) for part in parts]
    assert -1 not in places, parts[places.index(-1)]
    assert places == sorted(places)
    questions, exercises = (
        text.split(heading)[1].split("\n#")[0]
        for heading in ("### Questions", "### Exercises")
    )
    assert len(re.findall(r"^\d\. ", questions, re.MULTILINE)) == 3
    assert len(re.findall(r"^\*\*\d\. ", exercises, re.MULTILINE)) >= 2


@chapters
def test_an_exercise_is_solved_under_a_fold_or_on_a_page_of_solutions(
    path: Path,
) -> None:
    cells = code_cells(path)
    folded = [cell for cell in cells if "hide-cell" in cell.metadata.get("tags", ())]
    assert all("assert" in cell.source for cell in folded)
    page = re.search(r"\]\((solutions_\w+\.md)\)", text_of(path))
    if page is None:
        numbered = re.findall(r"^\*\*\d\. ", text_of(path), re.MULTILINE)
        assert len(folded) == len(numbered)
    else:
        heading = rf"## Chapter {int(path.stem[:2])}\b.*?(?=\n## |\Z)"
        section = re.search(heading, text_of(path.parent / page[1]), re.DOTALL)
        assert section
        assert re.search(r"^ *assert ", section[0], re.MULTILINE)


@chapters
def test_what_break_it_names_exists(path: Path) -> None:
    box = text_of(path).split("## Break it")[1].split("\n## ")[0]
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", box)
    assert named
    for file, test in named:
        assert f"def {test}(" in text_of(ROOT / file)
    for module in re.findall(r"`(gin/[\w/]+\.py)`", box):
        assert (ROOT / module).exists()


@chapters
def test_cells_fit_the_page(path: Path) -> None:
    for cell in code_cells(path):
        lines = [line for line in cell.source.splitlines() if line.strip()]
        assert len(lines) <= 15, lines[0]
        assert max(map(len, lines)) <= 72, max(lines, key=len)


@chapters
def test_every_figure_has_a_caption_and_words_for_the_blind(path: Path) -> None:
    for cell in code_cells(path):
        shows = re.search(r"^figures\.(?!Table)\w+\(", cell.source, re.MULTILINE)
        if shows and "hide-cell" not in cell.metadata.get("tags", ()):
            about = cell.metadata["mystnb"]
            assert len(about["figure"]["caption"]) > 20
            assert len(about["image"]["alt"]) > 20


@chapters
def test_a_figure_s_alt_text_is_not_cut_by_a_new_line(path: Path) -> None:
    figure = r"^```\{figure\}[^\n]*\n(.*?)\n\n"
    for options in re.findall(figure, text_of(path), re.MULTILINE | re.DOTALL):
        assert all(line.startswith(":") for line in options.splitlines()), options


@chapters
def test_saving_in_jupyterlab_would_change_nothing(path: Path) -> None:
    def without_version(text: str) -> list[str]:
        return [line for line in text.splitlines() if "jupytext_version" not in line]

    saved = jupytext.writes(jupytext.read(path), fmt="md:myst")
    assert without_version(saved) == without_version(text_of(path))


@chapters
def test_what_is_cited_is_in_the_bibliography(path: Path) -> None:
    bibliography = text_of(ROOT / "book" / "references.bib")
    cited = re.findall(r"\{cite:\w+\}`(\d\d)-(\w+)`", text_of(path))
    assert cited
    for prefix, key in cited:
        assert prefix == path.stem[:2]
        assert re.search(rf"@\w+\{{{key},", bibliography), key
