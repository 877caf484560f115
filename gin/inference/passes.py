"""Passes of the network over batches: test-time augmentation, chunks, progress.

Taught in book/22_any_photograph.md.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gin.errors import memory_errors
from gin.generator import STRIDE, DeepGIN, composite

# Of an augmented image: rotations by 90 degrees, and whether it is flipped before.
View = tuple[int, bool]
UPRIGHT: tuple[View, ...] = ((0, False), (2, False), (0, True))
SIDEWAYS: tuple[View, ...] = ((1, False), (3, False))
Callback = Callable[[float], None]


@dataclass
class Passes:
    """Completes batches of images with a network."""

    net: DeepGIN  #: the network, on `device`
    device: torch.device  #: of the passes; inputs and outputs are on the CPU
    precision: str  #: one of `gin.utils.devices.PRECISIONS`
    pixels_at_once: int  #: the most pixels in one pass; larger batches are divided
    #: 1 for the completed images, 2 for the coarse and the completed ones
    stages: int = 1
    ensemble: bool = False  #: whether results are averaged over five views
    #: called after each pass with the fraction that is done, 0 to 1
    callback: Callback | None = None
    batches: int = 1  #: the number of calls, for `callback`

    def __post_init__(self) -> None:
        self._batch = 0  # calls before this one
        self._images_done = self._images_total = 0  # of this call

    def __call__(self, images: Tensor, masks: Tensor) -> Tensor:
        """(B, 3, h, w) and (B, 1, h, w) of any size -> (B, 3 * stages, h, w)."""
        height, width = images.shape[2:]
        steps = STRIDE, STRIDE
        images, masks = pad(images, steps), pad(masks, steps)
        views = len(UPRIGHT + SIDEWAYS) if self.ensemble else 1
        self._images_done, self._images_total = 0, views * len(images)
        done = (self._mean if self.ensemble else self._forward)(images, masks)
        self._batch += 1
        return done[..., :height, :width]

    def _mean(self, images: Tensor, masks: Tensor) -> Tensor:
        """The mean over the five views; views of one shape form one batch."""
        square = images.shape[2] == images.shape[3]
        groups = (UPRIGHT + SIDEWAYS,) if square else (UPRIGHT, SIDEWAYS)
        total = torch.zeros_like(images).repeat(1, self.stages, 1, 1)
        for views in groups:
            done = self._forward(
                torch.cat([_augment(images, view) for view in views]),
                torch.cat([_augment(masks, view) for view in views]),
            )
            for part, view in zip(done.chunk(len(views)), views, strict=True):
                total += _undo(part, view)
        return total / (len(UPRIGHT) + len(SIDEWAYS))

    def _forward(self, images: Tensor, masks: Tensor) -> Tensor:
        """(N, 3, h, w) and (N, 1, h, w) -> (N, 3 * stages, h, w), in chunks."""
        count = max(1, self.pixels_at_once // images[0, 0].numel())
        chunks = zip(images.split(count), masks.split(count), strict=True)
        return torch.cat([self._one_pass(image, mask) for image, mask in chunks])

    def _one_pass(self, image: Tensor, mask: Tensor) -> Tensor:
        image = image.to(self.device, memory_format=torch.channels_last)
        mask = mask.to(self.device)
        bf16 = self.precision == "bf16"
        autocast = torch.autocast(self.device.type, torch.bfloat16, enabled=bf16)
        with memory_errors(), autocast:
            done = self.net(image, mask)
        coarse = [composite(done.coarse, image, mask)] if self.stages == 2 else []
        self._images_done += len(image)
        if self.callback:
            fraction = self._images_done / self._images_total  # of this call
            self.callback((self._batch + fraction) / self.batches)
        return torch.cat([*coarse, done.completed], 1).float().cpu()


def pad(image: Tensor, steps: tuple[int, int]) -> Tensor:
    """Pad by reflection at the bottom and right: (B, C, H, W) -> (B, C, H', W').

    H' and W' are the next multiples of `steps`.
    """
    sides = zip(image.shape[2:], steps, strict=True)
    height, width = ((0, -side % step) for side, step in sides)
    # Unlike PyTorch, numpy can reflect by more than the size of the image.
    padded = np.pad(image.numpy(), ((0, 0), (0, 0), height, width), mode="reflect")
    return torch.from_numpy(padded)


def _augment(image: Tensor, view: View) -> Tensor:
    turns, mirrored = view
    return torch.rot90(image.flip(3) if mirrored else image, turns, (2, 3))


def _undo(image: Tensor, view: View) -> Tensor:
    turns, mirrored = view
    upright = torch.rot90(image, -turns, (2, 3))
    return upright.flip(3) if mirrored else upright
