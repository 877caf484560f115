"""Trainings that fail on purpose, each beside one that differs in a single setting.

For the book's gallery of failures. Every training is small enough for a CPU: one
photograph under three masks a step, from first weights (base width 8, 48 px) or from
data/weights/warm-up.safetensors (base width 16, 64 px). Curves go to OUT/NAME.csv,
which `support.curves.read_table` reads; pictures go to OUT/NAME.png, a row for each of
two holes, its columns in the order of `COLUMNS`. The book shows those in
data/results/failures.

    python benchmarks/failures.py --out data/results/failures
    python benchmarks/failures.py --only chance texture
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from PIL import Image
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "book"))

from _table import machine, show
from support.curves import Curves, write_table

from gin.blocks import Up
from gin.data.loader import Key, PhotographBatches, on_device
from gin.data.sources import Files, find_photographs
from gin.losses import discriminator_loss
from gin.recipes import (
    DataRecipe,
    LossRecipe,
    NetworkRecipe,
    OptimiserRecipe,
    Recipe,
)
from gin.training.cost import random_learner
from gin.training.learner import Learner

ROOT = Path(__file__).resolve().parents[1]
PHOTOS = ROOT / "data" / "photos"
HELD = ("erase_kingfisher", "lomiri_aitzgorri", "monuments_tajmahal", "erase_alpaca")
COLUMNS = ("masked", "fails", "works", "photograph")
SIZE, LARGER, SHOWN = 48, 64, 96  # px, of scratch and of trained weights, and shown
BATCHES, STEPS, FEW_STEPS = 72, 200, 60
WORKS = "works"
LAMP = torch.tensor([1.0, 0.8, 0.35]).view(1, 3, 1, 1)  # on R, G and B
RECIPE = Recipe(
    network=NetworkRecipe(base_channels=8, composite=True, initialisation="identity"),
    data=DataRecipe("crop", SIZE, 1, augment=True, free_form_variant="alternate"),
    losses=LossRecipe(
        adversarial_weight=0.02,
        perceptual_weight=0.0,
        style_weight=0.0,
        variation_weight=0.0,
        compared="completed",
    ),
    optimiser=OptimiserRecipe(
        warm_up_lr=1e-3,
        generator_lr=5e-4,
        discriminator_lr=1e-3,
        betas=(0.5, 0.99),
        lr_warmup_steps=20,
        clip=1.0,
        ema_decay=0.95,
    ),
    backbone="alexnet",  # with random weights, and without weight in the loss
)
TRAINED = replace(
    RECIPE,
    network=replace(
        RECIPE.network,
        base_channels=16,
        initialisation=str(ROOT / "data" / "weights" / "warm-up.safetensors"),
    ),
)
Batches = list[tuple[Tensor, Tensor]]
Fill = Callable[[Tensor, Tensor], Tensor]


@dataclass
class Failure:
    """What a pair of trainings leaves: curves by "run/quantity", and two fills."""

    curves: Curves = field(default_factory=dict)
    fills: tuple[Fill, Fill] | None = None

    def note(self, run: str, quantity: str, values: list[float]) -> None:
        """Add a curve whose value n belongs to step n + 1."""
        self.curves[f"{run}/{quantity}"] = dict(enumerate(values, start=1))


class Lab:
    """The photographs, and the warm-up with which every sound run begins."""

    def __init__(self) -> None:
        names = [path.stem for path in find_photographs(PHOTOS)]
        trained = [name for name in names if name not in HELD]
        self.data = read(trained, BATCHES, SIZE, seed=0)
        self.larger = read(trained, FEW_STEPS, LARGER, seed=0)
        self.held = read(HELD, len(HELD), SHOWN, seed=1)

    @cached_property
    def warm(self) -> tuple[Learner, list[float]]:
        """The learner after the common warm-up, and its L1 at each step."""
        learner = new_learner(RECIPE)
        return learner, warm_up(learner, self.data)


def pairs(learner: Learner, data: Batches) -> Batches:
    """Each batch's masked images, and its true images beside the completed."""
    found = []
    with torch.no_grad():
        for image, mask in data:
            masked = image * (1 - mask) + mask
            fake = learner.average(image, mask).completed
            found.append((masked.repeat(2, 1, 1, 1), torch.cat([image, fake])))
    return found


def read(names: Sequence[str], count: int, side: int, seed: int) -> Batches:
    """`count` batches of one photograph, in the training's order."""
    files = Files(PHOTOS, [f"{name}.jpg" for name in names])
    made = PhotographBatches(files, RECIPE.data, seed)
    return [on_device(made[Key(n, 1, side)], "cpu") for n in range(count)]


def new_learner(recipe: Recipe) -> Learner:
    """A learner on the CPU, in float32."""
    return random_learner(recipe, Fabric(accelerator="cpu"))


def changed(**optimiser: Any) -> Recipe:
    """The common recipe with other settings of the optimiser."""
    return replace(RECIPE, optimiser=replace(RECIPE.optimiser, **optimiser))


