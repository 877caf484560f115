"""Tables, CSV and the page of pictures tell what was measured."""

import csv
import io
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from data_trees import photograph
from PIL import Image
from tiny_evaluation import METHODS, evaluation, grey, nowhere, photos, report, run

from gin import masks
from gin.baselines.methods import Candidate
from gin.data import mask_sets
from gin.errors import InputError
from gin.evaluation.bootstrap import Summary, area_bucket
from gin.evaluation.evaluator import Evaluation
from gin.evaluation.gallery import Gallery
from gin.evaluation.outputs import Reports
from gin.evaluation.protocol import ALL, ORIGINAL, Group
from gin.evaluation.report import (
    Report,
    column,
    format_summary,
    markdown_table,
    rows,
)

WHOLE = Group("photos", ORIGINAL, ALL)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    odd = [*METHODS, Candidate("a|b <i>", grey, "odd"), Candidate("none", nowhere, "")]
    report(folder / "t.md", photos(folder), candidates=odd)
    return folder


def csv_rows(place: Path) -> list[dict[str, str]]:
    text = (place / "t.csv").read_text("utf-8")
    return list(csv.DictReader(io.StringIO(text)))


def records(place: Path) -> list[dict[str, str]]:
    text = (place / "t" / "records.csv").read_text("utf-8")
    return list(csv.DictReader(io.StringIO(text)))


def mean(found: list[dict[str, str]], metric: str, **key: str) -> float:
    chosen = [r for r in found if all(r[k] == v for k, v in key.items())]
    assert chosen
    return float(np.mean([float(r[metric]) for r in chosen]))


@pytest.mark.parametrize("metric", ["PSNR", "SSIM", "L1 hole", "L1 edge-connect"])
@pytest.mark.parametrize("kind", [*masks.KINDS, ALL])
def test_the_csv_has_the_means_of_the_measurements(
    kind: str, metric: str, place: Path
) -> None:
    one = {"method": "mean"} if kind == ALL else {"method": "mean", "masks": kind}
    (row,) = (
        r
        for r in csv_rows(place)
        if (r["masks"], r["hole"], r["method"]) == (kind, ALL, "mean")
        and (r["metric"], r["minus"]) == (metric, "")
    )
    assert float(row["mean"]) == pytest.approx(mean(records(place), metric, **one))
    assert float(row["low"]) <= float(row["mean"]) <= float(row["high"])
    assert row["images"] == "4"


def test_buckets_hold_every_hole_once(place: Path) -> None:
    for kind in (*masks.KINDS, ALL):
        holes = [
            area_bucket(float(r["hole"]))
            for r in records(place)
            if r["method"] == "grey" and kind in (r["masks"], ALL)
        ]
        found = {
            r["hole"]: int(r["images"])
            for r in csv_rows(place)
            if (r["masks"], r["method"], r["metric"]) == (kind, "grey", "PSNR")
            and r["hole"] != ALL
        }
        assert found == {bucket: holes.count(bucket) for bucket in set(holes)}


def test_differences_are_from_the_first_method(place: Path) -> None:
    found = {
        (r["method"], r["minus"]): float(r["mean"])
        for r in csv_rows(place)
        if (r["masks"], r["hole"], r["metric"]) == (ALL, ALL, "PSNR")
    }
    assert ("grey", "grey") not in found
    difference = found["mean", ""] - found["grey", ""]
    assert found["mean", "grey"] == pytest.approx(difference)
    assert found["a|b <i>", "grey"] == 0


def test_the_best_is_bold_whichever_end_is_better(place: Path) -> None:
    lines = (place / "t.md").read_text("utf-8").splitlines()
    head = next(line for line in lines if line.startswith("| masks | method | PSNR,"))
    names = head.split(" | ")
    table = {
        line.split(" | ")[1]: line.split(" | ")
        for line in lines
        if line.startswith("| all |") and len(line.split(" | ")) == len(names)
    }
    for name, pick in (("PSNR, dB ↑", max), ("L1 hole, % ↓", min)):
        place_of = names.index(name)
        cells = {method: row[place_of] for method, row in table.items()}
        cells = {m: cell for m, cell in cells.items() if re.search(r"\d", cell)}
        means = {m: float(re.search(r"[\d.]+", cell)[0]) for m, cell in cells.items()}
        best = {m for m, cell in cells.items() if cell.startswith("**")}
        assert best
        assert {means[m] for m in best} == {pick(means.values())}


def test_a_pipe_does_not_break_a_table(place: Path) -> None:
    text = (place / "t.md").read_text("utf-8")
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        counts = {
            len(re.findall(r"(?<!\\)\|", line)) for line in table.strip().split("\n")
        }
        assert len(counts) == 1
    assert markdown_table(["a"], [["x|y"]]) == "| a |\n| --- |\n| x\\|y |"


def test_numbers_in_words() -> None:
    def said(mean: float, low: float, high: float, signed: bool = False) -> str:
        summary = Summary(mean, low, high, 3, 0, 0)
        return format_summary(summary, 2, signed)

    assert said(24.312, 23.9, 24.8) == "24.31 [23.90, 24.80]"
    assert said(1, -0.5, 2.5, signed=True) == "+1.00 [-0.50, +2.50]"
    assert said(1.5, math.nan, math.nan) == "1.50"
    assert said(math.nan, math.nan, math.nan) == "-"
    assert column("PSNR") == "PSNR, dB ↑"
    assert column("KID") == "KID ↓"


