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
from support import figures, rivals
from support import large_photographs as lp

from gin.masks import KINDS

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
            for kind in KINDS:
                write(writer, name, kind, 512, ways(*lp.case(name, kind)))
            kind = KINDS[number % len(KINDS)]
            write(writer, name, kind, 256, means(*lp.case(name, kind, 256)))
            print(f"{number + 1}/{len(rivals.NAMES)} {name}", flush=True)


def write(
    writer: "csv._writer", name: str, kind: str, side: int, done: Iterator
) -> None:
    """The lines of one photograph under one mask."""
    for way, scores in done:
        writer.writerow([name, kind, side, way, *(f"{s:.4f}" for s in scores)])


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
    """The paper's way, as `gin.Inpainter` does it."""
    pixels = (255 * image[0]).round().byte().permute(1, 2, 0).numpy()
    return figures.as_tensor(rivals.deepgin(pixels, hole[0, 0].byte().numpy()))


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
