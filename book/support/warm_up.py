"""Chapter 17's short trainings: first weights, gradients, and a race of two starts.

Taught in book/17_warm_up.md.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from support import figures
from torch import Tensor, nn

from gin.data.loader import Key, PhotographBatches, on_device
from gin.data.sources import open_source
from gin.generator import DeepGIN
from gin.initialisation import small_initialisation
from gin.losses import reconstruction_loss
from gin.recipes import DEMO, GPU, PAPER, RELEASED, SMOKE, Recipe
from gin.training.learner import Learner
from gin.training.progress import Validation
from gin.training.schedule import Clock, Timetable

PHOTOS = Path(__file__).parents[2] / "data" / "photos"
SMALL = replace(SMOKE, data=replace(SMOKE.data, image_size=32))
RECIPES = {"paper": PAPER, "released": RELEASED, "demo": DEMO, "gpu": GPU}
Batch = tuple[Tensor, Tensor]


def settings_table() -> figures.Table:
    """The optimiser's settings of `RECIPES`, a dash where one is not used."""
    names = "warm_up_lr", "betas", "lr_warmup_steps", "clip", "ema_decay"
    rows = [
        (n, *(f"{getattr(r.optimiser, n) or '-'}" for r in RECIPES.values()))
        for n in names
    ]
    return figures.Table(["optimiser", *RECIPES], rows)


def batch(number: int, side: int = 32, photographs: int = 1, seed: int = 0) -> Batch:
    """image (3P, 3, side, side) and mask (3P, 1, side, side)."""
    made = PhotographBatches(open_source(PHOTOS), SMALL.data, seed)
    return on_device(made[Key(number, photographs, side)], "cpu")


def new_learner(recipe: Recipe, seed: int = 0, exact: bool = False) -> Learner:
    """A learner on the CPU without phi; in float64 where `exact`."""
    fabric = Fabric(accelerator="cpu", precision="64-true" if exact else "32-true")
    return Learner(recipe, seed=seed, features=None, fabric=fabric)


def directions(
    masked: Tensor, mask: Tensor, wanted: Tensor, found: Mapping[str, Tensor]
) -> tuple[dict[str, float], figures.Drawing]:
    """How well directions in the hole agree with the wanted one, and all as pictures.

    Of the first image; a change of 0 is mid-grey, the greatest one black or white.
    """
    hole = mask.expand_as(masked) > 0
    cosine = {
        name: float(torch.cosine_similarity(d[hole], wanted[hole], dim=0))
        for name, d in found.items()
    }
    inside = [torch.where(hole, d, 0)[:1] for d in (wanted, *found.values())]
    shown = [0.5 + change / (2 * change.abs().max()) for change in inside]
    titles = [f"{name}, cosine {value:.2f}" for name, value in cosine.items()]
    drawing = figures.row(
        [masked[:1], *shown], ["masked", "wanted", *titles], per_line=2
    )
    return cosine, drawing


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


def check_schedule() -> None:
    """Assert stage, learning rate and batch of every step of `RECIPES`."""
    for recipe in RECIPES.values():
        schedule, count = recipe.schedule, 2 * recipe.data.batch_size
        table, clock = Timetable(recipe, count), Clock()
        unit = 2 if schedule.unit == "epochs" else 1  # in steps
        lengths = (schedule.warm_up, schedule.flat, schedule.decay)
        warm_up, flat, decay = (unit * length for length in lengths)
        total, photographs = warm_up + flat + decay, 0
        for step in range(total):
            assert table.warming_up(clock) == (step < warm_up)
            assert clock.photographs == photographs
            late = max(0, step - warm_up - flat) / decay
            cosine = (1 + math.cos(math.pi * late)) / 2
            fall = cosine if schedule.shape == "cosine" else 1 - late
            taken = step if step < warm_up else step - warm_up
            rise = min(1, (taken + 1) / max(1, recipe.optimiser.lr_warmup_steps))
            assert math.isclose(table.factor(clock), rise * fall, abs_tol=1e-12)
            batch = table.phase(clock)
            started = [p for p in recipe.phases if p.start * total <= step + 1e-6]
            assert not started or batch == started[-1]
            photographs += batch.batch_size
            clock = table.after(clock, batch.batch_size)
        assert table.finished(clock)
    for rank, firsts in ((0, [0, 8, 16]), (1, [4, 12, 20])):  # of two processes
        keys = Timetable(PAPER, 8).keys(Clock(), rank, world=2)
        assert [key.first for key in islice(keys, 3)] == firsts


def race(
    initialisation: str, data: Sequence[Batch], held: Sequence[Batch], steps: int
) -> tuple[list[float], list[float]]:
    """A warm-up of some steps from one of the initialisations of `gin`.

    Returns the error in the holes of `held` (%) before every second step: with the
    weights that Adam moves, and with their average.
    """
    network = replace(SMALL.network, initialisation=initialisation)
    learner = new_learner(replace(SMALL, network=network))
    validation = Validation(list(held))
    raw, averaged = [], []
    for n in range(steps):
        if n % 2 == 0:
            raw.append(validation(learner.net)[0])
            averaged.append(validation(learner.average)[0])
        learner.warm_up_step(*data[n % len(data)], factor=min(1.0, (n + 1) / 20))
        learner.follow(n + 1)
    return raw, averaged


def roughness(line: Sequence[float]) -> float:
    """Mean change from point to point, once the learning rate has risen."""
    return float(np.abs(np.diff(line[10:])).mean())
