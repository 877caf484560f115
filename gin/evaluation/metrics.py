"""Metrics between a completed image and the photograph, one value for each image.

Taught in book/19_metrics.md.
"""

from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from skimage.metrics import structural_similarity
from torch import Tensor, nn
from torchmetrics.functional.image import peak_signal_noise_ratio

from gin.errors import InputError
from gin.utils.devices import exact_float32
from gin.utils.files import StrPath
from gin.vgg import VGG_MIN_SIDE, Features, Lpips
from gin.weights.imagenet import Backbone, load_backbone

SSIM_MIN_SIDE = 11  # px: the window
VGG_MAX_SIDE = 512  # px: larger pictures are reduced, since the maps take 1 kB a pixel
OVERSHOOT = 1.0  # largest distance from [0, 1]; values beyond have another scale


class Metric(NamedTuple):
    """How to print a metric: unit, "higher" or "lower" as better, decimal places."""

    unit: str
    better: str
    digits: int


METRICS = {
    "PSNR": Metric("dB", "higher", 2),
    "SSIM": Metric("", "higher", 4),
    "L1 image": Metric("%", "lower", 2),
    "L1 hole": Metric("%", "lower", 2),
    "L1 relative": Metric("%", "lower", 2),
    "L1 edge-connect": Metric("", "lower", 4),
    "LPIPS": Metric("", "lower", 4),
    "VGG": Metric("", "lower", 4),
}


def measure(
    completed: Tensor,
    image: Tensor,
    mask: Tensor,
    lpips: Lpips | None = None,
    vgg: "VggDistance | None" = None,
) -> dict[str, Tensor]:
    """Every metric of `METRICS`, in its order; LPIPS and VGG only with their networks.

    They compare `composite(completed, image, mask)` with the photograph in 8 bits.
    `completed` and `image` are (B, 3, H, W), uint8 or in [0, 1], from 11 px a side,
    `mask` (B, 1, H, W) of {0, 1}, 1 = missing; the networks may be on other devices.
    The values are (B,) float64 on the CPU. PSNR is infinite for identical images, "L1
    hole" is nan for an empty mask, "L1 relative" infinite or nan for a black
    photograph, and "L1 edge-connect" nan if both are black. Raises InputError as
    `composite` does, and for a side below 31 px with LPIPS or below 16 px with VGG.
    """
    pasted = composite(completed, image, mask)
    truth = eight_bits(image, "image")
    a, b = pasted.cpu().double() / 255, truth.cpu().double() / 255
    values = {
        "PSNR": peak_signal_noise_ratio(
            a, b, data_range=1.0, reduction="none", dim=(1, 2, 3)
        ),
        "SSIM": ssim(a, b),
        "L1 image": l1_image(a, b),
        "L1 hole": l1_hole(a, b, mask.cpu().double()),
        "L1 relative": l1_relative(a, b),
        "L1 edge-connect": l1_edge_connect(a, b),
    }
    for name, network in {"LPIPS": lpips, "VGG": vgg}.items():
        if network is not None:
            device = next(network.parameters()).device
            pair = (x.to(device).float() / 255 for x in (pasted, truth))
            values[name] = network(*pair).cpu().double()
    return values


def composite(completed: Tensor, image: Tensor, mask: Tensor) -> Tensor:
    """The photograph with its hole filled from `completed`, uint8 (B, 3, H, W).

    Arguments as for `measure`. Values of `completed` inside the hole are clamped to
    [0, 1], values outside are ignored. Raises InputError for shapes that differ, a
    mask of other values than 0 and 1, a photograph outside [0, 1], and a completion
    that is not finite or lies outside [−1, 2].
    """
    _check_shapes(completed, image, mask)
    if not ((mask == 0) | (mask == 1)).all():
        others = sorted(set(mask.unique().tolist()) - {0, 1})[:3]
        raise InputError(f"mask holds {others}; expected 0 and 1")
    truth = eight_bits(image, "image")
    if completed.dtype != torch.uint8:
        completed = torch.where(mask != 0, completed, 0)
    return torch.where(mask != 0, eight_bits(completed, "completed", OVERSHOOT), truth)


def eight_bits(picture: Tensor, name: str, overshoot: float = 0.0) -> Tensor:
    """Floats in [0, 1] clamped and rounded to uint8; uint8 is returned unchanged.

    Raises InputError for another type, and for values that are not finite or lie
    outside [0, 1] by more than `overshoot`. `name` opens the message.
    """
    if picture.dtype == torch.uint8:
        return picture
    if not picture.is_floating_point():
        raise InputError(f"{name} is {picture.dtype}; expected uint8 or floats")
    low, high = (x.item() for x in picture.aminmax())
    if not (-overshoot <= low and high <= 1 + overshoot):  # nan fails both
        raise InputError(f"{name} holds {low:g} to {high:g}; expected 0 to 1")
    # In float32: bfloat16 cannot represent 255 levels.
    return (picture.float().clamp(0, 1) * 255).round().to(torch.uint8)


