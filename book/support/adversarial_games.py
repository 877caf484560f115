"""Small adversarial trainings, and what two discriminators output on photographs.

Used in book/11_adversarial.md, in book/15_total.md and in their solutions.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from support import figures
from support.curves import read_table
from support.figures import Drawing, Table
from support.loss_pictures import DATA, hole, photograph
from torch import Tensor, nn

from gin import losses
from gin.discriminator import Discriminators
from gin.generator import composite
from gin.recipes import SMOKE, PaperOrReleased
from gin.subsampling import three_mask_batch
from gin.training.learner import Learner
from gin.vgg import Features
from gin.weights.imagenet import load_backbone

Optimiser = Callable[..., torch.optim.Optimizer]


def two_pixel_discriminator(seed: int) -> nn.Module:
    """A small network from two pixels to one output, without normalisation."""
    torch.manual_seed(seed)
    layers = nn.Linear(2, 32), nn.Linear(32, 32), nn.Linear(32, 1)
    first, second = nn.LeakyReLU(0.2), nn.LeakyReLU(0.2)
    return nn.Sequential(layers[0], first, layers[1], second, layers[2])


def adam(parameters: Any, lr: float) -> torch.optim.Adam:
    """Adam with the decay rates of section 5.1."""
    return torch.optim.Adam(parameters, lr, (0.5, 0.999), fused=True)


def samples(names: Sequence[str], size: int = 128) -> tuple[Tensor, Tensor]:
    """Photographs (B, 3, size, size), and a rectangular mask for each of them."""
    drawn = [hole("rectangular", 5 + k, size) for k in range(len(names))]
    return torch.cat([photograph(name, size) for name in names]), torch.cat(drawn)


def train_discriminators(
    masked: Tensor,
    image: Tensor,
    completed: Tensor,
    steps: int,
    factor: float = 1.0,
    optimiser: Optimiser = torch.optim.Adam,
    **options: Any,
) -> tuple[Discriminators, list[float]]:
    """Train both discriminators on fixed pictures, whole batch; seeded.

    Returns the discriminators in evaluation mode, and Eq. 3 at every step.
    """
    torch.manual_seed(0)
    discriminators, history = Discriminators(base_channels=8), []
    step = optimiser(discriminators.parameters(), lr=2e-3, **options)
    for _ in range(steps):
        both = torch.cat([image, completed])
        maps = discriminators(masked.repeat(2, 1, 1, 1), both)
        real, fake = zip(*(m.chunk(2) for m in maps), strict=True)
        loss = losses.discriminator_loss(real, fake, factor)
        step.zero_grad()
        loss.backward()
        step.step()
        history.append(loss.item() / factor)
    return discriminators.eval().requires_grad_(False), history


@torch.no_grad()
def identical_patches(
    discriminators: Discriminators, masked: Tensor, image: Tensor, mask: Tensor
) -> list[float]:
    """For each discriminator, the share of outputs that no missing pixel reaches."""
    noise = composite(torch.rand_like(image), image, mask)
    pairs = zip(
        discriminators(masked, image), discriminators(masked, noise), strict=True
    )
    apart = [(a - b).abs().amax(1) for a, b in pairs]
    return [float((gap < 1e-6).float().mean()) for gap in apart]


def mean_in_hole(outputs: Tensor, mask: Tensor) -> float:
    """The mean output over the patches whose centre lies in the hole."""
    inside = F.interpolate(mask, outputs.shape[-2:], mode="area") > 0.99
    return float(outputs.mean(1, keepdim=True)[inside].mean())


def output_table(
    real: Sequence[Tensor], fake: Sequence[Tensor], mask: Tensor
) -> tuple[list[tuple[float, float, float]], Table]:
    """For each discriminator, `mean_in_hole` of a real and of a completed picture.

    The third number is the part of the real picture's outputs beyond the margin, whose
    gradient is 0, in per cent.
    """
    values = [
        (
            mean_in_hole(r, mask),
            mean_in_hole(f, mask),
            100 * float((r > 1).float().mean()),
        )
        for r, f in zip(real, fake, strict=True)
    ]
    rows = [
        (f"D{d}", f"{r:.2f}", f"{f:.2f}", f"{beyond:.0f}")
        for d, (r, f, beyond) in enumerate(values, 1)
    ]
    header = ["discriminator", "real", "completed", "real, beyond the margin (%)"]
    return values, Table(header, rows)


def output_maps(
    image: Tensor,
    completed: Tensor,
    real: Sequence[Tensor],
    fake: Sequence[Tensor],
    names: Sequence[str],
) -> Drawing:
    """A line for each photograph: it, its completion, and the four mean maps."""
    drawn = {}
    for k, name in enumerate(names):
        maps = [figures.heat(m[k].mean(0).numpy() + 1, 2) for m in (*real, *fake)]
        drawn[name] = [image[k], completed[k], *maps]
    titles = [f"D{d}, {of}" for of in ("real", "compl.") for d in (1, 2)]
    return figures.grid(drawn, ["real", "completed", *titles])


def gradient_maps(completed: Tensor, gradients: Sequence[Tensor]) -> Drawing:
    """The completions, and below each the gradients that D1 and D2 send to it."""
    strongest = max(float(g.abs().sum(1).max()) for g in gradients)
    pictures: list[figures.Picture] = list(completed)
    for gradient in gradients:
        sizes = gradient.abs().sum(1).numpy()
        pictures += [figures.heat(size, 0.5 * strongest) for size in sizes]
    titles = ["completed"] * 3 + ["D1"] * 3 + ["D2"] * 3
    return figures.row(pictures, titles, per_line=3)


def shipped_loss(points: int = 10) -> float:
    """Eq. 3 at the end of the shipped weights' training, a mean of recorded points."""
    curves = read_table(DATA / "runs" / "shipped" / "curves.csv")
    return float(np.mean(list(curves["loss/discriminators"].values())[-points:]))


