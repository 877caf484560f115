"""A disk that fills up."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def full_beyond(size: int) -> Iterator[None]:
    """No file of this process may grow beyond `size` bytes: "File too large"."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
