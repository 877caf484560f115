"""Recorded results as rows of text, from made-up files of their shape."""

from pathlib import Path

import numpy as np
import pytest
from support import ablation
from support.ablation import Estimate
from tiny_evaluation import photos, report

from gin.evaluation.report import rows
from gin.generator import VARIANTS

PAPER = [31.55, 31.34, 31.60, 32.66, 32.71, 32.88, 33.26]


def ablation_file(folder: Path, gains: list[float]) -> Path:
    """Seven variants, three seeds, twenty photographs, the rows in another order."""
    rng = np.random.default_rng(0)
    hard = rng.normal(0, 3, 20)
    lines = ["variant,seed,photograph,PSNR,SSIM,L1 hole,LPIPS"]
    for variant, gain in reversed([*zip(VARIANTS, gains, strict=True)]):
        for seed in range(3):
            for photograph in range(20):
                psnr = 20 + gain + hard[photograph] + rng.normal(0, 0.01)
                lines.append(f"{variant},{seed},p{photograph},{psnr},0.8,12.5,0.2")
    path = folder / "ablation.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_each_variant_has_its_own_line(tmp_path: Path) -> None:
    path = ablation_file(tmp_path, [0, 1, 2, 3, 4, 5, 6])
    header, lines = ablation.variants(path, PAPER)
    assert header == ["variant", "paper (dB)", "PSNR", "SSIM", "L1 hole", "LPIPS"]
    assert [line[0] for line in lines] == [*VARIANTS]
    assert [line[1] for line in lines] == [str(value) for value in PAPER]
    means = [float(line[2].split()[0]) for line in lines]
    assert np.diff(means) == pytest.approx(1, abs=0.02)
    assert {line[5] for line in lines} == {"0.2000 (0.2000 to 0.2000)"}


def test_steps_say_what_is_clear(tmp_path: Path) -> None:
    path = ablation_file(tmp_path, [0, 1, 1, 0.5, 0.5, 0.5, 2])
    _, lines = ablation.recorded_steps(path, PAPER)
    assert [line[0] for line in lines] == [*VARIANTS[1:]]
    assert [line[1] for line in lines] == [
        *("-0.21", "+0.26", "+1.06", "+0.05", "+0.17", "+0.38")
    ]
    assert lines[0][2].startswith("+1.0")
    assert [lines[k][3] for k in (0, 2, 5)] == ["yes"] * 3
    assert lines[2][2].startswith("-0.5")


def test_the_order_is_the_papers_or_not(tmp_path: Path) -> None:
    same = ablation.order(ablation_file(tmp_path, PAPER), PAPER)
    assert same[1] == [
        ("Spearman", "1.00 (1.00 to 1.00)"),
        ("Kendall", "1.00 (1.00 to 1.00)"),
    ]
    turned = ablation_file(tmp_path, [-value for value in PAPER])
    assert ablation.order(turned, PAPER)[1][0][1] == "-1.00 (-1.00 to -1.00)"


def test_nothing_recorded_is_no_line(tmp_path: Path) -> None:
    path = tmp_path / "none.csv"
    assert ablation.methods(path, "256")[1] == []
    for table in (ablation.variants, ablation.recorded_steps, ablation.order):
        assert table(path, PAPER)[1] == []


def test_what_gin_evaluate_wrote(tmp_path: Path) -> None:
    found = rows(report(tmp_path / "methods.md", photos(tmp_path)))
    path = tmp_path / "methods.csv"
    size = found[0].group.size
    header, lines = ablation.methods(path, size)
    assert header == [f"size: {size}", *ablation.SHOWN]
    whole = {
        row.method: row.summary.mean
        for row in found
        if (row.group.masks, row.hole, row.metric) == ("all", "all", "PSNR")
        and not row.minus
        and row.group.size == size
    }
    assert {line[0] for line in lines} == whole.keys()
    for line in lines:
        assert line[1].startswith(f"{whole[line[0]]:.2f} (")
        assert line[4] == "-"  # LPIPS was not measured
    assert ablation.methods(path, "other")[1] == []


def test_an_estimate_in_words() -> None:
    assert ablation.in_words(Estimate(1, 0.5, 1.5)) == "1.00 (0.50 to 1.50)"
    assert ablation.in_words(Estimate(1, -0.5, 2), 1, "+") == "+1.0 (-0.5 to +2.0)"
    assert ablation.in_words(Estimate(1, np.nan, np.nan)) == "1.00"