def first_step(image: Tensor, order: PaperOrReleased) -> tuple[float, float]:
    """Eq. 3 and Eq. 2 as the first main step of the recipe SMOKE reports them.

    The order of the updates does not depend on the backbone, so it has random weights.
    """
    phi = Features(load_backbone("vgg19", "random"), "convolution", None)
    small = F.interpolate(image, 32, mode="area")
    batch = three_mask_batch(small, np.random.default_rng(0))
    settings = replace(SMOKE.optimiser, order=order)
    recipe = replace(SMOKE, optimiser=settings)
    learner = Learner(recipe, 0, phi, Fabric(accelerator="cpu"))
    terms = learner.main_step(*batch, factor=1.0)
    return float(terms["discriminators"]), float(terms["adversarial"])


def factor_table(pictures: Sequence[Tensor]) -> tuple[dict[str, float], Table]:
    """What a factor of 0.5 on Eq. 3 does to four steps of three optimisers.

    Returns how far apart the weights end, in per cent of the distance that they move.
    """
    optimisers: dict[str, dict[str, Any]] = {
        "gradient descent": {"optimiser": torch.optim.SGD},
        "Adam": {},
        "Adam, eps = 1e-14": {"eps": 1e-14},
    }
    apart, rows = {}, []
    for name, how in optimisers.items():
        one, half = (_moved(pictures, factor, how) for factor in (1.0, 0.5))
        apart[name] = 100 * float((half - one).norm() / one.norm())
        ratio = float(half.norm() / one.norm())
        rows.append((name, f"{ratio:.2f}", f"{apart[name]:.1f}"))
    return apart, Table(["optimiser", "distance, 0.5 : 1", "apart (%)"], rows)


def _moved(pictures: Sequence[Tensor], factor: float, how: dict[str, Any]) -> Tensor:
    """How far four steps move the discriminators' weights, as one vector."""
    masked, image, completed = pictures
    begin, end = (
        nn.utils.parameters_to_vector(
            train_discriminators(masked, image, completed, n, factor, **how)[
                0
            ].parameters()
        )
        for n in (0, 4)
    )
    return (end - begin).detach()


def off_circle(x: Tensor, outputs: Sequence[Tensor]) -> float:
    """The mean distance of the pictures (x, output) from the unit circle."""
    distances = [(torch.cat([x, y], 1).norm(dim=1) - 1).abs() for y in outputs]
    return float(torch.stack(distances).mean())


def two_pixel_graphs(
    x: Tensor, real: Tensor, moments: Mapping[str, Sequence[Tensor]]
) -> Drawing:
    """The last output of each moment among the real pictures, and `off_circle`."""
    graphs = {
        f"{name}: {off_circle(x, ends):.2f}": {
            "real": tuple(real.T.tolist()),
            "generator": (x[:, 0].tolist(), ends[-1][:, 0].tolist()),
        }
        for name, ends in moments.items()
    }
    dots = ["real", "generator"]
    return figures.panels(graphs, "known pixel", dots=dots, limits=(-1.4, 1.4))
