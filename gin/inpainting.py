"""Inpainting of photographs of any size: `Inpainter`.

Taught in book/00_start.md and book/22_any_photograph.md.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from gin import subsampling
from gin.errors import InputError, check_choice
from gin.generator import STRIDE, DeepGIN
from gin.inference import regions, seams
from gin.inference.passes import Callback, Passes, pad
from gin.inference.regions import SIDE, Window
from gin.masks import Mask, read_mask
from gin.utils import devices
from gin.utils.images import Photograph, type_of
from gin.weights import checkpoints

AUTO, WHOLE = REGIONS = ("auto", "whole")
PAPER = "paper"


@dataclass(frozen=True)
class Options:
    """The options of `Inpainter.__call__`, with their defaults.

    Raises InputError if an option has another value than those allowed.
    """

    size: str | None = None
    ensemble: bool = False
    region: str = AUTO
    seam: str | None = None
    callback: Callback | None = None

    def __post_init__(self) -> None:
        check_choice("size", self.size or PAPER, (PAPER,))
        check_choice("region", self.region, REGIONS)
        check_choice("seam", self.seam or "none", seams.SEAMS)

    @property
    def whole(self) -> bool:
        """Whether the photograph is completed as a whole, without crops."""
        return self.size == PAPER or self.region == WHOLE

    @property
    def harmonic(self) -> bool:
        """Whether the fill has a harmonic correction."""
        return self.seam == "harmonic" if self.seam else not self.whole


class Inpainter:
    """Completes PIL photographs with a trained network.

    `net` is moved to `device` and put into evaluation mode; None takes the GPU if CUDA
    has one, else the CPU. `precision` is "float32" or "bf16"; None takes bf16 on CUDA
    and on processors with bf16 arithmetic, else float32. Raises InputError for a device
    or precision that cannot be used.
    """

    # Eight sub-images of 256 x 256: 0.7 GB beside the weights at base width 64.
    pixels_at_once = 8 * SIDE * SIDE

    def __init__(
        self,
        net: DeepGIN,
        device: str | torch.device | None = None,
        precision: str | None = None,
    ) -> None:
        if not isinstance(net, nn.Module):
            raise InputError(
                f"net: found {type_of(net)}; expected a network, as from gin.load "
                "(gin.Inpainter.from_pretrained reads weights)"
            )
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
        """Return an inpainter with trained weights.

        `weights` is a file, a folder or a name, see `gin.weights.checkpoints.locate`;
        None takes the shipped weights. Raises InputError if there are no such weights,
        or they do not fit.
        """
        return cls(checkpoints.network(weights), device, precision)

    def __call__(
        self,
        photo: Image.Image,
        mask: Image.Image | np.ndarray,
        *,
        size: str | None = None,
        ensemble: bool = False,
        region: str = AUTO,
        seam: str | None = None,
        callback: Callback | None = None,
    ) -> Image.Image:
        """Return `photo` with the hole filled and the known pixels unchanged.

        The pixels in the hole are not read. Raises InputError if the photograph, the
        mask or an option cannot be used, or the result is not finite.

        Args:
            photo: from 16 px a side, of a mode that `Photograph.read` accepts. The
                result has the same mode and metadata, with EXIF orientation applied.
            mask: an image, white = missing, or an array (H, W) of {0, 1}, 1 = missing,
                see `masks.read_mask`. It has the size of the photograph after EXIF
                orientation.
            size: None, or "paper" as released: the whole photograph is resized
                (bicubic) to sides that are multiples of 256 px, and back.
            ensemble: average the results for four rotations and a flip, as released;
                five times the work.
            region: "auto" completes a crop around each group of holes, from the pixels
                in the crop (see `gin.inference.regions`). "whole" completes all s * s
                phases of the photograph, s = longer side / 256 px rounded up (paper,
                section 6.1); s is less along the shorter side of a very narrow
                photograph.
            seam: "harmonic" removes the step in brightness at the hole's border (see
                `gin.inference.seams`), "none" does not. None means "harmonic" for crops
                and "none" for the whole photograph, as in the paper.
            callback: called after each pass of the network with the fraction that is
                done, 0 to 1. An exception in it stops the completion.
        """
        options = Options(size, ensemble, region, seam, callback)
        return self._complete(photo, mask, options, stages=1)[0]

    def stages(
        self,
        photo: Image.Image,
        mask: Image.Image | np.ndarray,
        *,
        ensemble: bool = False,
        callback: Callback | None = None,
    ) -> dict[str, Image.Image]:
        """Return the result of each stage under its name: "coarse", then "refined".

        The last one is the result of `__call__`. The network runs once for both.
        Arguments and errors are those of `__call__`.
        """
        names = ("coarse", "refined") if self.net.refinement else ("coarse",)
        options = Options(ensemble=ensemble, callback=callback)
        images = self._complete(photo, mask, options, len(names))
        return dict(zip(names, images, strict=True))

    @torch.inference_mode()
    def _complete(
        self,
        photo: Image.Image,
        mask: Image.Image | np.ndarray,
        options: Options,
        stages: int,
    ) -> list[Image.Image]:
        """Complete the photograph; one image for each of the last `stages` stages."""
        photograph = Photograph.read(photo)
        missing = read_mask(mask, photograph.size)
        run = Passes(
            self.net,
            self.device,
            self.precision,
            self.pixels_at_once,
            stages,
            options.ensemble,
            options.callback,
        )
        fill = np.zeros((*missing.shape, 3 * stages), np.float32)
        for window, method in _parts(missing, options, run):
            image, hole = _tensors(photograph, missing, window)
            done = method(image, hole)[0].permute(1, 2, 0).numpy()  # (h, w, C)
            inside = missing[window] > 0
            if not np.isfinite(done[inside]).all():
                raise InputError("the result is not finite; expected trained weights")
            if options.harmonic:
                known = image[0].repeat(stages, 1, 1).permute(1, 2, 0).numpy()
                done = seams.harmonic(done.clip(0, 1), known, inside)
            fill[window] = done
        fills = np.split(fill, stages, axis=2)
        return [photograph.filled(values, missing) for values in fills]


# (1, 3, h, w), (1, 1, h, w) -> (1, C, h, w)
Method = Callable[[Tensor, Tensor], Tensor]


def _strides(height: int, width: int) -> tuple[int, int]:
    """The strides of H and W for which no side of a phase is longer than 256 px.

    They are equal, unless this would pad the shorter side beyond 256 px and beyond
    twice its length.
    """
    stride = -(-max(height, width) // SIDE)
    rows, columns = (
        stride if stride * STRIDE <= max(SIDE, 2 * side) else side // STRIDE
        for side in (height, width)
    )
    return rows, columns


def _parts(
    missing: Mask, options: Options, run: Passes
) -> Iterator[tuple[Window, Method]]:
    """The windows that are completed independently, and the method for each."""
    if options.whole:
        method = _resized if options.size == PAPER else _by_phases
        yield np.s_[:, :], partial(method, run=run)
        return
    crops = regions.plan(missing)
    run.batches = sum(len(crop.tiles) for crop in crops)
    for crop in crops:
        yield crop.window, partial(regions.complete, crop, run=run, stages=run.stages)


def _tensors(
    photograph: Photograph, missing: Mask, window: Window
) -> tuple[Tensor, Tensor]:
    """A window of the photograph with a white hole, and the hole; (1, C, h, w)."""
    part = replace(photograph, values=photograph.values[window])
    image = torch.from_numpy(part.rgb()).permute(2, 0, 1)[None]
    hole = torch.from_numpy(missing[window]).float()[None, None]
    return image.masked_fill(hole > 0, 1), hole


def _resized(image: Tensor, mask: Tensor, run: Passes) -> Tensor:
    """Complete by phases at sides that are multiples of 256 px, as released."""
    shape = image.shape[2:]
    sides = [max(1, round(side / SIDE)) * SIDE for side in shape]
    # A pixel is missing if the bilinear filter reads any missing pixel for it.
    touched = F.interpolate(mask, sides, mode="bilinear", antialias=True) > 0
    image = F.interpolate(image, sides, mode="bicubic", antialias=True).clamp(0, 1)
    done = _by_phases(image.masked_fill(touched, 1), touched.float(), run)
    return F.interpolate(done, list(shape), mode="bicubic", antialias=True)


def _by_phases(image: Tensor, mask: Tensor, run: Passes) -> Tensor:
    """Complete all phases: (1, 3, H, W) and (1, 1, H, W) -> (1, C, H, W)."""
    height, width = image.shape[2:]
    strides = _strides(height, width)
    steps = strides[0] * STRIDE, strides[1] * STRIDE
    phases = subsampling.split(pad(image, steps), strides)
    holes = subsampling.split(pad(mask, steps), strides)
    masked = holes.flatten(1).any(dim=1)  # the other phases have no hole
    done = phases.repeat(1, run.stages, 1, 1)
    done[masked] = run(phases[masked], holes[masked])
    return subsampling.merge(done, strides)[..., :height, :width]
