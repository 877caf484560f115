"""One photograph -> one training sample: a view of it, and three masks.

Paper, section 5.1: resized to 512 x 512 px, sub-sampled to 256 x 256 px, under one mask
of each kind.

Taught in book/03_batches.md.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.random import Generator
from PIL import Image

from gin import masks
from gin.recipes import PAPER_OR_RELEASED, DataRecipe
from gin.subsampling import random_phase

Sample = tuple[np.ndarray, np.ndarray]


class Draw(NamedTuple):
    """All that chance depends on; `photograph` is its number in the source."""

    seed: int
    epoch: int
    photograph: int


def sample(
    picture: Image.Image,
    recipe: DataRecipe,
    image_size: int,
    draw: Draw,
    recolour_probability: float = 0.0,
) -> Sample:
    """One view of an RGB picture and its three masks: uint8 (3, S, S) and (3, S, S).

    Paper, section 5.1. The masks, of {0, 1}, are in the order of `gin.masks.KINDS`;
    `recolour_probability` is that the view goes through `recolour`.
    """
    rng = np.random.default_rng([*draw])
    view = VIEWS[recipe.view](picture, image_size, rng)
    if recipe.augment:
        view = turn(view, rng)
    if recolour_probability and rng.random() < recolour_probability:
        view = recolour(view, rng)
    variant = recipe.free_form_variant
    if variant == "alternate":  # in two epochs each photograph has both
        variant = PAPER_OR_RELEASED[
            (draw.epoch + draw.photograph) % len(PAPER_OR_RELEASED)
        ]
    drawn = masks.make_all(image_size, image_size, rng, variant)
    return view.transpose(2, 0, 1), drawn


def phase(picture: Image.Image, side: int, rng: Generator) -> np.ndarray:
    """Resized to 2S x 2S, one of the four phases of stride 2: (S, S, 3)."""
    if picture.size != (2 * side, 2 * side):
        picture = picture.resize((2 * side, 2 * side), Image.Resampling.BICUBIC)
    image = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None]
    return random_phase(image, 2, rng)[0].permute(1, 2, 0).numpy()


def square(picture: Image.Image, side: int, rng: Generator) -> np.ndarray:
    """A square at a random place and scale: (S, S, 3)."""
    shorter = min(picture.size)
    extent = shorter if shorter <= side else rng.uniform(side, shorter)
    left = rng.uniform(0, picture.width - extent)
    top = rng.uniform(0, picture.height - extent)
    box = (left, top, left + extent, top + extent)
    return np.asarray(picture.resize((side, side), Image.Resampling.BICUBIC, box=box))


VIEWS: dict[str, Callable[[Image.Image, int, Generator], np.ndarray]] = {
    "phase": phase,
    "crop": square,
}


def turn(pixels: np.ndarray, rng: Generator) -> np.ndarray:
    """Rotated by a multiple of 90 degrees, and half the time flipped, as released."""
    pixels = np.rot90(pixels, k=int(rng.integers(4)))
    return pixels[:, ::-1] if rng.random() < 0.5 else pixels


def recolour(pixels: np.ndarray, rng: Generator) -> np.ndarray:
    """The channels in a random order, each inverted half the time: (S, S, 3).

    What was a difference of brightness becomes one of colour, so that a network
    learns to carry both into a hole; photographs alone teach it brightness first.
    """
    inverted = 255 * rng.integers(2, size=3, dtype=np.uint8)
    return pixels[..., rng.permutation(3)] ^ inverted
