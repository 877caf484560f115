"""Methods on the shipped photographs, side by side, for chapters 20 and 21."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from support import figures

from gin import masks
from gin.baselines import (
    DeepFillV1,
    DeepFillV2,
    classical,
    inpaint_function,
    load_deepfill,
)
from gin.baselines.deepfill.networks import Critics, PatchDiscriminator
from gin.baselines.interface import Method, complete
from gin.generator import DeepGIN
from gin.inpainting import Inpainter
from gin.utils.images import open_picture

DATA = Path(__file__).parents[2] / "data"
NAMES = tuple(sorted(path.stem for path in (DATA / "photos").glob("*.jpg")))


def photograph(name: str, side: int = 128) -> np.ndarray:
    """A shipped photograph, uint8 (side, side, 3)."""
    photo = open_picture(DATA / "photos" / f"{name}.jpg").convert("RGB")
    return np.asarray(photo.resize((side, side)))


def hole(kind: str, seed: int, side: int = 128) -> np.ndarray:
    """A mask of one of `gin.masks.KINDS`, uint8 (side, side), 1 = missing."""
    return masks.make(kind, side, side, np.random.default_rng(seed))


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    """Of two uint8 pictures, in dB."""
    gap = (one.astype(float) - other) / 255
    return float(-10 * np.log10((gap**2).mean()))


@cache
def shipped(weights: str) -> Inpainter:
    """The network of a file of data/weights, on the CPU in float32."""
    path = DATA / "weights" / f"{weights}.safetensors"
    return Inpainter.from_pretrained(path, "cpu", "float32")


def deepgin(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """DeepGIN with the shipped weights, as the paper completes: no crop, no seam."""
    photo = Image.fromarray(image)
    return np.asarray(shipped("deepgin")(photo, mask, region="whole"))


@cache
def _deepfillv2() -> Method:
    path = DATA / "weights" / "deepfillv2-small.safetensors"
    return inpaint_function(load_deepfill(path))


def deepfillv2(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The small DeepFillv2 that was trained here, 0.7 million parameters."""
    return _deepfillv2()(image, mask)


METHODS: Mapping[str, Method] = {
    "mean colour": classical.mean_colour,
    "Telea": classical.telea,
    "Navier-Stokes": classical.navier_stokes,
    "biharmonic": classical.biharmonic,
    "DeepGIN": deepgin,
}


def attempt(name: str, method: Method, mask: np.ndarray) -> tuple[np.ndarray, float]:
    """A photograph completed by a method, known pixels pasted; and its PSNR in dB."""
    image = photograph(name, len(mask))
    filled = complete(method, image, mask)
    done = np.where(mask[..., np.newaxis] == 1, filled, image)
    return done, psnr(done, image)


def errors_of(method: Method, side: int = 64) -> np.ndarray:
    """(4, N), for each photograph with a rectangle, in [0, 1].

    The missing share, the mean absolute error of the image, its root mean square
    error, and the mean level of the photograph.
    """
    rng, found = np.random.default_rng(0), []
    for name in NAMES:
        image, mask = photograph(name, side), masks.rectangular(side, side, rng)
        gap = (method(image, mask).astype(float) - image) / 255
        root = np.square(gap).mean() ** 0.5
        found.append((mask.mean(), np.abs(gap).mean(), root, image.mean() / 255))
    return np.array(found).T


def parameters() -> dict[str, int]:
    """The sizes of the networks of Table 2, and of DeepFill's discriminators."""
    with torch.device("meta"):
        parts = {
            "DeepFillv1": DeepFillV1(),
            "DeepFillv2": DeepFillV2(),
            "DeepGIN": DeepGIN(),
            "v1's critics": Critics(),
            "v2's discriminator": PatchDiscriminator(),
        }
    return {n: sum(p.numel() for p in net.parameters()) for n, net in parts.items()}


def stages(name: str, mask: np.ndarray) -> list[np.ndarray]:
    """masked, coarse, completed, original, for the columns of Fig. 4."""
    image = photograph(name, len(mask))
    tensor = torch.from_numpy(image.copy()).permute(2, 0, 1)[None] / 255
    missing = torch.from_numpy(mask)[None, None].float()
    with torch.no_grad():
        done = shipped("deepgin").net(tensor, missing)
    coarse = torch.where(missing > 0, done.coarse, tensor)
    pictures = (coarse, done.completed)
    return [
        figures.with_hole(image / 255, mask),
        *map(figures.as_rgb, pictures),
        image / 255,
    ]


def side_by_side(
    cases: Sequence[tuple[str, str, int]], methods: Mapping[str, Method], side: int
) -> figures.Drawing:
    """A line for each (photograph, kind of mask, seed): masked, methods, original."""
    drawn: dict[str, list[figures.Picture]] = {}
    for name, kind, seed in cases:
        image, mask = photograph(name, side), hole(kind, seed, side)
        filled = [attempt(name, m, mask)[0] / 255 for m in methods.values()]
        masked = figures.with_hole(image / 255, mask)
        drawn[name.split("_", 1)[1]] = [masked, *filled, image / 255]
    return figures.grid(drawn, ["masked", *methods, "original"])
