"""What chapters 19, 21 and 22 state about records and about methods without weights."""

import csv
from pathlib import Path

import numpy as np
import pytest
from support import ablation, measures, rivals, tables
from support import large_photographs as lp

from gin.baselines import classical
from gin.evaluation import bootstrap, fid_kid
from gin.masks import KINDS

METHODS = Path(__file__).parents[2] / "data" / "results" / "methods.csv"


def test_fid_depends_on_the_number_of_pictures_and_kid_does_not() -> None:
    counts = (10, 20, 50, 100, 200, 500)
    fids = [measures.averaged(fid_kid.fid, count) for count in counts]
    kids = [measures.averaged(fid_kid.kid, count) for count in counts]
    assert fids == sorted(fids, reverse=True)
    assert fids[0] > 10 * fids[-1]
    assert max(map(abs, kids[2:])) < 0.1


def test_the_interval_of_a_difference_is_the_narrow_one() -> None:
    scored = {}
    for kind in KINDS:
        scored[kind] = measures.scores(classical.telea, kind)
        flat = measures.scores(classical.mean_colour, kind)
        alone = [bootstrap.summarise(v, seed=0) for v in (scored[kind], flat)]
        both = bootstrap.paired(scored[kind], flat, seed=0)
        assert both.low > 1
        assert both.mean == pytest.approx(alone[0].mean - alone[1].mean)
        assert both.high - both.low < sum(s.high - s.low for s in alone)
    areas = measures.by_area(scored)
    means = [np.mean(values) for values in areas.values()]
    assert means[0] > means[-1] + 5
    assert sum(map(len, areas.values())) == 3 * len(rivals.NAMES)


def test_a_square_that_is_wrong_by_a_tenth() -> None:
    photo = rivals.photograph("erase_kingfisher", 64)
    wrong, values = measures.off_by_a_tenth(photo, 0.25)
    assert wrong.shape == photo.shape
    assert values["L1 hole"] == pytest.approx(10, abs=0.1)
    assert values["L1 image"] == pytest.approx(2.5, abs=0.1)
    assert values["PSNR"] == pytest.approx(20 - 10 * np.log10(0.25), abs=0.1)


@pytest.mark.parametrize("size", ["256", "original"])
def test_no_method_leads_by_every_metric(size: str) -> None:
    means = ablation.recorded_means(METHODS, size)

    def value(method: str, metric: str) -> float:
        return means[method][metric].value

    smooth = ("telea", "navier-stokes", "biharmonic", "mean-colour")
    assert all(value("patchmatch", "LPIPS") < value(m, "LPIPS") for m in smooth)
    pair = [value(name, "PSNR") for name in ("deepgin-small", "deepfillv2")]
    assert abs(pair[0] - pair[1]) < 0.3
    assert value("telea", "PSNR") - max(pair) > 2
    perceptual = "VGG" if size == "256" else "LPIPS"
    firsts = [ablation.ranked(METHODS, size, m)[0] for m in ("PSNR", perceptual)]
    assert firsts[0] != firsts[1]
    if size == "256":
        for metric in ("PSNR", "L1 hole", "LPIPS"):
            assert ablation.ranked(METHODS, size, metric)[:2] == [
                "deepgin-auto",
                "deepgin",
            ]
        assert ablation.ranked(METHODS, size, "VGG")[0] == "patchmatch"
        assert value("patchmatch", "PSNR") < min(value(m, "PSNR") for m in smooth[:2])


def test_the_correction_at_the_border_counts_where_holes_are_small() -> None:
    gains = {}
    with METHODS.open(newline="") as stream:
        for row in csv.DictReader(stream):
            of = row["size"], row["hole"], row["metric"], row["method"], row["minus"]
            if of == ("256", "all", "PSNR", "deepgin", "deepgin-auto"):
                gains[row["masks"]] = -float(row["mean"])
    assert gains["cellular_automata"] == pytest.approx(0.7, abs=0.05)
    assert 0 < gains["rectangular"] < 0.1


def test_table_2_is_read_whole() -> None:
    found = tables.table_2()
    assert len(found) == 8
    assert {tuple(rows) for rows in found.values()} == {(*tables.RIVALS, "Ours")}
    assert tables.table_1()["StdResBlk"]["FID"] == 19.436
    shown = tables.shown_together(found)
    assert len(shown.rows) == 24
    stars = [sum(cell.endswith("*") for cell in row) for row in shown.rows]
    assert sum(stars) == 8 * len(tables.METRICS)
    oxford = found["Oxford", "three types", "OS"]
    assert tables.place(oxford, "Ours", "LPIPS") == 1
    assert (oxford["DeepFillv2"]["LPIPS"], oxford["Ours"]["LPIPS"]) == (0.179, 0.191)
    faces = found["FFHQ", "rectangles", "256"]
    assert (faces["DeepFillv2"]["FID"], faces["Ours"]["FID"]) == (19.336, 37.577)


def test_which_way_is_best_depends_on_the_hole() -> None:
    assert len(lp.recorded(512)) == 120
    rectangles, *others = KINDS
    for way in ("one piece", "resized"):
        assert abs(lp.gain(rectangles, way)[0]) < 0.1
    assert lp.gain(rectangles, "tiles")[0] < 0
    for kind in others:
        assert lp.gain(kind, "resized")[0] < 0
        ahead, error = lp.gain(kind, "one piece")
        assert ahead > 2 * error
    assert all(lp.gain(kind, "phases, blurred")[0] > 0 for kind in KINDS)


def test_the_second_view_brings_more_than_half() -> None:
    gains = lp.gains_of_views()
    assert gains["mean of 2"].mean() > gains["mean of 5"].mean() / 2 > 0.025
    assert (gains["mean of 1, blurred"] > 0).mean() > 0.8


def test_a_crop_whose_border_is_corrected_is_better_and_faster_than_phases() -> None:
    numbers = lp.regions()
    for (hole, region, seam), found in numbers.items():
        if seam != "harmonic":
            continue
        before, plain = (numbers[hole, place, "none"] for place in (region, "whole"))
        large = hole.startswith("2048")
        assert (found["PSNR"] < before["PSNR"]) == (large and region == "whole")
        assert found["LPIPS"] < before["LPIPS"]
        assert abs(found["step"]) < 6
        assert before["step"] > -1
        if region == "auto x 1.5":
            assert found["PSNR"] > plain["PSNR"]
            assert found["s"] < plain["s"] / (20 if large else 2)
            assert (found["LPIPS"] > plain["LPIPS"]) == large
            thrice = numbers[hole, "auto x 3", seam]
            assert found["LPIPS"] < thrice["LPIPS"]
            assert (found["PSNR"] < thrice["PSNR"]) == hole.endswith("brush 30")


def test_deep_and_lively_holes_fail() -> None:
    depth, contrast, share = lp.predictors()
    assert min(depth, contrast) > 0.3
    assert abs(share) < 0.2