def warm_up(learner: Learner, data: Batches, steps: int = STEPS) -> list[float]:
    """L1 of each step; ends early where it is not finite."""
    values = []
    for n in range(steps):
        factor = min(1.0, (n + 1) / learner.recipe.optimiser.lr_warmup_steps)
        values.append(float(learner.warm_up_step(*data[n % len(data)], factor)["l1"]))
        learner.follow(n + 1)
        if not np.isfinite(values[-1]):
            break
    return values


def train_discriminators(
    learner: Learner, pairs: Batches, lr: float, steps: int = STEPS
) -> list[float]:
    """Eq. 3 of each step, while the generators stand still."""
    discriminators, values = learner.discriminators, []
    adam = torch.optim.Adam(discriminators.parameters(), lr, (0.5, 0.99))
    for n in range(steps):
        maps = discriminators(*pairs[n % len(pairs)])
        real, fake = zip(*(m.chunk(2) for m in maps), strict=True)
        loss = discriminator_loss(real, fake)
        adam.zero_grad()
        loss.backward()
        adam.step()
        values.append(float(loss.detach()))
    return values


def floor(learner: Learner, pairs: Batches) -> float:
    """The least of Eq. 3: both images are one where a patch sees no missing pixel."""
    lowest = []
    with torch.no_grad():
        for pair in pairs:
            for answers in learner.discriminators(*pair):
                real, fake = answers.chunk(2)
                same = (real - fake).abs().amax(1) < 1e-6
                lowest.append(2 * float(same.float().mean()))
    return 2 * float(np.mean(lowest))  # two scales


def chance(lab: Lab) -> Failure:
    """Discriminators with too low a learning rate, a working one, and few images."""
    result, every = Failure(), pairs(lab.warm[0], lab.data)
    runs = {"lr 1e-5": (1e-5, every), WORKS: (1e-3, every)}
    runs["2 photographs"] = (1e-3, every[:2])
    for run, (lr, some) in runs.items():
        learner = new_learner(RECIPE)
        values = train_discriminators(learner, some, lr)
        result.note(run, "discriminators", values)
        result.curves[f"{run}/floor"] = {STEPS: floor(learner, some)}
    return result


def texture(lab: Lab) -> Failure:
    """The adversarial term a thousand times as strong."""
    first, result = new_learner(TRAINED), Failure()
    train_discriminators(first, pairs(first, lab.larger), 1e-3, 2 * FEW_STEPS)
    learners = []
    for run, weight in (("weight 20", 20.0), (WORKS, 0.02)):
        losses = replace(RECIPE.losses, adversarial_weight=weight)
        learner = new_learner(replace(TRAINED, losses=losses))
        learner.load_state_dict(deepcopy(first.state_dict()))
        terms = [learner.main_step(*batch, factor=1.0) for batch in lab.larger]
        learner.average = learner.net
        for name in ("l1", "adversarial"):
            result.note(run, name, [float(term[name]) for term in terms])
        error = hole_error(lab, fill_with(learner))
        result.curves[f"{run}/error in the hole (%)"] = {FEW_STEPS: error}
        learners.append(learner)
    result.fills = fill_with(learners[0]), fill_with(learners[1])
    return result


def colour(lab: Lab) -> Failure:
    """All photographs of the training under one yellow light."""
    lit = [(image * LAMP, mask) for image, mask in lab.larger]
    learner, works, result = new_learner(TRAINED), new_learner(TRAINED), Failure()
    warm_up(learner, lit, FEW_STEPS)
    for run, trained in (("yellow light", learner), (WORKS, works)):
        gap = {FEW_STEPS: lack_of_blue(lab, trained)}
        result.curves[f"{run}/blue too low (%)"] = gap
    result.fills = fill_with(learner), fill_with(works)
    return result


@torch.no_grad()
def lack_of_blue(lab: Lab, learner: Learner) -> float:
    """How much lower blue is than in the photograph, less the same of red, in %."""
    gaps = []
    for image, mask in lab.held:
        gap = (image - learner.average(image, mask).completed) * mask
        red, _, blue = gap.sum((0, 2, 3)) / mask.sum()
        gaps.append(float(blue - red))
    return 100 * float(np.mean(gaps))


class TransposedUp(nn.Module):
    """In place of `gin.blocks.Up`: a transposed 3 x 3 convolution of stride 2."""

    def __init__(self, up: Up) -> None:
        super().__init__()
        outputs, inputs = up.conv[0].weight.shape[:2]
        self.up = nn.ConvTranspose2d(
            inputs, outputs, 3, stride=2, padding=1, output_padding=1
        )

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.leaky_relu(self.up(x), 0.2)


