"""A painted hole is kept for the chapters that follow; without one they have theirs."""

from pathlib import Path

import numpy as np
import pytest
from support import my_hole

from gin import masks
from gin.errors import InputError

ROOT = Path(__file__).parents[2]
PAINTED = masks.free_form(64, 96, np.random.default_rng(0))
DEFAULT = masks.rectangular(128, 192, np.random.default_rng(1))


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MY_HOLE", str(tmp_path / "hole.png"))
    return tmp_path / "hole.png"


def test_without_a_painted_hole_the_default_comes_back() -> None:
    assert my_hole.load(DEFAULT) is DEFAULT


def test_a_painted_hole_comes_back_at_the_size_of_the_default(file: Path) -> None:
    assert my_hole.save(PAINTED) == file
    assert np.array_equal(my_hole.load(PAINTED * 0), PAINTED)
    enlarged = my_hole.load(DEFAULT)
    assert enlarged.dtype == np.uint8
    assert np.array_equal(enlarged, PAINTED.repeat(2, 0).repeat(2, 1))


def test_a_forgotten_hole_is_gone_and_may_be_forgotten_twice() -> None:
    my_hole.save(PAINTED)
    my_hole.forget()
    my_hole.forget()
    assert my_hole.load(DEFAULT) is DEFAULT


@pytest.mark.parametrize("mask", [PAINTED * 0, PAINTED * 2, PAINTED[0]])
def test_what_is_no_hole_is_not_saved(mask: np.ndarray, file: Path) -> None:
    with pytest.raises(InputError, match="^my hole: "):
        my_hole.save(mask)
    assert not file.exists()


def test_the_file_is_ignored_and_the_chapters_under_test_have_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("MY_HOLE")
    assert my_hole.path().parent == ROOT / "book"
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert f"/book/{my_hole.path().name}" in ignored
    tests = (ROOT / "book" / "conftest.py").read_text()
    assert 'os.environ["MY_HOLE"]' in tests
