"""Photographs in a folder -> batches of crops, each under three masks.

Taught in book/02_network.md.
"""

import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from gin.errors import InputError
from gin.masks import READINGS
from gin.pictures import open_picture
from gin.subsampling import three_mask_batch

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")


def find_photographs(folder: str | os.PathLike[str]) -> list[Path]:
    """The photographs under `folder`, at any depth, in the order of their names.

    Raises InputError if there is no such folder or no photograph in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected one with photographs")
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not found:
        raise InputError(
            f"{folder}: no photographs in it; expected {', '.join(SUFFIXES)}"
        )
    return found


class Crops(Dataset[tuple[Tensor, Tensor]]):
    """Batches of augmented crops.

    The key of a batch is (step, side, photographs, whether to recolour).

    A batch is a function of the seed and its key alone, whatever process makes
    it: images (3P, 3, side, side) in [0, 1] and masks (3P, 1, side, side).
    """

    def __init__(self, folder: str | os.PathLike[str], seed: int) -> None:
        self.seed = seed
        self.photographs = []
        for path in find_photographs(folder):
            try:
                self.photographs.append(open_picture(path).convert("RGB"))
            except OSError as error:
                raise InputError(f"{path}: damaged picture ({error})") from error

    def __getitem__(self, key: tuple[int, int, int, bool]) -> tuple[Tensor, Tensor]:
        step, side, count, recoloured = key
        rng = np.random.default_rng([self.seed, step])
        chosen = rng.integers(len(self.photographs), size=count)
        crops = [_crop(self.photographs[i], side, rng) for i in chosen]
        images = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 255
        copies, mask = three_mask_batch(images, rng, READINGS[step % len(READINGS)])
        return (recolour(copies, rng) if recoloured else copies), mask


def recolour(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Three images in four with their channels in a random order, some inverted.

    (B, 3, H, W) in [0, 1] -> the same. A turn of the colour space onto itself: what
    was a difference of brightness becomes one of colour.
    """
    result = images.clone()
    for i in np.flatnonzero(rng.random(len(images)) < 0.75):
        inverted = torch.from_numpy(rng.random(3) < 0.5)[:, None, None]
        channels = images[i, rng.permutation(3)]
        result[i] = torch.where(inverted, 1 - channels, channels)
    return result


def _crop(photograph: Image.Image, side: int, rng: np.random.Generator) -> np.ndarray:
    """A square at a random place and scale, turned and flipped: (side, side, 3)."""
    shorter = min(photograph.size)
    extent = shorter if shorter <= side else rng.uniform(side, shorter)
    left = rng.uniform(0, photograph.width - extent)
    top = rng.uniform(0, photograph.height - extent)
    box = (left, top, left + extent, top + extent)
    crop = photograph.resize((side, side), Image.Resampling.BICUBIC, box=box)
    pixels = np.rot90(np.asarray(crop), k=int(rng.integers(4)))
    return pixels[:, ::-1] if rng.random() < 0.5 else pixels
