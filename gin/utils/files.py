"""Files: checks before reading and writing, atomic writes, locks."""

import errno
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from gin.errors import InputError, input_error

PARTIAL = ".gin-partial"  # the suffix of every temporary file
LOCK = ".gin-lock"
REPLACE = "--force replaces it"
_NAMED = re.compile(r"(\w[\w .-]*)=(.+)")
StrPath = str | os.PathLike[str]
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def check_regular(path: Path) -> None:
    """Raise InputError for a folder, a pipe or a device; reading them may never end.

    A path that does not exist passes: opening it raises the reason.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # ValueError: a null byte in the name
        return
    if not stat.S_ISREG(mode):
        raise InputError(
            f"{path}: is not a regular file, but a folder, a pipe or a device"
        )


def check_new(path: Path, force: bool, hint: str = REPLACE) -> None:
    """Raise InputError, with `hint`, for a folder, or a file if `force` is false."""
    with input_error(f"{path}: cannot be written", OSError):  # a name too long
        if path.is_dir():
            raise InputError(f"{path}: is a folder; expected the name of a new file")
        if os.path.lexists(path) and not force:  # a dangling link counts
            raise taken(path, hint)


def check_folder(folder: Path) -> None:
    """Raise InputError unless files can be created in `folder`, which may be new."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    with _writing(folder), tempfile.TemporaryFile(dir=existing):
        pass


@contextmanager
def atomic(path: Path, replace: bool = True, hint: str = REPLACE) -> Iterator[Path]:
    """Yield a temporary path that is renamed to `path` when the block succeeds.

    The content is on the disk before the rename; after an exception `path` is
    unchanged. Without `replace` an existing file, or a dangling symbolic link, is kept,
    and `hint` says what to do.

    Raises InputError if `path` is a folder or cannot be written, the disk is full, or
    `path` exists and `replace` is false.
    """
    check_new(path, force=True)
    with _writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=PARTIAL)
    os.close(handle)
    temporary = Path(name)
    try:
        with _room(path):
            yield temporary
            temporary.chmod(0o666 & ~_umask())
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            with input_error(f"{path}: cannot be written", OSError, ValueError):
                temporary.replace(path) if replace else _place(temporary, path, hint)
    finally:
        temporary.unlink(missing_ok=True)


def append(path: Path, content: bytes) -> None:
    """Append `content` to `path`. Raises InputError if the disk is full."""
    with _room(path), path.open("ab") as file:
        file.write(content)


@contextmanager
def _room(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise no_room(path, error) if error.errno in FULL else error from error


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock `folder`, created if it is missing, against other processes.

    The lock ends with the block or the process. Raises InputError if another process
    holds it, or if the folder cannot be written.
    """
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock = FileLock(folder / LOCK).acquire(blocking=False)
        except Timeout as error:  # an OSError
            raise InputError(
                f"{folder}: another process writes into it; wait until it has ended, "
                "or name another folder"
            ) from error
    with lock:
        yield


def remove_partial(folder: Path, deep: bool = False) -> None:
    """Remove temporary files of killed processes from `folder`, if `deep` recursively.

    The folder must be `locked`: running processes have temporary files, too.
    """
    search = folder.rglob if deep else folder.glob
    for leftover in search(f".*{PARTIAL}"):
        leftover.unlink()


def taken(path: Path, hint: str = REPLACE) -> InputError:
    """The exception for a `path` that may not be replaced."""
    return InputError(f"{path}: exists already; {hint}")


def no_room(path: Path, error: OSError) -> InputError:
    """The exception for an `error` whose errno is one of `FULL`."""
    return InputError(
        f"{path}: cannot be written ({error.strerror}); expected free disk space"
    )


def split_name(text: str) -> tuple[str | None, str]:
    """`[NAME=]VALUE` as (name, value); the name may be None.

    The text of an existing path is a value, even with an equals sign in it.
    """
    match = _NAMED.fullmatch(text)
    if match is None or Path(text).exists():
        return None, text
    return match[1], match[2]


def _place(temporary: Path, path: Path, hint: str) -> None:
    """Rename `temporary` to `path`. Raises InputError if `path` exists."""
    try:
        try:
            path.hardlink_to(temporary)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            path.touch(exist_ok=False)
            temporary.replace(path)
    except FileExistsError as error:
        raise taken(path, hint) from error


def _writing(folder: Path) -> AbstractContextManager[None]:
    expected = "a folder with write permission"
    return input_error(f"{folder}: cannot be written", OSError, expected=expected)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
