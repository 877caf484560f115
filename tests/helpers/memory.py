"""How much memory something takes, measured and not computed."""

import ctypes
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

PROCESS = Path("/proc/self")


def megabytes(work: Callable[[], object]) -> float:
    """By how much `work` raises the largest resident memory of this process.

    Skips the test where the system does not tell.
    """
    with suppress(AttributeError):  # not glibc's
        ctypes.CDLL(None).malloc_trim(0)  # else what is freed would hide what is taken
    try:
        (PROCESS / "clear_refs").write_text("5")  # forget the largest so far
    except OSError:
        pytest.skip("the system does not say how much memory a process takes")
    before = _status("VmRSS")
    work()
    return (_status("VmHWM") - before) / 1024


def _status(key: str) -> int:
    found = re.search(rf"^{key}:\s+(\d+) kB", (PROCESS / "status").read_text(), re.M)
    assert found
    return int(found[1])
