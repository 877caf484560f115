"""The engineering notes' measurements.

Taught in book/appendix_engineering.md.
"""

import itertools
import tarfile
import warnings
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from gin.data.loader import batches
from gin.data.shards import Shards
from gin.data.sources import Source, open_source
from gin.recipes import DataRecipe

PHOTOS = Path(__file__).parents[2] / "data" / "photos"
RECIPE = DataRecipe(image_size=64, batch_size=4)


def marks(source: Source | Shards, count: int, **options: Any) -> list[str]:
    """Six digits of the SHA-256 of each of the first batches."""
    warnings.filterwarnings("ignore", "This DataLoader")  # on one core
    found = []
    for batch in itertools.islice(batches(source, RECIPE, seed=7, **options), count):
        data = batch.images.numpy().tobytes() + batch.masks.numpy().tobytes()
        found.append(sha256(data).hexdigest()[:6])
    return found


def write_shards(folder: Path, count: int = 8, shards: int = 2) -> str:
    """Small photographs in tar files; what `open_source` opens them by."""
    folder.mkdir(parents=True)
    source = open_source(PHOTOS)
    for number in range(count):
        file = folder / f"{number}.png"
        source.read(number).resize((64, 64)).save(file)
        shard = folder / f"{number * shards // count}.tar"
        with tarfile.open(shard, "a") as tar:
            tar.add(file, file.name)
    return f"{folder}/*.tar"


def read_by(shards: Shards, readers: int) -> list[list[int]]:
    """The numbers of the photographs that each reader gives in one epoch."""
    each = len(shards) // readers
    return [
        [
            packed.number
            for _, packed in itertools.islice(shards.stream(7, 0, part, readers), each)
        ]
        for part in range(readers)
    ]


def same(one: Any, other: Any) -> bool:
    """Bit for bit, however nested; the time that was spent does not count."""
    if isinstance(one, Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        keys = one.keys() - {"seconds"}
        return all(same(one[key], other[key]) for key in keys)
    return bool(one == other)


class Largest(TorchDispatchMode):
    """Notes the bytes of the largest tensor that an operator returns."""

    bytes = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        for made in out if isinstance(out, tuple) else (out,):
            if isinstance(made, Tensor):
                self.bytes = max(self.bytes, made.nbytes)
        return out
