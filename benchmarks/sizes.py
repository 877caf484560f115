"""Seconds and peak memory of one completion, over the photograph's size.

Every size has a process of its own, so that its peak is its own. The memory of a
process that has loaded the weights and completed nothing is the first row.

    python benchmarks/sizes.py
"""

import argparse
import multiprocessing
import time
from pathlib import Path

import numpy as np
from _table import machine, peak_bytes, show
from PIL import Image

from gin import Inpainter, masks

ROOT = Path(__file__).resolve().parents[1]
PHOTOGRAPH = ROOT / "data" / "photos" / "monuments_tajmahal.jpg"


def measure(size: int, weights: str | None) -> tuple[float, float]:
    """Seconds of the second of two completions, and peak memory in GB."""
    inpaint = Inpainter.from_pretrained(weights)
    seconds = 0.0
    if size:
        photo = Image.open(PHOTOGRAPH).convert("RGB").resize((size, size))
        mask = masks.rectangular(size, size, np.random.default_rng(0))
        inpaint(photo, mask, region="whole")
        started = time.perf_counter()
        inpaint(photo, mask, region="whole")
        seconds = time.perf_counter() - started
    return seconds, peak_bytes() / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", help="default: the shipped ones")
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[0, 256, 512, 1024, 2048]
    )
    options = parser.parse_args()
    rows = []
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for size in options.sizes:
            seconds, peak = pool.apply(measure, (size, options.weights))
            name = f"{size} x {size}" if size else "weights alone"
            rows.append([name, f"{seconds:.2f}", f"{peak:.2f}"])
    print(machine(), "\n")
    show(["photograph", "s", "peak GB"], rows)


if __name__ == "__main__":
    main()
