"""Chapter 16's pictures and measurements of batches.

Taught in book/16_data.md.
"""

import copy
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from support import figures
from torch import Tensor

from gin import masks, subsampling
from gin.data.sources import open_source
from gin.data.transforms import Draw, sample
from gin.generator import DeepGIN
from gin.recipes import DEMO, PAPER, RELEASED
from gin.utils.images import open_picture

PHOTOS = Path(__file__).parents[2] / "data" / "photos"
RECIPES = {"paper": PAPER, "released": RELEASED, "demo": DEMO}


def photograph(name: str) -> Image.Image:
    """One of the book's photographs, 512 px."""
    return open_picture(PHOTOS / f"{name}.jpg")


def tensor(picture: figures.Picture) -> Tensor:
    """(1, 3, H, W) in [0, 1]."""
    return torch.from_numpy(figures.as_rgb(picture)).permute(2, 0, 1)[None]


def rings() -> Tensor:
    """(1, 1, 256, 256): rings that reach half a cycle a pixel at the borders."""
    y, x = np.mgrid[-128:128, -128:128]
    drawn = 0.5 + 0.5 * np.cos(np.pi * (x**2 + y**2) / 256)
    return torch.from_numpy(drawn).float()[None, None]


def contrast(image: Tensor, apart: int = 1) -> float:
    """Mean difference of pixels `apart` in a row, in % of the scale."""
    gap = image[..., apart:] - image[..., :-apart]
    return 100 * float(gap.abs().mean())


@torch.no_grad()
def losses_of_kinds(net: DeepGIN, side: int = 64) -> np.ndarray:
    """(photographs, kinds): the error in the hole, in %, one hole of each kind."""
    source = open_source(PHOTOS)
    small = [source.read(n).resize((side, side)) for n in range(len(source))]
    images, holes = subsampling.three_mask_batch(
        torch.cat([tensor(picture) for picture in small]), np.random.default_rng(1)
    )
    gap = (net(images, holes).completed.clamp(0, 1) - images).abs()
    inside = (gap * holes).mean(1).sum((1, 2)) / holes.sum((1, 2, 3))
    return 100 * inside.reshape(-1, len(masks.KINDS)).numpy()


def different(arrays: Iterable[np.ndarray]) -> int:
    """How many of them differ from all others."""
    return len({array.tobytes() for array in arrays})


class OneGenerator:
    """A dataset that holds one random generator, as the released code's does."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)

    def __getitem__(self, index: int) -> np.ndarray:
        return masks.free_form(64, 64, self.rng)


def two_epochs(dataset: Any, workers: int, count: int = 8) -> list[np.ndarray]:
    """Two epochs by workers in turn, each a copy made at the epoch's start."""
    made = []
    for _ in range(2):
        copies = [copy.deepcopy(dataset) for _ in range(workers)]
        made += [copies[n % workers][n] for n in range(count)]
    return made


def seen(name: str, recipe: str, epoch: int, kind: str, side: int = 128) -> np.ndarray:
    """What a training is shown of a photograph in an epoch, under one kind of mask."""
    share = 0.75 if recipe == "demo" else 0.0
    draw = Draw(0, epoch, sum(name.encode()))
    view, drawn = sample(photograph(name), RECIPES[recipe].data, side, draw, share)
    mask = drawn[masks.KINDS.index(kind)]
    return figures.with_hole(view.transpose(1, 2, 0), mask)
