"""The ways of chapter 22 to complete a photograph, on all that are shipped.

    python benchmarks/ways.py --out data/results/ways.csv

A line for each photograph, kind of mask and way: PSNR (dB) and the mean error in the
hole (%). At 512 px: phases, one piece, resized, tiles, and phases with the released
script's blur. At 256 px, where a photograph has one kind of mask: the mean of one to
five orientations, the first and the last also with the blur. The networks are the
shipped weights.
"""

import argparse
import csv
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "book"))

from _table import machine
from support import large_photographs as lp
from support import rivals

from gin.masks import KINDS
from gin.subsampling import merge, split

HEADER = ("photograph", "kind", "side", "way", "psnr", "l1_hole")


def main() -> None:
    """Write the table; a line on the screen for each photograph."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="a .csv file")
    out = parser.parse_args().out
    print(machine())
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        for number, name in enumerate(rivals.NAMES):
            writer.writerows(lines(name, KINDS[number % len(KINDS)]))
            print(f"{number + 1}/{len(rivals.NAMES)} {name}", flush=True)


def lines(name: str, kind_at_256: str) -> Iterator[list[object]]:
    """The lines of one photograph."""
    cases = [(kind, 512, ways) for kind in KINDS]
    for kind, side, complete in (*cases, (kind_at_256, 256, means)):
        for way, scores in complete(*lp.case(name, kind, side)):
            yield [name, kind, side, way, *(f"{score:.4f}" for score in scores)]


def ways(image: Tensor, hole: Tensor) -> Iterator[tuple[str, tuple[float, float]]]:
    """Way -> PSNR and error at 512 px."""
    phased = phases(image, hole)
    done = {
        "phases": phased,
        "one piece": lp.network(image, hole),
        "resized": lp.resized(image, hole),
        "tiles": lp.tiled(image, hole),
        "phases, blurred": lp.halved(phased, image, hole),
    }
    for way, completed in done.items():
        yield way, lp.scores(completed, image, hole)


def phases(image: Tensor, hole: Tensor) -> Tensor:
    """The paper's way: each phase of sub-sampling by 2 alone."""
    done = lp.network(split(image.masked_fill(hole > 0, 1), 2), split(hole, 2))
    return torch.where(hole > 0, merge(done, 2), image)


def means(image: Tensor, hole: Tensor) -> Iterator[tuple[str, tuple[float, float]]]:
    """Mean of views -> PSNR and error at 256 px."""
    views = lp.views(image, hole)
    for count in range(1, len(views) + 1):
        mean = views[:count].mean(0, keepdim=True)
        yield f"mean of {count}", lp.scores(mean, image, hole)
        if count in (1, len(views)):
            soft = lp.halved(mean, image, hole)
            yield f"mean of {count}, blurred", lp.scores(soft, image, hole)


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
