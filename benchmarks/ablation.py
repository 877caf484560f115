"""Table 1 at a size for one CPU core: seven variants, several seeds, one recipe.

Every network of Table 1 is trained with ablation.yaml beside this file, once for each
seed, and then all of them complete the same photographs under the same masks. What
was interrupted goes on where it was when the program is started again. Each network's
scores of each photograph, means over the three kinds of masks, go to OUT/ablation.csv;
data/results holds such a file.

    python benchmarks/ablation.py --data train/ --val val/ --out runs/ablation
"""

import argparse
import csv
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "book"))

from _table import machine, show
from support import ablation
from support.claims import read_claims

from gin.cli.app import main as gin
from gin.generator import VARIANTS
from gin.utils.files import atomic

RECIPE = Path(__file__).with_suffix(".yaml")


def short(variant: str) -> str:
    """A variant's name in a file's: "StdResBlk (Coarse only)" -> "StdResBlk-Coarse"."""
    return variant.replace(" (Coarse only)", "-Coarse")


def runs(folder: Path, seeds: int) -> Iterator[tuple[str, int, Path]]:
    """(variant, seed, folder of the run): all variants of a seed, then the next."""
    for seed in range(seeds):
        for variant in VARIANTS:
            yield variant, seed, folder / f"{short(variant)}_{seed}"


def train(variant: str, seed: int, run: Path, data: str) -> None:
    if (run / "recipe.yaml").exists():
        begin = ["--resume"]
    else:
        begin = ["--recipe", str(RECIPE), "--set", f"network.variant={variant}"]
    where = ["--data", data, "--out", str(run), "--seed", str(seed)]
    settings = ["--device", "cpu", "--precision", "float32", "--workers", "0"]
    call("train", *begin, *where, *settings)


def evaluate(folder: Path, seeds: int, data: str) -> None:
    out = folder / "table.md"
    weights = [
        f"--weights={run.name}={run / 'weights.safetensors'}"
        for _, _, run in runs(folder, seeds)
    ]
    resume = ["--resume"] if out.with_suffix("").exists() else []
    call("evaluate", *weights, "--data", data, "--out", str(out), *resume)


def record(folder: Path, seeds: int) -> Path:
    """Write ablation.csv, which `support.ablation.read_scores` reads."""
    names = {run.name: (variant, seed) for variant, seed, run in runs(folder, seeds)}
    found: dict[tuple[str, int, str], list[list[float]]] = defaultdict(list)
    with (folder / "table" / "records.csv").open(newline="") as stream:
        for row in csv.DictReader(stream):
            key = (*names[row["method"]], row["photograph"])
            found[key].append([float(row[metric]) for metric in ablation.SHOWN])
    rows = [(*key, *np.mean(kinds, axis=0).round(5)) for key, kinds in found.items()]
    path = folder / "ablation.csv"
    with atomic(path) as temporary, temporary.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerows([(*ablation.KEYS, *ablation.SHOWN), *rows])
    return path


def call(*arguments: str) -> None:
    if code := gin([*arguments]):
        sys.exit(f"gin {' '.join(arguments)} ended with {code}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="data/photos", help="to train on")
    parser.add_argument("--val", default="data/photos", help="to measure on")
    parser.add_argument("--out", type=Path, default=Path("runs/ablation"))
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    for variant, seed, run in runs(options.out, options.seeds):
        train(variant, seed, run, options.data)
    evaluate(options.out, options.seeds, options.val)
    path = record(options.out, options.seeds)
    paper = [c.paper["PSNR"] for c in read_claims() if c.group == "Table 1"]
    print(machine())
    for table in (ablation.variants, ablation.recorded_steps, ablation.order):
        show(*table(path, paper))


if __name__ == "__main__":
    main()
