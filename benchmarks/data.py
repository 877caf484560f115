"""The data pipeline on one core: milliseconds by part, and the cores that feed a GPU.

python benchmarks/data.py [--data data/photos] [--photographs 4] [--repeats 5]

An image is a photograph under one mask, so each photograph gives three. The time is
the processor's, so other programs disturb it little.
"""

import argparse
import io
import itertools
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _table import machine, show

from gin import masks
from gin.data.loader import PhotographBatches, collate, keys
from gin.data.sources import Source, find_photographs
from gin.data.transforms import VIEWS, Draw, sample
from gin.masks import KINDS
from gin.recipes import DataRecipe
from gin.utils.images import decode, open_picture

TARGET = 500  # images/s


class Encoded(Source):
    """JPEG files of a size, in memory: the disk is not measured."""

    def __init__(self, folder: Path, side: int) -> None:
        self.files = []
        for path in find_photographs(folder):
            picture = open_picture(path).convert("RGB")
            if picture.size == (side, side):
                self.files.append(path.read_bytes())
                continue
            picture = picture.resize((side, side), Image.Resampling.BICUBIC)
            buffer = io.BytesIO()
            picture.save(buffer, "JPEG", quality=90)
            self.files.append(buffer.getvalue())

    def __len__(self) -> int:
        return len(self.files)

    def name(self, index: int) -> str:
        return str(index)

    def read(self, index: int) -> Image.Image:
        return decode(self.files[index], self.name(index))


def cost(call: Callable[[Any], object], items: Sequence[Any], repeats: int) -> float:
    """Milliseconds of `call` for one item: the best of `repeats` rounds."""
    rounds = []
    for _ in range(repeats + 1):  # the first one warms up
        start = time.process_time()
        for item in items:
            call(item)
        rounds.append(time.process_time() - start)
    return 1000 * min(rounds[1:]) / len(items)


def parts(source: Source, recipe: DataRecipe, repeats: int) -> dict[str, float]:
    """Milliseconds a photograph of every part of a sample, and of whole batches."""
    pictures = [source.read(index) for index in range(len(source))]
    rng, side = np.random.default_rng(0), recipe.image_size
    view = partial(VIEWS[recipe.view], image_size=side, rng=rng)
    made = [sample(p, recipe, side, Draw(0, 0, i)) for i, p in enumerate(pictures)]
    count = recipe.batch_size
    groups = [made[i : i + count] for i in range(0, len(made) - count + 1, count)]
    dataset = PhotographBatches(source, recipe, seed=0)
    chosen = list(itertools.islice(keys(recipe), 2 * len(groups)))
    found = {
        "decode": cost(source.read, range(len(source)), repeats),
        "view": cost(lambda p: np.ascontiguousarray(view(p)), pictures, repeats),
    }
    for kind in KINDS:
        draw = partial(masks.make, kind, side, side, rng, recipe.free_form_variant)
        found[f"mask, {kind}"] = cost(lambda _, draw=draw: draw(), pictures, repeats)
    found["collate"] = cost(collate, groups, repeats) / count
    found["whole batch"] = cost(dataset.__getitem__, chosen, repeats) / count
    return found


def options() -> argparse.Namespace:
    data = Path(__file__).resolve().parents[1] / "data" / "photos"
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=data)
    parser.add_argument("--photographs", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=5)
    return parser.parse_args()


def main(data: Path, photographs: int, repeats: int) -> None:
    """Print the table: the paper's view of two sizes of file, released, and crops."""
    paper = DataRecipe(batch_size=photographs)
    released = DataRecipe(
        batch_size=photographs, augment=True, free_form_variant="released"
    )
    crop = DataRecipe("crop", 256, photographs, augment=True)
    small, large = Encoded(data, 512), Encoded(data, 1024)
    cases = {
        "paper, 512 px files": (small, paper),
        "paper, 1024 px files": (large, paper),
        "released, 512 px files": (small, released),
        "crop, 512 px files": (small, crop),
    }
    columns = {name: parts(*case, repeats) for name, case in cases.items()}
    print(machine())
    print(f"{len(small)} photographs; milliseconds a photograph on one core")
    rows = [
        [part, *(f"{column[part]:.2f}" for column in columns.values())]
        for part in next(iter(columns.values()))
    ]
    speeds = [3000 / column["whole batch"] for column in columns.values()]
    rows.append(["images/s a core", *(f"{speed:,.0f}" for speed in speeds)])
    cores = [f"{TARGET / speed:.2f}" for speed in speeds]
    rows.append([f"cores for {TARGET} images/s", *cores])
    show(["part", *columns], rows)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(**vars(options()))
