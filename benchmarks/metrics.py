"""The metrics against computations of their own, and how often an interval is right.

PSNR, SSIM and the L1s on random pairs of pictures against
tests/helpers/metric_reference.py (scikit-image, and SSIM window by window), SSIM
against torchmetrics too. FID and KID on random features.
Then the share of samples whose 95 % interval holds the true mean.

    python benchmarks/metrics.py
"""

import argparse
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "helpers"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _table import machine, show
from metric_reference import by_eigenvalues, by_loops, features, pairs, reference
from torchmetrics.functional.image import structural_similarity_index_measure
from tqdm import tqdm

from gin.evaluation.bootstrap import bootstrap
from gin.evaluation.fid_kid import fid, kid
from gin.evaluation.metrics import METRICS, measure, ssim

SETS = [(30, 2048), (60, 100), (300, 100)]  # features: images, dimensions
SAMPLES = 2000


def differences(count: int, seed: int) -> list[list[str]]:
    """The largest one of each metric, over `count` pairs of pictures."""
    found = defaultdict[str, list[float]](list)
    for completed, image, mask in tqdm(pairs(count, seed), total=count):
        a, b = (torch.from_numpy(x).permute(2, 0, 1)[None] for x in (completed, image))
        values = measure(a, b, torch.from_numpy(mask)[None, None])
        for name, value in reference(completed, image, mask).items():
            found[name].append(abs(values[name].item() - value))
        a, b = a.double() / 255, b.double() / 255
        _, similarity = structural_similarity_index_measure(
            a, b, data_range=1.0, return_full_image=True
        )
        inside = similarity[..., 5:-5, 5:-5].mean()
        found["SSIM, torchmetrics"].append(abs(ssim(a, b).item() - inside.item()))
    return [
        [name, METRICS[name.split(",")[0]].unit, f"{max(values):.1e}"]
        for name, values in found.items()
    ]


def set_differences(seed: int) -> list[list[str]]:
    """Relative differences of FID and KID, on random features."""
    rows = []
    for count, dimensions in SETS:
        x, y = features(count, dimensions, seed)
        for name, ours, theirs in (
            ("FID", fid, by_eigenvalues),
            ("KID", kid, by_loops),
        ):
            expected = theirs(x.numpy(), y.numpy())
            difference = abs(ours(x, y) / expected - 1)
            row = [f"{name}, {count} images, {dimensions} features"]
            rows.append([*row, f"{expected:.6g}", f"{difference:.1e}"])
    return rows


def coverage(size: int, skewed: bool, seed: int) -> str:
    """The share of samples, in %, whose interval holds the mean they come from."""
    rng = np.random.default_rng(seed)
    samples = rng.normal(size=(SAMPLES, size))
    mean = np.exp(0.5) if skewed else 0.0
    samples = np.exp(samples) if skewed else samples
    intervals = np.array([bootstrap(x, i) for i, x in enumerate(tqdm(samples))])
    held = (intervals[:, 0] <= mean) & (mean <= intervals[:, 1])
    return f"{100 * held.mean():.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(machine())
    print(
        f"\n{options.pairs} random pairs of 16 to 47 px a side, seed {options.seed}\n"
    )
    header = ["metric", "unit", "largest difference"]
    show(header, differences(options.pairs, options.seed))
    print()
    show(["random features", "value", "relative difference"], set_differences(0))
    print(f"\n95 % intervals that hold the mean, of {SAMPLES} samples\n")
    rows = [
        [str(size), *(coverage(size, skewed, options.seed) for skewed in (False, True))]
        for size in (10, 40, 160)
    ]
    show(["images", "normal (%)", "log-normal (%)"], rows)


if __name__ == "__main__":
    main()
