"""One photograph -> one training sample: a view of it and three masks.

Paper, section 5.1: photographs are resized to 512 x 512 px and sub-sampled to 256 x 256
px; each has one mask of each kind. Taught in book/16_data.md.
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
    """What a sample's random state depends on; `photograph` is the source's index."""

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
    """A view (3, S, S) of an RGB picture and its three masks (3, S, S), all uint8.

    Paper, section 5.1. The masks are of {0, 1}, in the order of `gin.masks.KINDS`. S is
    `image_size`, `draw` seeds the view and the masks, and `recolour_probability` is
    that of `recolour`.
    """
    rng = np.random.default_rng([*draw])
    view = VIEWS[recipe.view](picture, image_size, rng)
    if recipe.augment:
        view = rotate_and_flip(view, rng)
    if recolour_probability and rng.random() < recolour_probability:
        view = recolour(view, rng)
    variant = recipe.free_form_variant
    if variant == "alternate":  # each photograph has both in two epochs
        turn = (draw.epoch + draw.photograph) % len(PAPER_OR_RELEASED)
        variant = PAPER_OR_RELEASED[turn]
    drawn = masks.make_all(image_size, image_size, rng, variant)
    return view.transpose(2, 0, 1), drawn


def phase(picture: Image.Image, image_size: int, rng: Generator) -> np.ndarray:
    """Resized to 2S x 2S, one of the four phases of stride 2: (S, S, 3)."""
    size = (2 * image_size, 2 * image_size)
    if picture.size != size:
        picture = picture.resize(size, Image.Resampling.BICUBIC)
    image = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None]
    return random_phase(image, 2, rng)[0].permute(1, 2, 0).numpy()


def crop(picture: Image.Image, image_size: int, rng: Generator) -> np.ndarray:
    """A square crop of random place and scale: (S, S, 3)."""
    shorter = min(picture.size)
    extent = shorter if shorter <= image_size else rng.uniform(image_size, shorter)
    left = rng.uniform(0, picture.width - extent)
    top = rng.uniform(0, picture.height - extent)
    box = (left, top, left + extent, top + extent)
    size = (image_size, image_size)
    return np.asarray(picture.resize(size, Image.Resampling.BICUBIC, box=box))


VIEWS: dict[str, Callable[[Image.Image, int, Generator], np.ndarray]] = {
    "phase": phase,
    "crop": crop,
}


def rotate_and_flip(pixels: np.ndarray, rng: Generator) -> np.ndarray:
    """Rotate by a random multiple of 90 degrees, flip with probability 0.5: (S, S, 3).

    As in the released training.
    """
    pixels = np.rot90(pixels, k=int(rng.integers(4)))
    return pixels[:, ::-1] if rng.random() < 0.5 else pixels


def recolour(pixels: np.ndarray, rng: Generator) -> np.ndarray:
    """Shuffle the channels and invert each with probability 0.5: (S, S, 3), uint8.

    Differences of brightness become differences of colour, so that the network learns
    to continue both into a hole.
    """
    inverted = 255 * rng.integers(2, size=3, dtype=np.uint8)
    return pixels[..., rng.permutation(3)] ^ inverted