def ssim(completed: Tensor, image: Tensor) -> Tensor:
    """Structural similarity (Wang et al., 2004, Eq. 13), mean over R, G and B.

    Gaussian window of 11 x 11 px, sigma 1.5, without padding; data range 1.
    Both (B, 3, H, W) float64 in [0, 1] on the CPU -> (B,).
    """
    # torchmetrics is off by 3e-4 in float32 where an image is flat, and in float64
    # takes seconds for an image where scikit-image takes 0.05 s.
    similar = partial(
        structural_similarity,
        data_range=1.0,
        channel_axis=0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    pairs = zip(completed.numpy(), image.numpy(), strict=True)
    return torch.tensor([similar(a, b) for a, b in pairs], dtype=torch.float64)


def l1_image(completed: Tensor, image: Tensor) -> Tensor:
    """100 · mean |completed − image| over the whole image, in % of the range.

    Both (B, 3, H, W) in [0, 1] -> (B,), as in the other three L1 metrics.
    """
    return 100 * (completed - image).abs().mean(dim=(1, 2, 3))


def l1_hole(completed: Tensor, image: Tensor, mask: Tensor) -> Tensor:
    """100 · Σ mask · |completed − image| / (3 · Σ mask): the mean inside the hole, %.

    `mask` (B, 1, H, W) of {0, 1}. nan for an empty mask.
    """
    return 100 * _sum((completed - image).abs() * mask) / (3 * _sum(mask))


def l1_relative(completed: Tensor, image: Tensor) -> Tensor:
    """100 · Σ |completed − image| / Σ image, in % of the sum of the photograph."""
    return 100 * _sum((completed - image).abs()) / _sum(image)


def l1_edge_connect(completed: Tensor, image: Tensor) -> Tensor:
    """Σ |completed − image| / Σ (completed + image), as in EdgeConnect, no unit.

    EdgeConnect's program converts the images to grey first; this is over R, G and B.
    """
    return _sum((completed - image).abs()) / _sum(completed + image)


def _sum(x: Tensor) -> Tensor:
    return x.sum(dim=(1, 2, 3))


def _check_shapes(completed: Tensor, image: Tensor, mask: Tensor) -> None:
    shape = image.shape
    if len(shape) != 4 or shape[1] != 3 or min(shape[2:]) < SSIM_MIN_SIDE:
        raise InputError(
            f"image is {tuple(shape)}; expected (B, 3, H, W) with sides of "
            f"{SSIM_MIN_SIDE} pixels or more"
        )
    pictures = {"completed": (completed, 3), "mask": (mask, 1)}
    for name, (picture, channels) in pictures.items():
        size, expected = tuple(picture.shape), (shape[0], channels, *shape[2:])
        if size != expected:
            raise InputError(f"{name} is {size}; expected {expected}, as the image")


class VggDistance(nn.Module):
    """The distance of VGG16's normalised features, 0 for equal images.

    LPIPS without trained heads, on another network than LPIPS: at each position of the
    maps conv1_1, conv2_1, conv3_1, conv4_1 and conv5_1 the squared distance of two unit
    vectors, |a/|a| − b/|b||²; then the mean over positions and over the five layers.
    Pictures with a side above 512 px are reduced to it, with antialiasing. Frozen;
    computed in float32 without autocast and TF32. `source` is that of the weights.
    Raises InputError for another backbone.
    """

    name = "VGG16"

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        if backbone.network != "vgg16":
            raise InputError(f"backbone is {backbone.name}; expected VGG16")
        self.source = backbone.source
        self.features = Features(backbone)

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        """(B, 3, H, W) twice, in [0, 1], from 16 px a side -> (B,)."""
        if image.shape != target.shape:
            raise InputError(
                f"images are {tuple(image.shape)} and {tuple(target.shape)}; expected "
                "equal shapes"
            )
        with exact_float32(image.device):
            maps = (self.features(_reduced(x.float())) for x in (image, target))
            layers = [
                (F.normalize(a) - F.normalize(b)).square().sum(dim=1).mean(dim=(1, 2))
                for a, b in zip(*maps, strict=True)
            ]
        return torch.stack(layers).mean(dim=0)


def vgg_distance(source: StrPath | None = None) -> VggDistance:
    """`VggDistance` with VGG16's weights from `source`, as `load_backbone` takes it."""
    return VggDistance(load_backbone("vgg16", source))


def _reduced(image: Tensor) -> Tensor:
    """`image` (B, 3, H, W) with sides of at most 512 px, if they stay above 16 px."""
    height, width = image.shape[2:]
    longest, shortest = max(height, width), min(height, width)
    scale = max(VGG_MAX_SIDE / longest, VGG_MIN_SIDE / shortest)
    if scale >= 1:
        return image
    size = (round(height * scale), round(width * scale))
    return F.interpolate(image, size, mode="bilinear", antialias=True)
