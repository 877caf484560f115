"""Photographs -> batches of training samples, each photograph under three masks.

A sample depends on (seed, epoch, photograph) alone, so that batches do not depend on
the number of workers and a training resumes at any step. Photographs are numbered from
the start of the training: of N photographs, number n is drawn in epoch n // N. All
batches have the same size; a batch may contain the end of one epoch and the start of
the next. Taught in book/16_data.md.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
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
    """`batch_size` photographs from number `first` on, at `image_size` px a side."""

    first: int
    batch_size: int
    image_size: int
    recolour_probability: float = 0.0


class Batch(NamedTuple):
    """P photographs and 3P masks, uint8; `on_device` converts them to float32."""

    images: Tensor  #: (P, 3, S, S), 0 to 255
    #: (3P, 1, S, S) of {0, 1}, three for each photograph in the order of
    #: `gin.masks.KINDS`
    masks: Tensor
    #: the photographs that could not be read and were replaced
    bad: tuple[Bad, ...] = ()


def on_device(batch: Batch, device: str | torch.device) -> tuple[Tensor, Tensor]:
    """Images (3P, 3, S, S) in [0, 1] and masks (3P, 1, S, S) of a batch, float32.

    Each image is repeated three times, as in `gin.subsampling.three_mask_batch`.
    """
    images, batch_masks = (
        tensor.to(device, non_blocking=True).float()
        for tensor in (batch.images, batch.masks)
    )
    return images.div_(255).repeat_interleave(len(masks.KINDS), dim=0), batch_masks


def keys(
    recipe: DataRecipe, first: int = 0, rank: int = 0, world: int = 1
) -> Iterator[Key]:
    """The keys of one rank's batches, from photograph `first` on; an endless iterator.

    `first` counts the photographs of all ranks. The joined batches of `world` ranks are
    the batch of one process with `world` times the batch size.
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
    """The batches of one rank, from photograph `first` on; an endless iterator.

    `seed` is that of the order, the views and the masks, `first` the number of
    photographs that all `world` ranks have seen. `workers` processes make the batches,
    or with 0 this one; `pin` pins their memory, for CUDA. `chosen` are keys instead of
    `keys(recipe, first, rank, world)`, ignored for shards. Batches from shards also
    depend on `world` and `workers`: they resume exactly only with the same values of
    both. Raises InputError for an unusable recipe or an unreadable photograph.
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
        generator=torch.Generator(),  # leaves torch's global state unchanged
    )
    try:
        yield from loader
    except InputError as error:  # from a worker, the message contains the traceback
        message = str(error.args[0]).rpartition("gin.errors.InputError: ")[2]
        raise InputError(message.strip()) from error


class PhotographBatches(Dataset[Batch]):
    """Maps a `Key` to its batch; each epoch has every photograph once, shuffled."""

    def __init__(self, source: Source, recipe: DataRecipe, seed: int) -> None:
        self.source, self.recipe, self.seed = source, recipe, seed

    def __getitem__(self, key: Key) -> Batch:
        numbers = range(key.first, key.first + key.batch_size)
        return collate([self._sample(number, key) for number in numbers])

    def _sample(self, number: int, key: Key) -> Sample:
        epoch, position = divmod(number, len(self.source))
        index = int(_order(self.seed, epoch, len(self.source))[position])
        draw = Draw(self.seed, epoch, index)
        size, probability = key.image_size, key.recolour_probability
        return sample(self.source.read(index), self.recipe, size, draw, probability)


@dataclass(frozen=True)
class StreamedBatches(IterableDataset[Batch]):
    """The batches of one rank from shards, from photograph `first` on, without end.

    A photograph that cannot be read raises InputError; with `shards.skip_bad` the next
    one that can be read takes its place.
    """

    shards: Shards
    recipe: DataRecipe
    seed: int
    first: int = 0
    rank: int = 0
    world: int = 1

    def __iter__(self) -> Iterator[Batch]:
        steps = self.first // (self.recipe.batch_size * self.world)
        worker = get_worker_info()
        workers, number = (worker.num_workers, worker.id) if worker else (1, 0)
        # Workers take turns; after a resume the first worker has the turn of `steps`.
        number = (number + steps) % workers
        done = len(range(number, steps, workers)) * self.recipe.batch_size
        part, parts = self.rank * workers + number, self.world * workers
        samples = self._samples(self.shards.stream(self.seed, done, part, parts))
        while True:
            pairs = list(itertools.islice(samples, self.recipe.batch_size))
            yield collate([s for s, _ in pairs], tuple(bad for _, bad in pairs if bad))

    def _samples(
        self, stream: Iterator[tuple[int, Packed]]
    ) -> Iterator[tuple[Sample, Bad | None]]:
        waiting: list[tuple[Draw, Bad | None]] = []
        for epoch, packed in stream:
            draw = Draw(self.seed, epoch, packed.number)
            try:
                picture = decode(packed.data, packed.name)
            except InputError as error:
                if not self.shards.skip_bad or len(waiting) > len(self.shards):
                    raise
                waiting.append((draw, Bad(packed.name, str(error))))
                continue
            for drawn, bad in (*waiting, (draw, None)):
                yield sample(picture, self.recipe, self.recipe.image_size, drawn), bad
            waiting.clear()


@lru_cache(maxsize=2)  # a batch may contain photographs of two epochs
def _order(seed: int, epoch: int, count: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch, 0, 1]).permutation(count)


def collate(samples: Sequence[Sample], bad: tuple[Bad, ...] = ()) -> Batch:
    """P samples -> a batch; `bad` are the photographs that were replaced."""
    views, sample_masks = zip(*samples, strict=True)
    images = torch.from_numpy(np.stack(views))  # (P, 3, S, S)
    batch_masks = torch.from_numpy(np.concatenate(sample_masks))  # (3P, S, S)
    return Batch(images, batch_masks.unsqueeze(1), bad)
