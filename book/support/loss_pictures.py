"""Photographs, holes, sharpness and the loss network, for the chapters on the losses.

Used in book/10_l1.md to book/15_total.md and in their solutions.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
from support import figures
from torch import Tensor

from gin import masks, vgg
from gin.errors import InputError
from gin.utils.images import open_picture
from gin.weights.imagenet import Backbone, load_backbone

DATA = Path(__file__).parents[2] / "data"
PHOTOS, WEIGHTS = DATA / "photos", DATA / "weights"


def photograph(name: str, size: int = 256) -> Tensor:
    """The photograph of that name, resized: (1, 3, size, size) in [0, 1]."""
    photo = open_picture(PHOTOS / f"{name}.jpg").resize((size, size))
    return figures.as_tensor(photo)


def hole(kind: str, seed: int, size: int = 256) -> Tensor:
    """A random mask of that kind: (1, 1, size, size), 1 = missing."""
    mask = masks.make(kind, size, size, np.random.default_rng(seed))
    return torch.from_numpy(mask)[None, None].float()


def batch(names: Sequence[str], seed: int, size: int = 128) -> tuple[Tensor, Tensor]:
    """Three photographs, one under each kind of mask: (3, 3, H, W) and (3, 1, H, W)."""
    image = torch.cat([photograph(name, size) for name in names])
    return image, torch.cat([hole(kind, seed, size) for kind in masks.KINDS])


def sharpness(picture: Tensor) -> float:
    """Mean absolute difference of neighbouring pixels, vertical plus horizontal."""
    down, across = picture.diff(dim=-2), picture.diff(dim=-1)
    return float(down.abs().mean() + across.abs().mean())


def sharpness_in_hole(completed: Tensor, image: Tensor, mask: Tensor) -> Tensor:
    """Horizontal differences between missing pixels, in % of the photograph's: (B,)."""
    both = mask[..., 1:] * mask[..., :-1]
    filled, true = (
        (x.diff(dim=-1).abs() * both).sum(dim=(1, 2, 3)) for x in (completed, image)
    )
    return 100 * filled / true


@cache
def loss_backbone() -> Backbone:
    """VGG's trained weights if there are any, else random ones; `source` says which."""
    try:
        return load_backbone("vgg19")
    except InputError:
        return load_backbone("vgg19", "random")


def loss_network(
    layer_outputs: str = "convolution", size: int | None = None
) -> vgg.Features:
    """The network phi with `loss_backbone`, by default at the images' own size."""
    return vgg.Features(loss_backbone(), layer_outputs, size)


def say_source(phi: vgg.Features) -> None:
    """Print which network with which weights stands for phi."""
    print(f"phi: {phi.name}, from {phi.source}")
    if phi.source.startswith("random"):
        print("No trained weights: the numbers below mean little.")
