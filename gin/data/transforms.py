"""One photograph -> one training sample: a view of it and three masks.

Paper, section 5.1: photographs are resized to 512 x 512 px and sub-sampled to
256 x 256 px; each has one mask of each kind.

Taught in book/03_batches.md.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from PIL import Image

from gin import masks
from gin.errors import InputError
from gin.masks import PAPER_OR_RELEASED
from gin.recipes import DataRecipe
from gin.utils.images import SMALLEST

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

    Paper, section 5.1. The masks are of {0, 1}, in the order of `gin.masks.KINDS`.

    Args:
        picture: mode RGB, of any size.
        recipe: the view, the augmentation and the variant of free-form masks.
        image_size: S, in px.
        draw: seeds the view and the masks.
        recolour_probability: the probability of `recolour`, 0 to 1.
    """
    rng = np.random.default_rng([*draw])
    view = VIEWS[recipe.view](picture, image_size, rng)
    if recipe.augment:
        view = rotate_and_flip(view, rng)
    if recolour_probability and rng.random() < recolour_probability:
        view = recolour(view, rng)
    variant = recipe.free_form_variant
    if variant == "alternate":  # each photograph has both in two epochs
        variant = PAPER_OR_RELEASED[
            (draw.epoch + draw.photograph) % len(PAPER_OR_RELEASED)
        ]
    sample_masks = [
        masks.make(kind, image_size, image_size, rng, variant) for kind in masks.KINDS
    ]
    return view.transpose(2, 0, 1), np.stack(sample_masks)


def phase(picture: Image.Image, image_size: int, rng: Generator) -> np.ndarray:
    """A random phase of stride 2 of the picture resized to 2S x 2S: (S, S, 3)."""
    size = (2 * image_size, 2 * image_size)
    if picture.size != size:
        picture = picture.resize(size, Image.Resampling.BICUBIC)
    dy, dx = rng.integers(2, size=2)
    return np.asarray(picture)[dy::2, dx::2]


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


def check_recipe(recipe: DataRecipe) -> None:
    """Raise InputError for values of `recipe` that samples cannot be made with."""
    expected: dict[str, tuple[str, Iterable[str]]] = {
        "view": (recipe.view, VIEWS),
        "variant": (recipe.free_form_variant, (*PAPER_OR_RELEASED, "alternate")),
    }
    for name, (value, known) in expected.items():
        if value not in known:
            raise InputError(f"{name} {value!r}: expected {' or '.join(known)}")
    check_size("a batch", recipe.batch_size, recipe.image_size)


def check_size(name: str, batch_size: int, image_size: int) -> None:
    """Raise InputError for a batch that is empty or below 16 px; `name` opens it."""
    if image_size < SMALLEST or batch_size < 1:
        raise InputError(
            f"{name} of {batch_size} photographs of {image_size} px; "
            f"expected at least one, of {SMALLEST} px or more"
        )
