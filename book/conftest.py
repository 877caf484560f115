"""Lets `pytest --nbval` run the chapters, which are Markdown and not .ipynb files."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import forked_kernels
import jupytext
import pytest
from nbval.plugin import IPyNbFile

# Chapters under test neither read nor replace the hole that a reader has painted.
os.environ["MY_HOLE"] = str(Path(tempfile.gettempdir()) / f"hole-{os.getpid()}.png")


forked_kernels.install()


class Chapter(IPyNbFile):
    """A MyST Markdown notebook; each code cell becomes a test."""

    def collect(self) -> Iterator[pytest.Item]:
        # nbval reads its file through nbformat, which knows .ipynb only.
        with patch("nbformat.read", lambda path, as_version: jupytext.read(path)):
            yield from super().collect()


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> Chapter | None:
    """Collect each Markdown file whose header names jupytext, under --nbval only."""
    option = parent.config.option
    if file_path.suffix != ".md" or not (option.nbval or option.nbval_lax):
        return None
    header = file_path.read_text(encoding="utf-8").partition("\n---\n")[0]
    if "jupytext:" not in header.splitlines():
        return None
    return Chapter.from_parent(parent, path=file_path)
