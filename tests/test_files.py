"""Atomic writing."""

from pathlib import Path

import pytest

import gin
from gin.files import atomic


def write_and_fail(path: Path) -> None:
    with atomic(path) as temporary:
        temporary.write_text("two")
        path.with_name("missing").read_text()


def test_replaces_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    with atomic(path) as temporary:
        temporary.write_text("one")
        assert not path.exists()
    assert path.read_text() == "one"
    with pytest.raises(FileNotFoundError):
        write_and_fail(path)
    assert path.read_text() == "one"
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with (
        pytest.raises(gin.InputError, match="cannot be written"),
        atomic(tmp_path / "file" / "under" / "it.png"),
    ):
        pass
    assert (tmp_path / "file").read_text() == "mine"