def checkerboard(lab: Lab) -> Failure:
    """Transposed convolutions enlarge the features."""
    learner, result = new_learner(RECIPE), Failure()
    torch.manual_seed(0)
    for module in [*learner.net.modules()]:
        for name, child in module.named_children():
            if isinstance(child, Up):
                setattr(module, name, TransposedUp(child))
    other = replace_network(learner)
    warm_up(other, lab.data)
    for run, trained in (("transposed", other), (WORKS, lab.warm[0])):
        result.curves[f"{run}/checkerboard (%)"] = {STEPS: checks(lab, trained)}
    result.fills = fill_with(other), fill_with(lab.warm[0])
    return result


def replace_network(learner: Learner) -> Learner:
    """A learner whose optimiser and average know the changed network."""

    class Changed(Learner):
        def _networks(self) -> tuple[Any, Any]:
            return learner.net, learner.discriminators

    return random_learner(RECIPE, learner.fabric, Changed)


@torch.no_grad()
def checks(lab: Lab, learner: Learner) -> float:
    """The share of the checkerboard among differences of pixels, in the holes, in %."""
    shares = []
    for image, mask in lab.held:
        out = learner.average(image, mask).completed
        inside = nn.functional.max_pool2d(1 - mask, 3, 1, 1) == 0
        a, b, c, d = (
            out[..., i : i - 1 or None, j : j - 1 or None]
            for i in (0, 1)
            for j in (0, 1)
        )
        inside = inside[..., 1:, 1:].expand_as(a)
        parts = [(a - b - c + d), (a + b - c - d), (a - b + c - d)]
        energy = [float(part[inside].square().mean()) for part in parts]
        shares.append(energy[0] / sum(energy))
    return 100 * float(np.mean(shares))


def diverging(lab: Lab) -> Failure:
    """High learning rates without a clip."""
    result = Failure()
    result.note(WORKS, "l1", lab.warm[1][:60])
    for lr in (0.02, 0.5):
        recipe = changed(warm_up_lr=lr, clip=None)
        values = warm_up(new_learner(recipe), lab.data, steps=60)
        finite = [value for value in values if np.isfinite(value)]
        result.note(f"lr {lr}", "l1", finite)
        if len(finite) < len(values):
            result.curves[f"lr {lr}/not finite"] = {len(values): 1.0}
    return result


def polarity(lab: Lab) -> Failure:
    """A mask of 1 where pixels are known, given to sound weights."""
    learner, result = new_learner(TRAINED), Failure()
    works = fill_with(learner)

    def inverted(image: Tensor, mask: Tensor) -> Tensor:
        holed = image * (1 - mask) + mask  # all that a user has
        return works(holed, 1 - mask)

    result.fills = inverted, works
    for run, fill in zip(("inverted", WORKS), result.fills, strict=True):
        result.curves[f"{run}/error in the hole (%)"] = {1: hole_error(lab, fill)}
    return result


@torch.no_grad()
def hole_error(lab: Lab, fill: Fill) -> float:
    """Mean absolute error in the holes of the held-out photographs, in %."""
    gaps = [((fill(i, m) - i).abs() * m).sum() / (3 * m.sum()) for i, m in lab.held]
    return 100 * float(torch.stack(gaps).mean())


def fill_with(learner: Learner) -> Fill:
    """Complete with the averaged weights."""
    return lambda image, mask: learner.average(image, mask).completed


@torch.no_grad()
def picture(lab: Lab, fills: tuple[Fill, Fill]) -> Image.Image:
    """Two holes, a row each: masked, failing, working, photograph."""
    rows = []
    for (image, mask), kind in zip(lab.held, (0, 2), strict=False):
        image, mask = image[kind : kind + 1], mask[kind : kind + 1]
        columns = [image * (1 - mask) + mask, *(f(image, mask) for f in fills), image]
        rows.append(torch.cat([column[0].clamp(0, 1) for column in columns], dim=2))
    pixels = (255 * torch.cat(rows, dim=1)).round().byte().permute(1, 2, 0)
    return Image.fromarray(pixels.numpy())


FAILURES = (chance, texture, colour, checkerboard, diverging, polarity)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [failure.__name__ for failure in FAILURES]
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    parser.add_argument(
        "--out", type=Path, default=Path("runs/failures"), help="for the files"
    )
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    lab, rows = Lab(), []
    for failure in FAILURES:
        if failure.__name__ in options.only:
            start = time.monotonic()
            rows += record(lab, failure, options.out)
            print(f"{failure.__name__}: {time.monotonic() - start:.0f} s", flush=True)
    print(machine())
    show(["failure", "run", "last value"], rows)


def record(
    lab: Lab, failure: Callable[[Lab], Failure], out: Path
) -> list[tuple[str, str, str]]:
    """Write a failure's files; return the last value of each of its curves."""
    result, name = failure(lab), failure.__name__
    write_table(result.curves, out / f"{name}.csv")
    if result.fills is not None:
        picture(lab, result.fills).save(out / f"{name}.png", optimize=True)
    return [
        (name, curve, f"{[*points.values()][-1]:.4g}")
        for curve, points in result.curves.items()
    ]


if __name__ == "__main__":
    main()
