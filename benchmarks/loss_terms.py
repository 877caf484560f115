"""Each loss term on fixed tensors against an independent computation in float64.

The independent one is tests/helpers/loss_reference.py: plain loops over the equations.
The terms themselves run in float32, as in training; the last line says how far the
furthest is off.

    python benchmarks/loss_terms.py
"""

import argparse
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "helpers"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _table import machine, show
from loss_reference import example, measured, terms

from gin.recipes import PAPER_LOSSES, RELEASED_LOSSES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--side", type=int, default=64, help="of the images, in pixels")
    options = parser.parse_args()
    given = example(options.seed, options.side)
    rows, furthest = [], 0.0
    for name, recipe in (("paper", PAPER_LOSSES), ("released", RELEASED_LOSSES)):
        expected = terms(given, recipe)
        for term, scalar in measured(given, recipe, torch.float32).items():
            value = scalar.item()
            difference = abs(value - expected[term]) / abs(expected[term])
            furthest = max(furthest, difference)
            digits = (f"{value:.7g}", f"{expected[term]:.10g}", f"{difference:.1e}")
            rows.append([f"{term}, {name}", *digits])
    print(machine())
    print(f"{len(given.image)} images of {options.side} px, seed {options.seed}\n")
    show(["term", "float32", "independent, float64", "relative difference"], rows)
    print(f"\nlargest relative difference: {furthest:.1e}")


if __name__ == "__main__":
    main()
