"""claims.yml points at code, tests and chapters that exist, and leaves nothing out."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from contents import pages
from support.claims import CLAIMS, STATUSES, Claim, counts, numbers, page, read_claims
from torch import nn

import gin
from gin.blocks import SPDBlock
from gin.data.splits import LAYOUTS
from gin.errors import InputError
from gin.recipes import PAPER

ROOT = Path(__file__).parents[2]
ALL = read_claims()
METRICS = ("PSNR", "SSIM", "L1 err. (%)", "FID", "LPIPS")
HIGHER = ("PSNR", "SSIM")


def named(claim: Claim) -> str:
    return f"{claim.source}: {claim.claim}"


claims = pytest.mark.parametrize("claim", ALL, ids=named)


# Nothing dangles


def resolved(name: str) -> Any:
    """A file of the repository, or what a dotted name stands for."""
    if "/" in name:
        assert (ROOT / name).is_file(), name
        return name
    module, _, rest = name.partition(".")
    found = import_module(module)
    for part in rest.split(".") if rest else ():
        module += f".{part}"
        if not hasattr(found, part):
            import_module(module)
        found = getattr(found, part)
    return found


@claims
def test_the_code_exists(claim: Claim) -> None:
    for name in claim.code:
        resolved(name)


def test_a_dotted_name_is_followed_to_its_end() -> None:
    assert resolved("gin.losses.Terms.total") is gin.losses.Terms.total
    assert resolved("gin.masks") is gin.masks
    for name in ("gin.losses.l3_loss", "gin.nowhere", "gin.losses.Terms.nothing"):
        with pytest.raises((AttributeError, ModuleNotFoundError)):
            resolved(name)
    with pytest.raises(AssertionError):
        resolved("benchmarks/nothing.py")


@claims
def test_the_tests_exist(claim: Claim) -> None:
    for name in claim.tests:
        file, _, function = name.partition("::")
        assert f"\ndef {function}(" in (ROOT / file).read_text(encoding="utf-8"), name


@claims
def test_the_chapter_exists_and_is_in_the_book(claim: Claim) -> None:
    assert (ROOT / claim.chapter).is_file(), claim.chapter
    assert claim.chapter.removesuffix(".md") in pages()


# Nothing is missing


def test_every_equation_figure_and_row_is_there() -> None:
    sources = [claim.source for claim in ALL]
    rows = [
        f"Table 2, {data}, {masks}, {method} ({size})"
        for masks in ("rectangles", "three types")
        for data in ("FFHQ", "Oxford")
        for size in ("OS", "256")
        for method in ("DeepFillv1", "DeepFillv2", "Ours")
    ]
    expected = [
        *(f"Eq. {n}" for n in range(1, 8)),
        *(f"Fig. {n}" for n in range(1, 7)),
        *(f"Table 1, {variant}" for variant in gin.VARIANTS),
        *rows,
    ]
    assert [s for s in sources if s.startswith(("Eq.", "Fig.", "Table"))] == expected
    assert len(ALL) - len(expected) > 30  # of the text


def test_every_row_of_a_table_has_all_its_numbers() -> None:
    for claim in ALL:
        if claim.group.startswith("Table"):
            size = claim.group == "Table 1"
            assert [*claim.paper][size:] == [*METRICS], claim.source


# The numbers


def test_the_counts_are_of_all_claims() -> None:
    found = counts(ALL)
    assert sum(sum(group.values()) for group in found.values()) == len(ALL)
    assert found["Equations"] == {"reproduced": 7, "partial": 0, "not attempted": 0}
    assert found["Table 2"]["not attempted"] == 24


def only(words: str) -> Claim:
    (claim,) = [each for each in ALL if words in named(each)]
    return claim


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_what_is_measured_in_a_moment() -> None:
    with torch.device("meta"):
        nets = {variant: gin.DeepGIN(variant) for variant in gin.VARIANTS}
    for variant, net in nets.items():
        found = only(f"Table 1, {variant}:").measured["parameters in millions"]
        assert found == pytest.approx(parameters(net) / 1e6, abs=5e-4)
    full = nets["SPDResBlk-MSSA-BP"]
    assert full.refinement is not None
    found = only("Fig. 2").measured["parameters in millions"]
    assert found == parameters(full) / 1e6
    for stage, words in ((full.coarse, "G1 has"), (full.refinement, "G2 has")):
        blocks = [m for m in stage.modules() if isinstance(m, SPDBlock)]
        (rates,) = {len(block.branches) for block in blocks}
        assert only(words).measured == {"blocks": len(blocks), "rates": rates}
    norms = [m for m in full.modules() if "Norm" in type(m).__name__]
    assert [*only("No batch norm").measured.values()] == [len(norms)] == [0]
    images, batch = only("make a batch of 12").measured.values()
    assert (images, batch) == (PAPER.data.batch_size, 3 * PAPER.data.batch_size)
    held_out = [
        len(LAYOUTS[name]([str(n) for n in range(count)], 0)["val"])
        for name, count in (("ffhq", 70_000), ("oxford", 5_062))
    ]
    assert [*only("from FFHQ").measured.values()] == held_out
    ratio = only("two times go together").measured["CelebA-HQ to ADE20K"]
    assert ratio == pytest.approx(27_000 / 10_330, abs=5e-4)


def table_2() -> dict[tuple[str, str, str], dict[str, Claim]]:
    """(dataset, masks, size) -> method -> its row."""
    found: dict[tuple[str, str, str], dict[str, Claim]] = {}
    for claim in ALL:
        if claim.group == "Table 2":
            _, data, masks, method = claim.source.split(", ")
            name, _, size = method.partition(" ")
            found.setdefault((data, masks, size), {})[name] = claim
    return found


def place(rows: dict[str, Claim], metric: str) -> int:
    """Of "Ours" among the three, 0 the best."""
    sign = -1 if metric in HIGHER else 1
    ours = sign * rows["Ours"].paper[metric]
    return sum(sign * claim.paper[metric] < ours for claim in rows.values())


def test_what_the_text_says_of_the_tables() -> None:
    rows = [claim.paper for claim in ALL if claim.group == "Table 1"]
    psnr = [row["PSNR"] for row in rows]
    gains = {"MSSA brings": (3, 2), "SPD blocks bring": (5, 3), "Back proj": (6, 5)}
    for words, (upper, lower) in gains.items():
        (found,) = only(words).measured.values()
        assert found == pytest.approx(psnr[upper] - psnr[lower])
    led = [
        metric
        for metric in METRICS
        if (max if metric in HIGHER else min)(row[metric] for row in rows)
        == rows[-1][metric]
    ]
    assert [*only("best on every metric").measured.values()] == [len(led)]

    pairs = table_2()
    leads = [
        rows["Ours"].paper["PSNR"]
        - max(rows[name].paper["PSNR"] for name in ("DeepFillv1", "DeepFillv2"))
        for rows in pairs.values()
    ]
    least, most = only("1.84 to 5.1 dB").measured.values()
    assert (min(leads), max(leads)) == pytest.approx((least, most))
    won = [not place(rows, m) for rows in pairs.values() for m in METRICS[:3]]
    assert [*only("in all the experiments").measured.values()] == [sum(won)]
    assert len(won) == 24


def test_where_table_2_parts_from_the_text() -> None:
    pairs = table_2()
    at_original = [
        not place(rows, metric)
        for (_, _, size), rows in pairs.items()
        if size == "(OS)"
        for metric in METRICS[3:]
    ]
    assert len(at_original) == 8
    found = only("both FID and LPIPS are the best")
    assert [*found.measured.values()] == [sum(at_original)] == [7]
    assert found.beyond() == ["of 8 comparisons"]
    last = [
        place(rows, metric) == 2
        for (_, masks, size), rows in pairs.items()
        if (masks, size) == ("rectangles", "(256)")
        for metric in METRICS[3:]
    ]
    assert [*only("Comparable to both").measured.values()] == [sum(last)]


# The file's own rules


def entry(**changes: Any) -> dict[str, Any]:
    good = {
        "source": "Eq. 9",
        "claim": "so",
        "code": ["gin.losses"],
        "tests": ["tests/book/test_claims.py::named"],
        "chapter": "book/00_start.md",
        "status": "reproduced",
        "paper": {"dB": 1.0},
        "measured": {"dB": 1.2},
        "tolerance": {"dB": 0.2},
        "machine": "one",
    }
    return {key: value for key, value in (good | changes).items() if value is not None}


def written(folder: Path, *entries: Any) -> Path:
    path = folder / "claims.yml"
    path.write_text(yaml.safe_dump({"claims": list(entries)}), encoding="utf-8")
    return path


def test_a_claim_comes_back(tmp_path: Path) -> None:
    (found,) = read_claims(written(tmp_path, entry()))
    assert found.group == "Equations"
    assert found.beyond() == []
    assert numbers(found.measured) == "dB 1.2"
    assert numbers({}) == ""
    groups = {source: Claim(source, "", (), (), "", "").group for source in ("x", "")}
    assert set(groups.values()) == {"Text"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"status": "done"}, "status is 'done'; expected one of reproduced, partial"),
        ({"chapter": None}, r"missing \['chapter'\], unknown \[\]; expected source"),
        ({"statuses": "x"}, r"missing \[\], unknown \['statuses'\]"),
        ({"measured": {"dB": 1.21}}, "dB beyond the tolerance; expected within"),
        ({"tolerance": {}}, "a number of the paper, measured, with a tolerance"),
        ({"measured": {}}, "a number of the paper, measured, with a tolerance"),
        ({"paper": {}, "measured": {}, "tolerance": {}}, "expected a number of the"),
        ({"machine": ""}, "a number without a machine"),
        ({"tests": []}, "expected code, tests and a chapter"),
        ({"status": "partial"}, "expected a sentence why"),
        ({"status": "not attempted", "why": "x"}, "not attempted and measured"),
        ({"paper": {"dB": "1"}}, "dB is '1'; expected a number"),
        ({"paper": {"dB": True}}, "dB is True; expected a number"),
    ],
)
def test_a_claim_that_cannot_stand(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read_claims(written(tmp_path, entry(**changes)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            lambda f: written(f, entry(), entry()),
            "stands there twice; expected it once",
        ),
        (lambda f: written(f, "Eq. 1"), "claim 'Eq. 1': missing .*'source'"),
        (lambda f: f / "none.yml", "no such file"),
    ],
)
def test_a_file_that_cannot_stand(
    tmp_path: Path, content: Callable[[Path], Path], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read_claims(content(tmp_path))


def test_a_file_without_a_list(tmp_path: Path) -> None:
    path = tmp_path / "claims.yml"
    path.write_text("Eq. 1\n", encoding="utf-8")
    with pytest.raises(InputError, match="has no list; expected one under claims"):
        read_claims(path)


@pytest.mark.parametrize("content", [b"claims: [", b"claims: \xff"])
def test_a_file_that_is_no_yaml(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "claims.yml"
    path.write_bytes(content)
    with pytest.raises(InputError, match="claims.yml: not readable as YAML"):
        read_claims(path)


def test_the_file_is_at_the_top_and_has_the_three_statuses() -> None:
    assert CLAIMS == ROOT / "claims.yml"
    assert {claim.status for claim in ALL} == set(STATUSES)


# The page


def test_the_page_has_every_claim_and_its_status() -> None:
    shown = page(ALL)
    assert shown.count("<details") == shown.count("</details>") == len(ALL)
    for status in STATUSES:
        name = status.replace(" ", "-")
        count = sum(claim.status == status for claim in ALL)
        assert shown.count(f'<details class="{name}">') == count
        assert shown.count(f'<input type="checkbox" checked class="{name}">') == 1
        assert f".claims:has(input.{name}:not(:checked)) details.{name}" in shown
    assert 'href="20_table_1.html"' in shown
    assert "relative difference 5e-08" in shown


def test_the_page_escapes_what_it_shows() -> None:
    odd = Claim("Eq. 1", "a < b", ("c<d>",), (), "", "partial", why="x & y")
    shown = page([odd])
    for escaped in ("a &lt; b", "c&lt;d&gt;", "x &amp; y"):
        assert escaped in shown
