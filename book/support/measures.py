"""One pair of pictures measured in many ways, for book/19_metrics.md."""

import io
from collections.abc import Callable, Sequence

import cv2
import numpy as np
import torch
from PIL import Image
from skimage import metrics as skimage_metrics
from support import rivals
from support.figures import Table
from torch import Tensor

from gin import masks, vgg
from gin.baselines.interface import Method
from gin.data import mask_sets
from gin.errors import InputError
from gin.evaluation import bootstrap, metrics

SMALL = 96  # px, where many photographs are measured
FILTERS = ("BOX", "BICUBIC", "NEAREST")


def batch(*pictures: np.ndarray) -> Tensor:
    """(H, W, 3) or (H, W) -> uint8 (B, C, H, W)."""
    stack = np.stack(pictures)
    stack = stack[..., np.newaxis] if stack.ndim == 3 else stack
    return torch.from_numpy(stack).permute(0, 3, 1, 2)


def grey(picture: np.ndarray) -> np.ndarray:
    """Luma of ITU-R 601 in 8 bits, as Pillow converts."""
    return np.asarray(Image.fromarray(picture).convert("L"))


def levels(image: Tensor) -> np.ndarray:
    """(1, 3, H, W) in [0, 1] -> (H, W, 3) in levels of 255, not rounded."""
    values: np.ndarray = image[0].permute(1, 2, 0).clamp(0, 1).numpy() * 255
    return values


def ssims(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
    """Five structural similarities of one pair, and one with a wrong range."""
    original = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}

    def ssim(a: np.ndarray, b: np.ndarray, **options: object) -> float:
        channel = -1 if a.ndim == 3 else None
        options |= {"data_range": 255, "channel_axis": channel}
        value: float = skimage_metrics.structural_similarity(a, b, **options)
        return value

    return {
        "Gaussian, RGB": ssim(a, b, **original),
        "Gaussian, grey": ssim(grey(a), grey(b), **original),
        "square of 7, RGB": ssim(a, b),
        "square of 11, grey": ssim(grey(a), grey(b), win_size=11),
        "square of 51, grey": ssim(grey(a), grey(b), win_size=51),
        "range 255 for values in [0, 1]": ssim(a / 255, b / 255),
    }


def networks() -> dict[str, torch.nn.Module | str]:
    """LPIPS and the VGG distance, or the reason why one is not available."""
    found: dict[str, torch.nn.Module | str] = {}
    loaders = {"LPIPS": vgg.lpips_metric, "VGG": metrics.vgg_distance}
    for name, load in loaders.items():
        try:
            found[name] = load()
        except InputError as error:
            found[name] = str(error)
    return found


def blurred_and_noisy(photo: np.ndarray, seed: int = 0) -> dict[str, np.ndarray]:
    """A blur, and noise of the same mean squared error, except for clipping."""
    blurred = cv2.GaussianBlur(photo, (0, 0), 2.0)
    sigma = 255 * 10 ** (-rivals.psnr(blurred, photo) / 20)
    noise = np.random.default_rng(seed).normal(0, sigma, photo.shape)
    return {
        "blurred": blurred,
        "noisy": (photo + noise).clip(0, 255).round().astype(np.uint8),
    }


def perceived(
    pictures: dict[str, np.ndarray], photo: np.ndarray
) -> dict[str, dict[str, float]]:
    """Picture -> metric -> value, with the perceptual metrics that are available."""
    nets = {n: net for n, net in networks().items() if not isinstance(net, str)}
    found = {}
    for name, picture in pictures.items():
        pair = [batch(x).float() / 255 for x in (picture, photo)]
        values = {
            "PSNR": rivals.psnr(picture, photo),
            "SSIM": ssims(picture, photo)["Gaussian, RGB"],
        }
        found[name] = values | {n: net(*pair).item() for n, net in nets.items()}
    return found


