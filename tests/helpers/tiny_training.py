"""A training of seconds: photographs, a recipe, and looks into what it left."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from data_trees import folder_of
from torch import Tensor

from gin.recipes import SMOKE, Phase, Recipe, Schedule
from gin.training.hardware import Hardware

# Nine steps, four of them warm-up, over 2, later 1 of 5 photographs: no epoch ends
# where a stage, a phase or a checkpoint does.
TINY: Recipe = replace(
    SMOKE,
    network=replace(SMOKE.network, base_channels=2),
    data=replace(SMOKE.data, image_size=16),
    schedule=Schedule("steps", warm_up=4, flat=0, decay=5, save_steps=3),
    phases=(Phase(0.0, 16, 2, 0.5), Phase(0.85, 32, 1)),
)
CPU = Hardware("cpu", precision="float32", workers=0)
# The same from the command line.
SETTINGS = [
    f"--set={path}={value}"
    for path, value in {
        "network.base_channels": 2,
        "data.image_size": 16,
        "data.batch_size": 2,
        "schedule.warm_up": 4,
        "schedule.decay": 5,
        "schedule.save_steps": 3,
    }.items()
]
OPTIONS = ["--device=cpu", "--precision=float32"]


def photographs(where: Path) -> Path:
    return folder_of(where, 5)


def checkpoints(run: Path) -> dict[int, dict[str, Any]]:
    """Every checkpoint by its number of steps; all of them can be read."""
    return {
        int(path.stem.removeprefix("step-")): torch.load(path, weights_only=True)
        for path in sorted((run / "checkpoints").glob("*.pt"))
    }


def last(run: Path) -> dict[str, Any]:
    return list(checkpoints(run).values())[-1]


def same(one: Any, other: Any) -> bool:
    """Whether two states are equal, bit for bit; the time spent does not matter."""
    if isinstance(one, Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(
            key == "seconds" or same(one[key], other[key]) for key in one
        )
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)
