"""The folder of a training: checkpoints to go on from, and the weights it made.

Everything is written whole or not at all.

Taught in book/16_warm_up.md.
"""

import pickle
from pathlib import Path
from typing import Any

import torch

from gin.checkpoints import save
from gin.errors import InputError
from gin.files import atomic
from gin.generator import DeepGIN

KEPT = 3
RECIPE = "recipe.yaml"
WEIGHTS, BEST = "weights.safetensors", "best.safetensors"


class RunFolder:
    """`recipe.yaml`, `checkpoints/`, `log/`, and two files of weights.

    `weights.safetensors` are the newest, `best.safetensors` those with the least
    error in the holes of the validation batches; both averaged, if there is an
    average.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = path / "checkpoints"
        self.log = path / "log"
        self.skipped = path / "skipped.csv"

    def found(self) -> list[Path]:
        """The checkpoints that are there, oldest first."""
        return sorted(self.checkpoints.glob("step-*.pt"))

    def check(self, resume: bool) -> None:
        """Raise InputError unless there is a run to resume, or none to overwrite.

        One that was killed before its first checkpoint can be resumed too.
        """
        started = (self.path / RECIPE).exists()
        if resume and not started:
            raise InputError(f"{self.path}: there is no run to resume")
        if not resume and started:
            raise InputError(
                f"{self.path}: holds a run already; resume it or name another folder"
            )

    def clear(self) -> None:
        """Remove what a process that was killed left half written."""
        for folder in (self.path, self.checkpoints):
            for leftover in folder.glob(".*-*.*"):
                leftover.unlink()

    def save(self, state: dict[str, Any], steps: int) -> None:
        """Write a checkpoint, then forget all but the newest three."""
        with atomic(self.checkpoints / f"step-{steps:09d}.pt") as temporary:
            torch.save(state, temporary)
        for old in self.found()[:-KEPT]:
            old.unlink()

    def load(self) -> dict[str, Any]:
        """The newest checkpoint. Raises InputError if it cannot be read."""
        path = self.found()[-1]
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except (RuntimeError, OSError, EOFError, pickle.UnpicklingError) as error:
            reason = " ".join(str(error).split("\n")[:1])
            raise InputError(
                f"{path}: cannot be read ({reason}); remove it to go on from the "
                "checkpoint before it"
            ) from error

    def save_weights(self, net: DeepGIN, notes: dict[str, str], best: bool) -> None:
        """Write `net` as the newest weights, and as the best if it is."""
        for name in (WEIGHTS, BEST) if best else (WEIGHTS,):
            save(net, self.path / name, notes=notes)
