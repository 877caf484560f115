"""Damaged files through the commands, and that the program that damages them sees."""

import mmap
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from gin.cli.app import main

ROOT = Path(__file__).parents[2]
KINDS = "photograph mask safetensors pth recipe photograph_list shard checkpoint"


@pytest.fixture
def fuzz(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import fuzz

    return fuzz


def test_damaged_files_are_taken_or_refused_in_a_line(tmp_path: Path) -> None:
    """200 runs of `benchmarks/fuzz.py`, where other programs may slow it down."""
    done = subprocess.run(
        [
            *(sys.executable, ROOT / "benchmarks" / "fuzz.py", "--runs", "200"),
            *("--minutes", "20", "--hang", "120", "--failures", tmp_path),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(f"| {kind} " in done.stdout for kind in KINDS.split())
    assert "200 runs" in done.stdout


def traceback(arguments: list[str]) -> int:
    return 1 // 0


def speechless(arguments: list[str]) -> int:
    return 2


def crash(arguments: list[str]) -> int:
    os._exit(139)


def hang(arguments: list[str]) -> int:
    time.sleep(600)
    return 0


def memory(arguments: list[str]) -> int:
    # Not from the allocator, which may hold as much.
    return mmap.mmap(-1, 1 << 28).write(bytes(1 << 28)) & 0


def left(arguments: list[str]) -> int:
    Path(arguments[0], ".weights-x7.safetensors").touch()
    return 0


def refused(arguments: list[str]) -> int:
    return main(["inpaint", "none.png", "--out", arguments[0]])


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        (traceback, "traceback"),
        (speechless, "traceback"),
        (crash, "crash"),
        (hang, "hang"),
        (memory, "memory"),
        (left, "left behind"),
        (refused, "refused"),
    ],
)
def test_every_kind_of_failure_is_seen(
    fuzz: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    program: Callable[[list[str]], int],
    expected: str,
) -> None:
    def kind(corpus: Path, case: Path, rng: np.random.Generator) -> list[str]:
        return [str(case)]

    monkeypatch.setattr(fuzz, "write_corpus", lambda folder: None)
    monkeypatch.setattr(fuzz, "SHARES", {kind: 1})
    monkeypatch.setattr(fuzz, "MEMORY", 1 << 26)
    monkeypatch.setattr(fuzz.resource, "setrlimit", lambda *_: None)
    monkeypatch.setattr(fuzz, "main", program)
    found = fuzz.Fuzzer(
        tmp_path, tmp_path / "failures", 0, 2 if program is hang else 60
    )
    for number in range(2):
        found.run(number)
    found.program.end()
    assert found.counts["kind"] == {expected: 2}
    kept = [path.name for path in (tmp_path / "failures").glob("0*")]
    assert kept == ([] if expected == "refused" else [f"000000-kind-{expected}"])


def test_a_run_is_the_same_for_the_same_seed(fuzz: ModuleType, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    fuzz.write_corpus(corpus)
    for prepare in fuzz.SHARES:
        made = []
        for case in (tmp_path / "one" / prepare.__name__, tmp_path / prepare.__name__):
            case.mkdir(parents=True)
            prepare(corpus, case, np.random.default_rng(3))
            files = sorted(path for path in case.rglob("*") if path.is_file())
            made.append([(p.relative_to(case), p.read_bytes()) for p in files])
        assert made[0] == made[1]
