"""An evaluation by several processes: the files of one, resumed with any number."""

from pathlib import Path

import pytest
from evaluating import as_rank, evaluate
from forked import free_port
from forked_kernels import SERVER
from tiny_evaluation import photos, written


def together(count: int, where: Path, out: Path, stop: int = 0) -> set[int]:
    """The exit codes of an evaluation by `count` processes."""
    port = free_port()
    ranks = [
        SERVER.Process(target=as_rank, args=(rank, count, port, where, out, stop))
        for rank in range(count)
    ]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join(300)
        rank.kill()  # had it hung, the code would not be one that is expected
    return {rank.exitcode for rank in ranks}


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
    assert together(count, photographs, tmp_path / "table.md") == {0}
    assert everything(tmp_path / "table.md") == everything(alone)


def test_it_goes_on_with_another_number_of_processes(
    photographs: Path, alone: Path, tmp_path: Path
) -> None:
    out = tmp_path / "table.md"
    assert 3 in together(2, photographs, out, stop=2)
    assert (tmp_path / "table" / "parts" / "1" / "records.csv").exists()
    assert 3 in together(3, photographs, out, stop=3)
    evaluate(1, photographs, out)
    assert everything(out) == everything(alone)
