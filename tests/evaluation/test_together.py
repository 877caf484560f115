"""An evaluation by several processes: the files of one, resumed with any number."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from evaluating import evaluate
from tiny_evaluation import photos, written

ROOT = Path(__file__).parents[2]


def together(count: int, where: Path, out: Path, stop: int = 0) -> int:
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node")
    program = ROOT / "tests/helpers/evaluating.py"
    paths = (ROOT, ROOT / "tests/helpers")
    run = subprocess.run(
        [
            *(sys.executable, *launcher, str(count), program, str(count)),
            *(str(where), str(out), str(stop)),
        ],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0 or "stopped on purpose" in run.stderr, run.stderr
    return run.returncode


def everything(out: Path) -> dict[str, bytes]:
    """The bytes of all files but the times."""
    folder = out.with_suffix("")
    records = (folder / "records.csv").read_bytes()
    settings = (folder / "run.json").read_bytes()
    assert not (folder / "parts").exists()
    return {**written(out), "records": records, "run": settings}


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return photos(tmp_path_factory.mktemp("together"), 5)


@pytest.fixture(scope="module")
def alone(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("alone") / "table.md"
    evaluate(1, photographs, out)
    return out


@pytest.mark.parametrize("count", [2, 4])
def test_several_processes_write_the_files_of_one(
    count: int, photographs: Path, alone: Path, tmp_path: Path
) -> None:
    assert together(count, photographs, tmp_path / "table.md") == 0
    assert everything(tmp_path / "table.md") == everything(alone)


def test_it_goes_on_with_another_number_of_processes(
    photographs: Path, alone: Path, tmp_path: Path
) -> None:
    out = tmp_path / "table.md"
    assert together(2, photographs, out, stop=2) != 0
    assert (tmp_path / "table" / "parts" / "1" / "records.csv").exists()
    assert together(3, photographs, out, stop=3) != 0
    evaluate(1, photographs, out)
    assert everything(out) == everything(alone)