def test_identical_pairs_are_counted_and_left_out(tmp_path: Path) -> None:
    Path(tmp_path / "photos").mkdir()
    Image.new("RGB", (48, 40), (128, 128, 128)).save(tmp_path / "photos" / "grey.png")
    photograph(1).save(tmp_path / "photos" / "noise.png")
    found = run(tmp_path / "t.md", tmp_path / "photos", masks=["free_form"])
    made = rows(found)
    group = WHOLE._replace(masks="free_form")
    (summary,) = (r.summary for r in made if r[:5] == (group, ALL, "grey", "PSNR", ""))
    assert (summary.images, summary.infinite) == (1, 1)
    assert summary.mean == found.values[group, "noise.png", "grey"]["PSNR"]
    text = "left out of the means of all methods: photos, original size, free form: 1 "
    assert f"{text}infinite.\n" in Report(found, made).markdown()


def psnr_summaries(evaluation: Evaluation, hole: str) -> dict[str, Summary]:
    """The summaries of PSNR over all kinds of masks, by "method" or "method-first"."""
    return {
        "-".join(filter(None, (row.method, row.minus))): row.summary
        for row in rows(evaluation)
        if (row.group.masks, row.hole, row.metric) == (ALL, hole, "PSNR")
    }


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_a_photograph_not_finite_under_one_method_is_left_out_for_all(
    value: float, tmp_path: Path
) -> None:
    done = run(tmp_path / "t.md", photos(tmp_path, 5), candidates=METHODS[:2])
    (cell, *_) = done.protocol.cells()
    done.values[cell.group, cell.dataset.names()[2], "seen"]["PSNR"] = value
    by_name = psnr_summaries(done, ALL)
    assert {(s.images, s.infinite + s.undefined) for s in by_name.values()} == {(4, 1)}
    assert {s.infinite for s in by_name.values()} == {int(math.isinf(value))}
    difference = by_name["seen"].mean - by_name["grey"].mean
    assert by_name["seen-grey"].mean == pytest.approx(difference, abs=1e-12)


def test_a_hole_not_finite_under_one_method_leaves_the_bucket_of_all(
    tmp_path: Path,
) -> None:
    done = run(tmp_path / "t.md", photos(tmp_path, 5), candidates=METHODS[:2])
    (cell, *_) = done.protocol.cells()
    values = done.values[cell.group, cell.dataset.names()[2], "seen"]
    values["PSNR"] = math.inf
    summaries = psnr_summaries(done, area_bucket(values["hole"]))
    assert {s.infinite for s in summaries.values()} == {1}
    assert len({s.images for s in summaries.values()}) == 1


# --- the page ----------------------------------------------------------------------


class Links(HTMLParser):
    """The addresses on a page, and the words that are said for pictures."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.found += [v for k, v in attrs if k in ("href", "src") and v]
        if tag == "img":
            self.pictures.append(values)


def test_every_link_of_the_page_leads_somewhere_near(place: Path) -> None:
    text = (place / "t.html").read_text("utf-8")
    page = Links(text)
    assert len(page.pictures) == 3 * 3 * 6  # kinds, cases; two more than methods
    for link in page.found:
        if link.startswith("#"):
            assert f'id="{link[1:]}"' in text
        else:
            assert (place / unquote(link)).is_file(), link
    for picture in page.pictures:
        assert picture["alt"]
        path = place / unquote(picture["src"] or "")
        with Image.open(path) as found:
            assert (str(found.width), str(found.height)) == (
                picture["width"],
                picture["height"],
            )
    assert "<i>" not in text
    assert "http" not in text


def test_the_page_shows_the_worst_the_median_and_the_best(tmp_path: Path) -> None:
    found = run(tmp_path / "t.md", photos(tmp_path, 5), masks=["rectangular"])
    (cell,) = found.protocol.cells()
    values = [found.values[cell.group, n, "grey"]["PSNR"] for n in cell.dataset.names()]
    order = np.argsort(values)
    cases = Gallery(found).cases(cell)
    assert cases == [("worst", order[0]), ("median", order[2]), ("best", order[4])]
    for name, value in zip(cell.dataset.names(), values, strict=True):
        found.values[cell.group, name, "grey"]["LPIPS"] = value  # the other way round
    del found.missing_metrics["LPIPS"]
    assert Gallery(found).cases(cell)[0] == ("worst", order[4])


def test_pictures_are_what_was_measured_and_no_larger_than_shown(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    photograph(0, 1030, 60).save(folder / "wide.png")
    report(tmp_path / "t.md", folder, candidates=METHODS[:1], masks=["rectangular"])
    shown = tmp_path / "t/pictures/photos/original/rectangular/worst"
    names = ["00-masked.png", "01-grey.png", "02-original.png"]
    assert sorted(path.name for path in shown.iterdir()) == names
    image = np.asarray(photograph(0, 1030, 60))
    mask = mask_sets.draw(0, "wide.png", "rectangular", (1030, 60))
    for name, value in zip(names, (255, 128, None), strict=True):
        expected = image.copy()
        if value is not None:
            expected[mask == 1] = value
        picture = Image.fromarray(expected)
        picture.thumbnail((512, 512), Image.Resampling.BOX)
        assert picture.width == 512
        with Image.open(shown / name) as found:
            assert np.array_equal(np.asarray(found), np.asarray(picture))


def test_reports_lose_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"t\.txt: expected a name that ends in \.md"):
        Reports(tmp_path / "t.txt")
    (tmp_path / "t.csv").touch()
    with pytest.raises(InputError, match=r"t\.csv: exists already; name another --out"):
        Reports(tmp_path / "t.md").check(resume=False)
    found = evaluation(tmp_path / "t.md", photos(tmp_path))
    found.folder.begin(found.settings(), resume=False)
    Reports(tmp_path / "t.md").check(resume=True)
