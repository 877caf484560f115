"""The hole that a reader paints in chapter 1 and that later chapters fill.

    my_hole.save(painter.mask)
    mask = my_hole.load(default)  # the reader's own, or `default`

It lies in book/my_hole.png, which git ignores, white where something is missing. The
environment variable MY_HOLE names another file; the tests do so.
"""

import os
from pathlib import Path

import numpy as np
from PIL import Image

from gin import masks


def path() -> Path:
    """The file of the hole, whether it exists or not."""
    ignored = Path(__file__).parents[1] / "my_hole.png"
    return Path(os.environ.get("MY_HOLE", ignored))


def save(mask: np.ndarray) -> Path:
    """Keep a mask (H, W) of 0 and 1, 1 = missing, and return its file.

    Raises InputError for what is no mask or hides nothing.
    """
    masks.check_mask(mask, "my hole")
    Image.fromarray(mask.astype(np.uint8) * 255).save(path())
    return path()


def load(default: np.ndarray) -> np.ndarray:
    """Return the reader's mask at the shape (H, W) of `default`, or `default`."""
    if not path().exists():
        return default
    height, width = default.shape
    picture = Image.open(path()).resize((width, height), Image.Resampling.NEAREST)
    return masks.load_mask(picture)


def forget() -> None:
    """Remove the saved mask, so that every chapter has its own hole again."""
    path().unlink(missing_ok=True)
