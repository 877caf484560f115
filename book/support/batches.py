"""Chapter 16's pictures and measurements of batches.

Taught in book/16_data.md.
"""

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
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


def rings() -> Tensor:
    """(1, 1, 256, 256): rings that reach half a cycle a pixel at the borders."""
    y, x = np.mgrid[-128:128, -128:128]
    drawn = 0.5 + 0.5 * np.cos(np.pi * (x**2 + y**2) / 256)
    return torch.from_numpy(drawn).float()[None, None]


def contrast(image: Tensor, apart: int = 1) -> float:
    """Mean difference of pixels `apart` in a row, in % of the scale."""
    gap = image[..., apart:] - image[..., :-apart]
    return 100 * float(gap.abs().mean())


Split = Callable[[Tensor, int], Tensor]


def contrasts(
    names: Sequence[str], split: Split
) -> dict[str, tuple[float, float, float, float]]:
    """`contrast` of photographs, their phases, averages, and pixels two apart."""
    found = {}
    for name in names:
        image = figures.as_tensor(photograph(name))
        ways = image, split(image, 2), F.avg_pool2d(image, 2)
        found[name] = (*map(contrast, ways), contrast(image, apart=2))
    return found


def contrast_table(
    found: Mapping[str, tuple[float, float, float, float]],
) -> figures.Table:
    """What `contrasts` found, a row for each photograph."""
    rows = [(name, *(f"{v:.2f}" for v in values)) for name, values in found.items()]
    header = ["neighbours differ by (%)", "whole", "phases", "average", "2 apart"]
    return figures.Table(header, rows)


@torch.no_grad()
def losses_of_kinds(net: DeepGIN, side: int = 64) -> np.ndarray:
    """(photographs, kinds): the error in the hole, in %, one hole of each kind."""
    source = open_source(PHOTOS)
    small = [source.read(n).resize((side, side)) for n in range(len(source))]
    images, holes = subsampling.three_mask_batch(
        torch.cat([figures.as_tensor(picture) for picture in small]),
        np.random.default_rng(1),
    )
    gap = (net(images, holes).completed.clamp(0, 1) - images).abs()
    inside = (gap * holes).mean(1).sum((1, 2)) / holes.sum((1, 2, 3))
    return 100 * inside.reshape(-1, len(masks.KINDS)).numpy()


def check_subsampling(images: Tensor) -> None:
    """Assert that `gin` draws each image's phase, and masks of the recipe's variant."""
    many = images.repeat(40, 1, 1, 1)
    drawn = subsampling.random_phase(many, 2, np.random.default_rng(0))
    phases = subsampling.split(many, 2).unflatten(0, (-1, 4))
    found = (phases == drawn.unsqueeze(1)).flatten(2).all(dim=2)  # (images, 4)
    assert (found.sum(dim=1) == 1).all()
    assert (found.sum(dim=0) > len(many) / 8).all()
    for place, phase in enumerate(subsampling.split(images[:1], (2, 4))):
        assert torch.equal(phase, images[0, :, place // 4 :: 2, place % 4 :: 4])
    side = images.shape[-1]
    for variant in masks.PAPER_OR_RELEASED:
        rng, again = np.random.default_rng(5), np.random.default_rng(5)
        _, holes = subsampling.three_mask_batch(images, rng, variant)
        kinds = masks.KINDS * len(images)
        each = [masks.make(kind, side, side, again, variant) for kind in kinds]
        assert np.array_equal(holes[:, 0].numpy(), np.stack(each))


def variation_table(spread: Mapping[str, float], losses: np.ndarray) -> figures.Table:
    """How batches vary; its header names the kinds' mean errors."""
    means = zip(masks.KINDS, losses.mean(0), strict=True)
    kinds = ", ".join(f"{k.replace('_', ' ')} {e:.1f} %" for k, e in means)
    header = [f"a batch of 12 images (mean errors: {kinds})", "its loss varies by (%)"]
    return figures.Table(header, [(n, f"{v:.1f}") for n, v in spread.items()])


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


def copies_of_a_generator(
    make_sample: Callable[..., tuple[np.ndarray, np.ndarray]],
) -> dict[str, int]:
    """How many of sixteen masks of two epochs differ, by the way they are drawn."""
    counts = {
        f"one generator, workers: {workers}": different(
            two_epochs(OneGenerator(), workers)
        )
        for workers in (1, 2, 4)
    }
    small = photograph("erase_kingfisher").resize((64, 64))
    drawn = [make_sample(small, 32, 7, e, n)[1] for e in range(2) for n in range(8)]
    return {**counts, "a generator a sample": different(drawn)}


def seen(name: str, recipe: str, epoch: int, kind: str, side: int = 128) -> np.ndarray:
    """What a training is shown of a photograph in an epoch, under one kind of mask."""
    share = 0.75 if recipe == "demo" else 0.0
    draw = Draw(0, epoch, sum(name.encode()))
    view, drawn = sample(photograph(name), RECIPES[recipe].data, side, draw, share)
    mask = drawn[masks.KINDS.index(kind)]
    return figures.with_hole(view.transpose(1, 2, 0), mask)
