"""PSNR, SSIM, the four L1s, FID and KID computed another way, in float64."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from skimage.metrics import peak_signal_noise_ratio
from skimage.util import compare_images, img_as_float64
from torch import Tensor

Picture = np.ndarray  # (H, W, 3) uint8


def pairs(count: int, seed: int = 0) -> Iterator[tuple[Picture, Picture, np.ndarray]]:
    """Completion, photograph and mask (H, W) of {0, 1}, of many kinds and sizes.

    Photographs of noise, slopes and flat colours, dark ones among them; completions
    from one level away to unrelated. Equal outside the hole, different inside.
    """
    rng = np.random.default_rng(seed)
    for i in range(count):
        h, w = rng.integers(16, 48, 2)
        slope = np.linspace(0, 1, w)[None, :, None] * rng.random(3)
        texture = (0.0, 0.02, 0.3)[i % 3] * rng.standard_normal((h, w, 3))
        image = np.uint8(255 * np.clip(rng.random(3) * 0.9 + slope + texture, 0, 1))
        mask = np.zeros((h, w), np.uint8)
        top, left = rng.integers(0, 8, 2)
        mask[top : top + h // 2, left : left + w // 2] = 1
        change = rng.integers(-255, 256, image.shape) // (1, 4, 32, 255)[i % 4]
        changed = np.clip(image.astype(int) + change, 0, 255)
        # At least a level, or an unlucky pair would be identical.
        changed[top, left] = 255 - image[top, left]
        yield np.where(mask[..., None], np.uint8(changed), image), image, mask


def reference(completed: Picture, image: Picture, mask: np.ndarray) -> dict[str, float]:
    """The values of a pair that is 8 bits deep and composited already."""
    a, b = img_as_float64(completed), img_as_float64(image)
    difference = compare_images(b, a, method="diff")
    return {
        "PSNR": peak_signal_noise_ratio(b, a, data_range=1.0),
        "SSIM": float(np.mean([_ssim(a[..., c], b[..., c]) for c in range(3)])),
        "L1 image": 100 * difference.mean(),
        "L1 hole": 100 * difference[mask == 1].mean(),
        "L1 relative": 100 * difference.sum() / b.sum(),
        "L1 edge-connect": difference.sum() / (a + b).sum(),
    }


def _ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Wang et al. (2004), Eqs. 13-16, window by window; a, b (H, W) in [0, 1]."""
    distance = np.arange(-5, 6)
    window = np.exp(-(distance[:, None] ** 2 + distance**2) / (2 * 1.5**2))
    window /= window.sum()
    a, b = (sliding_window_view(x, (11, 11)) for x in (a, b))
    mean_a, mean_b = ((window * x).sum(axis=(-2, -1), keepdims=True) for x in (a, b))
    variance = (window * ((a - mean_a) ** 2 + (b - mean_b) ** 2)).sum(axis=(-2, -1))
    covariance = (window * (a - mean_a) * (b - mean_b)).sum(axis=(-2, -1))
    mean_a, mean_b = mean_a[..., 0, 0], mean_b[..., 0, 0]
    luminance = (2 * mean_a * mean_b + 0.01**2) / (mean_a**2 + mean_b**2 + 0.01**2)
    return float((luminance * (2 * covariance + 0.03**2) / (variance + 0.03**2)).mean())


def features(count: int, dimensions: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Two correlated sets of unequal means and covariances."""
    rng = np.random.default_rng(seed)
    mix = rng.normal(size=(dimensions, dimensions)) / math.sqrt(dimensions)
    x = rng.normal(size=(count, dimensions)) @ mix
    y = 0.7 * x + 0.5 * rng.normal(size=x.shape) + 0.3
    return torch.from_numpy(y), torch.from_numpy(x)


def by_eigenvalues(x: np.ndarray, y: np.ndarray) -> float:
    """FID (Heusel et al., 2017), the root through symmetric matrices."""
    sigma_x, sigma_y = np.cov(x.T), np.cov(y.T)
    values, vectors = np.linalg.eigh(sigma_x)
    half = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    roots = np.sqrt(np.linalg.eigvalsh(half @ sigma_y @ half).clip(0))
    distance = np.square(x.mean(axis=0) - y.mean(axis=0)).sum()
    return distance + np.trace(sigma_x) + np.trace(sigma_y) - 2 * roots.sum()


def by_loops(x: np.ndarray, y: np.ndarray) -> float:
    """KID (Bińkowski et al., 2018), pair by pair."""

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return (float(a @ b) / len(a) + 1) ** 3

    n = len(x)
    within = sum(
        kernel(z[i], z[j]) for z in (x, y) for i in range(n) for j in range(n) if i != j
    )
    across = sum(kernel(a, b) for a in x for b in y)
    return within / (n * (n - 1)) - 2 * across / n**2
