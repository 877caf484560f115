"""Any photograph, any size: prepare, complete, paste the known pixels.

Taught in book/00_start.md and book/20_any_photograph.md.
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from gin import devices, pretrained, subsampling
from gin.errors import InputError
from gin.generator import STRIDE, DeepGIN
from gin.masks import check_mask, load_mask
from gin.photographs import Photograph

SIDE = 256  # px: what the network was trained on

# A view of a picture: quarter turns, and whether it is mirrored first.
View = tuple[int, bool]
UPRIGHT: tuple[View, ...] = ((0, False), (2, False), (0, True))
SIDEWAYS: tuple[View, ...] = ((1, False), (3, False))


class Inpainter:
    """Completes PIL photographs with a trained network.

    Args:
        net: the network; it is moved to `device` and put into evaluation mode.
        device: None takes the GPU if CUDA finds one, else the CPU.
        precision: "float32" or "bf16"; None takes bf16 on CUDA and on processors
            with bf16 arithmetic, else float32.

    Raises:
        InputError: a device or precision that cannot be used.
    """

    # Eight sub-images of 256 x 256: 0.7 GB beside the weights at base width 64.
    pixels_at_once = 8 * SIDE * SIDE

    def __init__(
        self,
        net: DeepGIN,
        device: str | torch.device | None = None,
        precision: str | None = None,
    ) -> None:
        self.device = devices.choose_device(device)
        self.precision = devices.choose_precision(self.device, precision)
        self.net = net.eval().to(self.device).to(memory_format=torch.channels_last)

    @classmethod
    def from_pretrained(
        cls,
        weights: str | Path | None = None,
        device: str | torch.device | None = None,
        precision: str | None = None,
    ) -> "Inpainter":
        """An inpainter with weights as `pretrained.network` finds them.

        None takes the shipped ones. Raises InputError if there are none.
        """
        return cls(pretrained.network(weights), device, precision)

    @torch.inference_mode()
    def __call__(
        self,
        photo: Image.Image,
        mask: Image.Image | np.ndarray,
        *,
        size: str | None = None,
        ensemble: bool = False,
    ) -> Image.Image:
        """`photo` with the hole filled; known pixels come back bit for bit.

        A photograph longer than 256 px is completed as its s * s phases, s = longer
        side / 256 rounded up (paper, section 6.1; less along the shorter side of a very
        slim one). What lies under the hole is never
        read.

        Args:
            photo: from 16 px a side; modes as `Photograph.read` has them. The result
                has the same mode, is turned upright and keeps the metadata.
            mask: a picture, white = missing, or an array (H, W) of {0, 1},
                1 = missing; of the upright photograph's size.
            size: None, or "paper" as released: sides rounded to multiples of 256 by
                bicubic resizing, completed, and resized back.
            ensemble: average over four quarter turns and a mirror image, as
                released; five times the work.

        Raises:
            InputError: a photograph, mask or size that cannot be used, or weights
                that give no finite picture.
        """
        if size not in (None, "paper"):
            raise InputError(f'size is {size!r}; expected None or "paper"')
        photograph = Photograph.read(photo)
        missing = _read_mask(mask, photograph.size)
        hole = torch.from_numpy(missing).float()[None, None]  # (1, 1, H, W)
        image = torch.from_numpy(photograph.rgb()).permute(2, 0, 1)[None]
        image = image.masked_fill(hole > 0, 1)  # white, before anything can mix pixels
        complete = self._resized if size == "paper" else self._complete
        fill = complete(image, hole, ensemble)[0].permute(1, 2, 0).numpy()
        if not np.isfinite(fill[missing > 0]).all():
            raise InputError("the weights give no finite picture; were they trained?")
        return photograph.filled(fill, missing)

    def _resized(self, image: Tensor, mask: Tensor, ensemble: bool) -> Tensor:
        """`_complete` at sides that are multiples of 256 px, as released."""
        shape = image.shape[2:]
        sides = [max(1, round(side / SIDE)) * SIDE for side in shape]
        # Missing is whatever the smoother of the two filters drew from the hole.
        touched = F.interpolate(mask, sides, mode="bilinear", antialias=True) > 0
        image = F.interpolate(image, sides, mode="bicubic", antialias=True).clamp(0, 1)
        done = self._complete(image.masked_fill(touched, 1), touched.float(), ensemble)
        return F.interpolate(done, list(shape), mode="bicubic", antialias=True)

    def _complete(self, image: Tensor, mask: Tensor, ensemble: bool) -> Tensor:
        """(1, 3, H, W) and (1, 1, H, W) -> completed (1, 3, H, W), by its phases."""
        height, width = image.shape[2:]
        stride = _strides(height, width)
        phases = subsampling.split(_pad(image, stride), stride)
        holes = subsampling.split(_pad(mask, stride), stride)
        damaged = holes.flatten(1).any(dim=1)  # the others come back unchanged
        run = self._ensemble if ensemble else self._forward
        phases[damaged] = run(phases[damaged], holes[damaged])
        return subsampling.merge(phases, stride)[..., :height, :width]

    def _ensemble(self, images: Tensor, masks: Tensor) -> Tensor:
        """The mean over the five views; those of one shape form one batch."""
        square = images.shape[2] == images.shape[3]
        groups = (UPRIGHT + SIDEWAYS,) if square else (UPRIGHT, SIDEWAYS)
        total = torch.zeros_like(images)
        for views in groups:
            done = self._forward(
                torch.cat([_turn(images, view) for view in views]),
                torch.cat([_turn(masks, view) for view in views]),
            )
            for part, view in zip(done.chunk(len(views)), views, strict=True):
                total += _turn_back(part, view)
        return total / (len(UPRIGHT) + len(SIDEWAYS))

    def _forward(self, images: Tensor, masks: Tensor) -> Tensor:
        """The network on a batch (B, 3, h, w), as many at once as memory allows."""
        count = max(1, self.pixels_at_once // images[0, 0].numel())
        chunks = zip(images.split(count), masks.split(count), strict=True)
        return torch.cat([self._one_pass(image, mask) for image, mask in chunks])

    def _one_pass(self, image: Tensor, mask: Tensor) -> Tensor:
        image = image.to(self.device, memory_format=torch.channels_last)
        bf16 = self.precision == "bf16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=bf16):
            completed = self.net(image, mask.to(self.device)).completed
        return completed.float().cpu()


def _read_mask(mask: Image.Image | np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if isinstance(mask, Image.Image):
        return load_mask(mask, size)
    array = np.asarray(mask)
    check_mask(array, "mask", size)
    return array.astype(np.uint8)


def _strides(height: int, width: int) -> tuple[int, int]:
    """Of rows and columns, so that no side of a phase is longer than 256 px.

    It is one stride, but where that would pad the shorter side beyond 256 px and to
    more than twice its length.
    """
    stride = -(-max(height, width) // SIDE)
    rows, columns = (
        stride if stride * STRIDE <= max(SIDE, 2 * side) else side // STRIDE
        for side in (height, width)
    )
    return rows, columns


def _pad(image: Tensor, strides: tuple[int, int]) -> Tensor:
    """Mirror `image` at the bottom and right until every phase suits the network."""
    sides = zip(image.shape[2:], strides, strict=True)
    height, width = ((0, -side % (stride * STRIDE)) for side, stride in sides)
    # numpy mirrors again and again where the padding is larger than the picture.
    padded = np.pad(image.numpy(), ((0, 0), (0, 0), height, width), mode="reflect")
    return torch.from_numpy(padded)


def _turn(image: Tensor, view: View) -> Tensor:
    turns, mirrored = view
    return torch.rot90(image.flip(3) if mirrored else image, turns, (2, 3))


def _turn_back(image: Tensor, view: View) -> Tensor:
    turns, mirrored = view
    upright = torch.rot90(image, -turns, (2, 3))
    return upright.flip(3) if mirrored else upright
