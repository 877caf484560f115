"""One of several processes of a small evaluation: tests/evaluation/test_together.py."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from forked import join
from tiny_evaluation import METHODS, Reports, evaluation

from gin.baselines.methods import Candidate
from gin.errors import InputError
from gin.training.processes import Processes


def evaluate(count: int, photographs: Path, out: Path, stop: int = 0) -> None:
    """Resumes what is there; `stop` > 0 fails at so many completions of a method."""
    torch.set_num_threads(1)
    resume = (out.with_suffix("") / "run.json").exists()
    processes = Processes.launch(count, "cpu")
    calls = 0

    def last(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += 1
        if calls == stop:
            raise InputError("stopped on purpose")
        return np.full_like(image, 77)

    candidates = (*METHODS, Candidate("last", last, "77 everywhere"))
    found = evaluation(out, photographs, candidates=candidates)
    found.processes = processes
    found.run(resume)
    if processes.first:
        Reports(out).write(found, resume)


def as_rank(rank: int, count: int, port: int, *arguments: Any) -> None:
    """Evaluate as one of `count` processes; exit code 3 if it stops on purpose."""
    join(rank, count, port)
    try:
        evaluate(count, *arguments)
    except InputError:
        sys.exit(3)