def check_perceived(seen: dict[str, dict[str, float]]) -> None:
    """Assert what chapter 19 says of `perceived`, for the metrics that it has."""
    blur, noise, filled = (seen[n] for n in ("blurred", "noisy", "completed"))
    assert abs(blur["PSNR"] - noise["PSNR"]) < 0.3
    assert blur["SSIM"] > noise["SSIM"]
    assert filled["PSNR"] < blur["PSNR"] - 3
    if "LPIPS" in blur:
        assert filled["LPIPS"] < noise["LPIPS"] < blur["LPIPS"]
    if "VGG" in blur:
        assert 0.01 < blur["VGG"] < noise["VGG"]


def jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    """The picture from a JPEG file of that quality."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "jpeg", quality=quality)
    return np.asarray(Image.open(stream))


def resized(picture: np.ndarray, filter_name: str, side: int = 64) -> np.ndarray:
    """The picture at `side` x `side`, by one of Pillow's filters."""
    method = Image.Resampling[filter_name]
    return np.asarray(Image.fromarray(picture).resize((side, side), method))


def histories(
    filled: np.ndarray, raw: np.ndarray, photo: np.ndarray
) -> dict[str, float]:
    """PSNR of a pair after what files often go through; `raw` is not rounded."""
    pairs = {
        "as it is": (filled, photo),
        "not rounded": (raw, photo),
        "cut off, not rounded": (np.floor(raw), photo),
        "completion as JPEG 95": (jpeg(filled, 95), photo),
        "completion as JPEG 75": (jpeg(filled, 75), photo),
    }
    for name in FILTERS:
        pair = resized(filled, name), resized(photo, name)
        pairs[f"both reduced, {name}"] = pair
    return {name: rivals.psnr(*pair) for name, pair in pairs.items()}


def averaged(
    distance: Callable[[Tensor, Tensor], float], count: int, dimensions: int = 32
) -> float:
    """The mean distance of three pairs of sets drawn from one normal distribution."""
    found = []
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        shape = (2, count, dimensions)
        sets = torch.randn(*shape, generator=generator, dtype=torch.float64)
        found.append(distance(*sets))
    return float(np.mean(found))


def holes(kind: str) -> list[np.ndarray]:
    """The mask of each shipped photograph in an evaluation with seed 0."""
    size = (SMALL, SMALL)
    return [mask_sets.draw(0, f"{name}.jpg", kind, size) for name in rivals.NAMES]


def scores(method: Method, kind: str) -> list[float]:
    """The PSNR of a method on each shipped photograph under `holes(kind)`."""
    names = zip(rivals.NAMES, holes(kind), strict=True)
    return [rivals.attempt(name, method, mask)[1] for name, mask in names]


def by_area(values: dict[str, Sequence[float]]) -> dict[str, list[float]]:
    """Bucket of hole areas -> the scores in it; `values` maps kinds to `scores`."""
    found: dict[str, list[float]] = {bucket: [] for bucket in bootstrap.BUCKETS}
    for kind, scored in values.items():
        for mask, value in zip(holes(kind), scored, strict=True):
            found[bootstrap.area_bucket(masks.area(mask))].append(value)
    return {bucket: scored for bucket, scored in found.items() if scored}


def off_by_a_tenth(
    photo: np.ndarray, share: float
) -> tuple[np.ndarray, dict[str, float]]:
    """`photo` with a square hole of an area, wrong by a tenth; and its metrics."""
    mask = np.zeros(photo.shape[:2], np.uint8)
    side = round(len(mask) * share**0.5)
    mask[:side, :side] = 1
    step = np.where(photo > 127, -25.5, 25.5) * mask[..., np.newaxis]
    wrong = (photo + step).round().astype(np.uint8)
    found = metrics.measure(batch(wrong), batch(photo), batch(mask))
    return wrong, {name: value.item() for name, value in found.items()}


def table(header: Sequence[str], values: dict[str, float], digits: int) -> Table:
    """Two columns, a name and a number."""
    rows = [(name, f"{value:.{digits}f}") for name, value in values.items()]
    return Table(header, rows)
