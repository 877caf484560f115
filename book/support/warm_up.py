"""Chapter 17's short trainings: first weights, gradients, and a race of two starts.

Taught in book/17_warm_up.md.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from gin.data.loader import Key, PhotographBatches, on_device
from gin.data.sources import open_source
from gin.generator import DeepGIN
from gin.initialisation import small_initialisation
from gin.losses import reconstruction_loss
from gin.recipes import SMOKE, Recipe
from gin.training.learner import Learner
from gin.training.progress import Validation
from gin.training.schedule import Clock, Timetable

PHOTOS = Path(__file__).parents[2] / "data" / "photos"
SMALL = replace(SMOKE, data=replace(SMOKE.data, image_size=32))
Batch = tuple[Tensor, Tensor]


def batch(number: int, side: int = 32, photographs: int = 1, seed: int = 0) -> Batch:
    """image (3P, 3, side, side) and mask (3P, 1, side, side)."""
    made = PhotographBatches(open_source(PHOTOS), SMALL.data, seed)
    return on_device(made[Key(number, photographs, side)], "cpu")


def new_learner(recipe: Recipe, seed: int = 0, exact: bool = False) -> Learner:
    """A learner on the CPU without phi; in float64 where `exact`."""
    fabric = Fabric(accelerator="cpu", precision="64-true" if exact else "32-true")
    return Learner(recipe, seed=seed, features=None, fabric=fabric)


@torch.no_grad()
def coarse(scale: float, masked: Tensor, mask: Tensor) -> Tensor:
    """I_coarse before any training, at weights of Kaiming x `scale`."""
    torch.manual_seed(0)
    net = DeepGIN(base_channels=8)
    small_initialisation(net, scale)
    return net(masked, mask).coarse


def stretched(picture: Tensor) -> Tensor:
    """Each channel from its least value to its greatest, as 0 to 1."""
    low, high = picture.amin((2, 3), True), picture.amax((2, 3), True)
    return (picture - low) / (high - low)


def gradients(
    initialise: Callable[[nn.Module], None], image: Tensor, mask: Tensor
) -> list[float]:
    """RMS of each convolution's gradient of Eq. 1, G1 first, then G2."""
    torch.manual_seed(0)
    net = DeepGIN(base_channels=8)
    initialise(net)
    reconstruction_loss(net(image, mask), image, mask, 5.0).backward()
    weights = [p for p in net.parameters() if p.ndim == 4]
    return [float(p.grad.square().mean().sqrt()) for p in weights]


def distance(one: nn.Module, other: nn.Module) -> float:
    """Of two networks' parameters, Euclidean."""
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    gaps = [(a - b).detach().norm() for a, b in pairs]
    return float(torch.stack(gaps).norm())


def factors(recipe: Recipe, epochs: int = 110, count: int = 100) -> list[float]:
    """The factor of the learning rates at the start of each epoch."""
    table = Timetable(recipe, count)
    return [table.factor(Clock(0, 0, count * epoch)) for epoch in range(epochs)]


def starting(name: str) -> Recipe:
    """`SMALL` with one of the initialisations of `gin.initialisation`."""
    return replace(SMALL, network=replace(SMALL.network, initialisation=name))


def race(
    recipe: Recipe, data: Sequence[Batch], held: Sequence[Batch], steps: int
) -> tuple[Learner, list[float], list[float]]:
    """A warm-up of some steps.

    Returns the learner, and the error in the holes of `held` (%) before every second
    step: with the weights that Adam moves, and with their average.
    """
    learner, validation = new_learner(recipe), Validation(list(held))
    raw, averaged = [], []
    for n in range(steps):
        if n % 2 == 0:
            raw.append(validation(learner.net)[0])
            averaged.append(validation(learner.average)[0])
        learner.warm_up_step(*data[n % len(data)], factor=min(1.0, (n + 1) / 20))
        learner.follow(n + 1)
    return learner, raw, averaged


def roughness(line: Sequence[float]) -> float:
    """Mean change from point to point, once the learning rate has risen."""
    return float(np.abs(np.diff(line[10:])).mean())
