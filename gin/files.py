"""Files: that one can be read, and writing one whole or not at all."""

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gin.errors import InputError


def check_regular(path: Path) -> None:
    """Raise InputError for a folder, a pipe or a device, whose reading may never end.

    A path that does not exist passes: opening it tells why.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # ValueError: a null byte in the name
        return
    if not stat.S_ISREG(mode):
        raise InputError(
            f"{path}: a folder, a pipe or a device; expected a regular file"
        )


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block succeeds.

    The content is on the disk before the name changes; after an exception
    `path` is as it was. Raises InputError where the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix
        )
    except OSError as error:
        raise InputError(
            f"{path.parent}: cannot be written ({error.strerror}); "
            "expected a folder with write permission"
        ) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
