"""`benchmarks/gpu.py --rehearse` runs every part on a CPU."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from gin.weights.checkpoints import load

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


def test_the_gpu_benchmark_keeps_weights_curves_and_pictures(rehearsal: Path) -> None:
    assert load(rehearsal / "weights.safetensors").base_channels == 4
    assert "loss/l1" in (rehearsal / "curves.csv").read_text(encoding="utf-8")
    assert Image.open(rehearsal / "sheet.jpg").size == (3 * 256, 2 * 256)
    assert all(path.stat().st_size < 15e6 for path in rehearsal.iterdir())


def test_a_resumed_run_on_a_cpu_has_the_weights_of_one_run(rehearsal: Path) -> None:
    results = (rehearsal / "results.md").read_text(encoding="utf-8")
    assert "| resumed against one run: largest difference | 0.0e+00 |" in results
