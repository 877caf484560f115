"""Files are written whole, never lost, and folders are written by one process."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from full_disk import full_beyond

import gin
from gin.utils.files import PARTIAL, append, atomic, locked, remove_partial

ROOT = Path(__file__).parents[2]


def write(path: Path, text: str = "two", replace: bool = True) -> None:
    with atomic(path, replace) as temporary:
        temporary.write_text(text)


def write_and_fail(path: Path) -> None:
    with atomic(path) as temporary:
        temporary.write_text("two")
        path.with_name("missing").read_text()


def test_replaces_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    with atomic(path) as temporary:
        temporary.write_text("one")
        assert not path.exists()
        assert temporary.name.startswith(".")
        assert temporary.name.endswith(PARTIAL)
    assert path.read_text() == "one"
    with pytest.raises(FileNotFoundError):
        write_and_fail(path)
    assert path.read_text() == "one"
    assert list(path.parent.iterdir()) == [path]


def test_a_name_may_be_as_long_as_the_file_system_allows(tmp_path: Path) -> None:
    path = tmp_path / ("a" * 251 + ".txt")
    write(path)
    assert path.read_text() == "two"


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for attempt in (
        atomic(tmp_path / "file" / "under" / "it.png"),
        locked(tmp_path / "file"),
    ):
        with pytest.raises(gin.InputError, match="cannot be written"), attempt:
            pass
    assert (tmp_path / "file").read_text() == "mine"


# --- nothing is replaced -------------------------------------------------------------


@pytest.fixture(params=["hard links", "no hard links"])
def linking(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    if request.param == "no hard links":
        monkeypatch.setattr(Path, "hardlink_to", unsupported)


@pytest.mark.usefixtures("linking")
def test_a_file_that_came_meanwhile_stays(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write(path, "one", replace=False)
    assert path.read_text() == "one"
    with pytest.raises(gin.InputError, match=r"file\.txt: exists already; --force"):
        write(path, replace=False)
    assert path.read_text() == "one"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.usefixtures("linking")
def test_a_dangling_link_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "link"
    path.symlink_to("nowhere")
    with pytest.raises(gin.InputError, match="link: exists already"):
        write(path, replace=False)
    assert path.is_symlink()
    assert list(tmp_path.iterdir()) == [path]


# --- a full disk ---------------------------------------------------------------------


def test_a_full_disk_is_said_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write(path, "one")
    with (
        full_beyond(100),
        pytest.raises(gin.InputError, match=r"file\.txt: cannot be written \(File too"),
    ):
        write(path, "two" * 1000)
    assert path.read_text() == "one"
    with (
        full_beyond(100),
        pytest.raises(gin.InputError, match=r"file\.txt: cannot be written"),
    ):
        append(path, b"two" * 1000)
    assert path.read_text().startswith("one")
    assert list(tmp_path.iterdir()) == [path]


# --- one process at a time -----------------------------------------------------------

HOLDER = """
import os, sys, time
from pathlib import Path
from gin.utils.files import locked
with locked(Path(sys.argv[1])):
    if not os.fork():
        print(os.getpid(), flush=True)  # the child runs: what it does at a fork is done
    time.sleep(60)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="os.fork is missing")
def test_a_lock_ends_with_its_process_whatever_that_has_forked(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    child = int(holder.stdout.readline())
    try:
        with (
            pytest.raises(gin.InputError, match="run: another process writes into it"),
            locked(folder),
        ):
            pass
        holder.kill()
        holder.wait()
        with locked(folder):
            pass
    finally:
        holder.kill()
        os.kill(child, signal.SIGKILL)


def test_leftovers_alone_are_removed(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    names = [".my-notes.txt", ".pre-commit-config.yaml", "a.gin-partial"]
    mine = [tmp_path / "deep" / name for name in names]
    left = tmp_path / "deep" / f".x{PARTIAL}"
    for path in (*mine, left):
        path.touch()
    remove_partial(tmp_path)
    assert left.exists()
    remove_partial(tmp_path, deep=True)
    assert sorted((tmp_path / "deep").iterdir()) == sorted(mine)
