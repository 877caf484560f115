"""`benchmarks/gpu.py --rehearse` runs every part on a CPU."""

import csv
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from gin.training.cost import Step
from gin.weights.checkpoints import load

KNOWN = ("on known", "chance")
BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "gpu.py"


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("gpu") / "rehearsal"
    options = ["--rehearse", "--device", "cpu", "--minutes", "0.1", "--out", str(out)]
    subprocess.run([sys.executable, str(BENCHMARK), *options], check=True)
    return out


def test_every_part_of_the_gpu_benchmark_runs_on_a_cpu(rehearsal: Path) -> None:
    results = (rehearsal / "results.md").read_text(encoding="utf-8")
    assert "failed" not in results
    for part in ("## check", "## speed", "## train"):
        assert part in results
    assert "exit code 0" in results


def test_the_gpu_benchmark_keeps_weights_curves_and_pictures(
    rehearsal: Path, tmp_path: Path
) -> None:
    assert load(rehearsal / "weights.safetensors").base_channels == 4
    assert load(rehearsal / "warm-up.safetensors").base_channels == 4
    assert all(path.stat().st_size < 15e6 for path in rehearsal.iterdir())
    with tarfile.open(rehearsal / "run.tar") as archive:
        archive.extractall(tmp_path, filter="data")
    run = tmp_path / "run"
    assert "loss/l1" in (run / "curves.csv").read_text(encoding="utf-8")
    assert Image.open(run / "sheet.jpg").size == (3 * 256, 2 * 256)


def test_a_training_keeps_its_moments(rehearsal: Path, tmp_path: Path) -> None:
    with tarfile.open(rehearsal / "run.tar") as archive:
        archive.extractall(tmp_path, filter="data")
    folder = tmp_path / "run" / "milestones"
    with (folder / "measures.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    steps = [int(row["step"]) for row in rows]
    assert steps == sorted(set(steps))
    assert {row["stage"] for row in rows} == {"warm-up", "main"}
    for row in rows:
        # At the first steps a block of self-attention looks everywhere alike.
        known, chance = (float(row[f"refinement.middle.3 {x}"]) for x in KNOWN)
        assert 0 < chance < 1
        assert abs(known - chance) < 0.02
        assert 0 < float(row["alpha"]) < 1
    pictures = {path.stem for path in folder.glob("*.jpg")}
    assert pictures == {"holes", "originals", *(f"{step:05}" for step in steps)}
    assert Image.open(folder / "holes.jpg").size == (4 * 160, 3 * 160)


def test_a_resumed_run_on_a_cpu_has_the_weights_of_one_run(rehearsal: Path) -> None:
    results = (rehearsal / "results.md").read_text(encoding="utf-8")
    assert "| resumed against one run: largest difference | 0.0e+00 |" in results


def test_cuda_graphs_replay_what_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARK.parent)
    import gpu

    options, begun = [], []

    def compiled(function: Callable[..., Any], **given: Any) -> Callable[..., Any]:
        options.append(given)
        return function

    monkeypatch.setattr(gpu, "can_compile", lambda device: True)
    monkeypatch.setattr(torch, "compile", compiled)
    monkeypatch.setattr(
        torch.compiler, "cudagraph_mark_step_begin", lambda: begun.append(1)
    )
    device, step = torch.device("cpu"), Step("warm-up", 32, 3)
    for setting in gpu.settings(device)[-2:]:
        said = gpu.timed_step(gpu.REHEARSAL.gpu, step, device, setting, 1e9)
        assert "images/s" in said
        graphs = {"mode": "reduce-overhead"} if setting.graphs else {}
        assert options
        assert all(given == {"dynamic": False, **graphs} for given in options)
        assert bool(begun) == setting.graphs
        options.clear()
