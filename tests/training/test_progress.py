"""What a process keeps of its steps between two points of the curves."""

from pathlib import Path

import pytest
import torch
from support.curves import read_log

from gin.training.progress import Report


def take_steps(report: Report, count: int) -> None:
    for number in range(count):
        report.step({"l1": torch.tensor(float(number))}, 3, number / count)


def test_a_process_that_does_not_report_keeps_no_tensors(tmp_path: Path) -> None:
    """Else every loss of a run stays in a GPU's memory: 0.66 GB a day."""
    with Report(tmp_path, 0, 0.0, reports=False) as report:
        take_steps(report, 100)
        report.point(1e-4, 100)
        take_steps(report, 100)
        assert report.terms == {}
        assert report.images == 0
    assert not list(tmp_path.iterdir())


def test_the_process_that_reports_drops_them_at_every_point(tmp_path: Path) -> None:
    with Report(tmp_path, 0, 0.0, reports=True) as report:
        take_steps(report, 4)
        report.point(1e-4, 4)
        assert report.terms == {}
    assert read_log(tmp_path)["loss/l1"][4] == pytest.approx(1.5)
