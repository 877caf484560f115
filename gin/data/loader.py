"""Photographs -> batches of training samples, each photograph under three masks.

A sample is a function of (seed, epoch, photograph), whatever process makes it, so
batches do not depend on the number of workers, and a training can go on anywhere.
Photographs are numbered from the start of the training on: number n is drawn in
epoch n // N. A batch may reach into the next epoch, and none is shorter.
Taught in book/03_batches.md.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info

from gin import masks
from gin.data.shards import Packed, Shards
from gin.data.sources import Source
from gin.data.transforms import Draw, Sample, sample
from gin.data.unreadable import Bad
from gin.errors import InputError
from gin.recipes import DataRecipe, check_section
from gin.utils.images import decode


class Key(NamedTuple):
    """Which batch to make: `batch_size` photographs from number `first` on.

    They are `image_size` px a side; `recolour_probability` is the share that
    `gin.data.transforms.recolour` changes.
    """

    first: int
    batch_size: int
    image_size: int
    recolour_probability: float = 0.0


class Batch(NamedTuple):
    """P photographs under 3P masks, in bytes; `on_device` makes floats of them.

    images (P, 3, S, S), 0 to 255; masks (3P, 1, S, S) of {0, 1}, three in a row for
    each photograph in the order of `gin.masks.KINDS`; `bad` are photographs that
    another one stood in for.
    """

    images: Tensor
    masks: Tensor
    bad: tuple[Bad, ...] = ()


def on_device(batch: Batch, device: str | torch.device) -> tuple[Tensor, Tensor]:
    """images (3P, 3, S, S) in [0, 1] and masks (3P, 1, S, S), float32.

    Each image stands three times in a row, as in `gin.subsampling.three_mask_batch`.
    """
    images, drawn = (
        part.to(device, non_blocking=True).float()
        for part in (batch.images, batch.masks)
    )
    return images.div_(255).repeat_interleave(len(masks.KINDS), dim=0), drawn


def keys(
    recipe: DataRecipe, first: int = 0, rank: int = 0, world: int = 1
) -> Iterator[Key]:
    """The batches of one rank, from photograph `first` on, for ever.

    `first` counts the photographs that all ranks have had. The ranks' batches,
    joined, are the batch of one process with `world` times the photographs.
    """
    count = recipe.batch_size
    for start in itertools.count(first, count * world):
        yield Key(start + rank * count, count, recipe.image_size)


def batches(
    source: Source | Shards,
    recipe: DataRecipe,
    seed: int,
    *,
    first: int = 0,
    rank: int = 0,
    world: int = 1,
    workers: int = 0,
    pin: bool = False,
    chosen: Iterable[Key] | None = None,
) -> Iterator[Batch]:
    """The batches of one rank, from photograph `first` on, for ever.

    `chosen` takes the place of `keys(recipe, first, rank, world)`; not for shards.
    `pin` is for CUDA. From shards, batches also depend on `world` and `workers`, and
    go on exactly only with the same of both.

    Raises InputError for an unusable recipe or a photograph that cannot be read.
    """
    check_section("data", recipe)
    dataset: Dataset[Batch]
    if isinstance(source, Shards):
        dataset = StreamedBatches(source, recipe, seed, first, rank, world)
        sampler = None
    else:
        dataset = PhotographBatches(source, recipe, seed)
        sampler = keys(recipe, first, rank, world) if chosen is None else chosen
    loader = DataLoader(
        dataset,
        batch_size=None,
        sampler=sampler,
        num_workers=workers,
        pin_memory=pin,
        generator=torch.Generator(),  # torch's own state stays as it is
    )
    try:
        yield from loader
    except InputError as error:  # a worker's has its traceback in the message
        message = str(error).rpartition("gin.errors.InputError: ")[2]
        raise InputError(message.strip()) from error


class PhotographBatches(Dataset[Batch]):
    """The batch of any key. Each photograph comes once in an epoch, in a new order."""

    def __init__(self, source: Source, recipe: DataRecipe, seed: int) -> None:
        self.source, self.recipe, self.seed = source, recipe, seed

    def __getitem__(self, key: Key) -> Batch:
        numbers = range(key.first, key.first + key.batch_size)
        return collate([self._sample(number, key) for number in numbers])

    def _sample(self, number: int, key: Key) -> Sample:
        epoch, place = divmod(number, len(self.source))
        index = int(_order(self.seed, epoch, len(self.source))[place])
        picture = self.source.read(index)
        draw = Draw(self.seed, epoch, index)
        return sample(
            picture, self.recipe, key.image_size, draw, key.recolour_probability
        )


class StreamedBatches(IterableDataset[Batch]):
    """The batches of one rank from shards, from photograph `first` on, for ever.

    A photograph that cannot be read is named, or with `shards.skip_bad` the next one
    that can be read stands in for it.
    """

    def __init__(
        self,
        shards: Shards,
        recipe: DataRecipe,
        seed: int,
        first: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.shards, self.recipe, self.seed = shards, recipe, seed
        self.steps = first // (recipe.batch_size * world)
        self.rank, self.world = rank, world

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        workers, number = (worker.num_workers, worker.id) if worker else (1, 0)
        # Workers take turns: going on, the first is the one whose turn it is.
        number = (number + self.steps) % workers
        done = len(range(number, self.steps, workers)) * self.recipe.batch_size
        part, parts = self.rank * workers + number, self.world * workers
        samples = self._samples(self.shards.stream(self.seed, done, part, parts))
        while True:
            made = list(itertools.islice(samples, self.recipe.batch_size))
            yield collate(
                [pair for pair, _ in made], tuple(bad for _, bad in made if bad)
            )

    def _samples(
        self, stream: Iterator[tuple[int, Packed]]
    ) -> Iterator[tuple[Sample, Bad | None]]:
        waiting: list[tuple[Draw, Bad | None]] = []
        for epoch, packed in stream:
            draw = Draw(self.seed, epoch, packed.place)
            try:
                picture = decode(packed.data, packed.name)
            except InputError as error:
                if not self.shards.skip_bad or len(waiting) > len(self.shards):
                    raise
                waiting.append((draw, Bad(packed.name, str(error))))
                continue
            for each, bad in (*waiting, (draw, None)):
                yield sample(picture, self.recipe, self.recipe.image_size, each), bad
            waiting.clear()


@lru_cache(maxsize=2)  # a batch may reach into the next epoch
def _order(seed: int, epoch: int, count: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch, 0, 1]).permutation(count)


def collate(samples: Sequence[Sample], bad: tuple[Bad, ...] = ()) -> Batch:
    views, drawn = zip(*samples, strict=True)
    images = torch.from_numpy(np.stack(views))  # (P, 3, S, S)
    return Batch(images, torch.from_numpy(np.concatenate(drawn)).unsqueeze(1), bad)
