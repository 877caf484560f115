"""Masks per second on one core, and the mean area that is missing.

python benchmarks/masks.py
"""

import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _table import machine, show

from gin import masks

CASES = [
    ("rectangular", "paper", 256, 20_000),
    ("free_form", "paper", 256, 2_000),
    ("free_form", "released", 256, 2_000),
    ("free_form", "released", 512, 500),
    ("free_form", "released", 1024, 200),
    ("cellular_automata", "paper", 256, 2_000),
]


def measure(kind: str, reading: str, size: int, count: int) -> list[str]:
    """One row of the table. The time is that of the generator alone."""
    rng = np.random.default_rng(0)
    seconds, missing = 0.0, 0.0
    for _ in range(count):
        start = time.perf_counter()
        mask = masks.make(kind, size, size, rng, reading)
        seconds += time.perf_counter() - start
        missing += masks.area(mask)
    name = f"{kind}, {reading}" if kind == "free_form" else kind
    return [name, f"{size}", f"{count / seconds:,.0f}", f"{100 * missing / count:.1f}"]


if __name__ == "__main__":
    print(machine())
    show(
        ["kind", "size (px)", "masks/s on one core", "mean area (%)"],
        [measure(*case) for case in CASES],
    )
