"""A training's curves: what the log holds is what the table gives back."""

from pathlib import Path

import pytest
from support.curves import read_log, read_table, write_table
from torch.utils.tensorboard import SummaryWriter

from gin.errors import InputError


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "log"
    with SummaryWriter(folder) as writer:
        for step in range(1, 12_001, 5):  # more than TensorBoard shows at a time
            writer.add_scalar("loss/l1", 1 / step, step)
        writer.add_scalar("rate", 1e-4, 7)
    return folder


def test_every_point_comes_back(log: Path, tmp_path: Path) -> None:
    curves = read_log(log)
    assert len(curves["loss/l1"]) == 2_400
    assert curves["rate"] == {7: pytest.approx(1e-4)}
    write_table(curves, path := tmp_path / "curves.csv")
    again = read_table(path)
    assert {name: list(points) for name, points in again.items()} == {
        name: list(points) for name, points in curves.items()
    }
    assert again["loss/l1"] == pytest.approx(curves["loss/l1"], rel=1e-5)


@pytest.mark.parametrize("text", ["", "a,b\n", "curve,step,value\nl1,1.5,2\n"])
def test_another_file_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text(text)
    with pytest.raises(InputError, match="other.csv: not a table of curves"):
        read_table(tmp_path / "other.csv")
    with pytest.raises(InputError, match="none.csv: not a table of curves"):
        read_table(tmp_path / "none.csv")


def test_a_folder_without_curves_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no curves; expected a run's log"):
        read_log(tmp_path)
