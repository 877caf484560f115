"""One of several processes of a small evaluation: tests/evaluation/test_together.py.

A program: `python -m torch.distributed.run ... evaluating.py COUNT PHOTOS OUT STOP`.
"""

import sys
from pathlib import Path

import numpy as np
import torch
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


if __name__ == "__main__":
    numbers, (where, table) = (sys.argv[1], sys.argv[4]), map(Path, sys.argv[2:4])
    evaluate(int(numbers[0]), where, table, int(numbers[1]))
