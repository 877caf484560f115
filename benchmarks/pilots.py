"""Losses of the main stage, each trained for the same time on a CPU.

Every pilot goes on from the same weights after the warm-up stage, at their base width
and at 128 px, with other losses; then all of them complete the same photographs under
the same masks, as `gin evaluate` measures. A pilot whose weights exist is not trained
again. The table is written to OUT/pilots.csv, too.

    python benchmarks/pilots.py --data train/ --val val/ --minutes 10 --out runs/pilots

`--backbone` names AlexNet's and VGG's weights, if they are not to be downloaded.
"""

import argparse
import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
from _table import machine, show

from gin.cli.app import main as gin
from gin.masks import KINDS
from gin.recipes import PAPER
from gin.training.run_folder import WEIGHTS
from gin.weights.checkpoints import load, metadata

ROOT = Path(__file__).resolve().parents[1]
WARM_UP = ROOT / "data" / "weights" / "warm-up.safetensors"
# What the recipe gpu has otherwise, as in the paper.
VGG = {"backbone": str(PAPER.backbone)} | {
    f"losses.{name}": str(getattr(PAPER.losses, name))
    for name in (
        *("adversarial_weight", "perceptual_weight", "style_weight"),
        *("variation_weight", "l1", "compared"),
    )
}
COMPLETED = {**VGG, "losses.compared": "completed"}
SMALL = {**COMPLETED, "losses.feature_size": "null"}
PILOTS = {
    "paper": VGG,
    "completed": COMPLETED,  # phi of I_compltd alone
    "completed-128": SMALL,  # not resized to 224 px
    "three-layers": {**SMALL, "losses.layer_weights": "[1,1,1,0,0]"},
    "lpips": {},  # recipe gpu
    "lpips-adversarial": {"losses.adversarial_weight": "0.1"},  # ten times as much
}
METRICS = ("PSNR", "LPIPS", "VGG")
HEADER = ("losses", "minutes", "images", "masks", *METRICS)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="to train on")
    parser.add_argument("--val", required=True, help="to measure on")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--weights", type=Path, default=WARM_UP)
    parser.add_argument("--out", type=Path, default=Path("runs/pilots"))
    parser.add_argument("--backbone", type=Path, nargs=2, metavar=("ALEXNET", "VGG"))
    options = parser.parse_args()
    for name in PILOTS:
        train(name, options)
    evaluate(options)
    table = rows(options)
    with (options.out / "pilots.csv").open("w", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows([HEADER, *table])
    print(machine())
    show(list(HEADER), table)


def weights(name: str, options: argparse.Namespace) -> Path:
    return options.out / name / WEIGHTS


def train(name: str, options: argparse.Namespace) -> None:
    done = weights(name, options).with_name("done")
    if done.exists():
        return
    vgg = PILOTS[name].get("backbone") == "vgg19"
    backbone = [f"--backbone={options.backbone[vgg]}"] if options.backbone else []
    settings = {
        "network.base_channels": str(load(options.weights).base_channels),
        "network.initialisation": str(options.weights),
        "data.image_size": "128",
        "data.batch_size": "1",
        "optimiser.lr_warmup_steps": "20",
        "optimiser.ema_decay": "0.99",
        "schedule.warm_up": "0",
        "schedule.flat": "1000000",
        **PILOTS[name],
    }
    changes = [f"--set={path}={value}" for path, value in settings.items()]
    call(
        *("train", "--recipe", "gpu", *changes, "--data", options.data),
        *(
            "--out",
            str(options.out / name),
            f"--max-hours={options.minutes / 60}",
            *backbone,
        ),
        *("--device", "cpu", "--precision", "float32", "--no-compile"),
    )
    done.touch()


def evaluate(options: argparse.Namespace) -> None:
    named = {"before": options.weights}
    named |= {name: weights(name, options) for name in PILOTS}
    methods = [f"--weights={name}={path}" for name, path in named.items()]
    files = zip(("--backbone", "--vgg"), options.backbone or (), strict=False)
    networks = [f"{option}={file}" for option, file in files]
    resume = ["--resume"] if (options.out / "table").exists() else []
    out = options.out / "table.md"
    where = ["--data", options.val, "--out", str(out), "--device", "cpu", *resume]
    call("evaluate", *methods, *where, *networks, "--precision", "float32")


def rows(options: argparse.Namespace) -> list[list[str]]:
    """A row for each pilot and kind of mask, "before" among the pilots."""
    found: dict[tuple[str, str], list[list[float]]] = defaultdict(list)
    with (options.out / "table" / "records.csv").open(newline="") as stream:
        for row in csv.DictReader(stream):
            key = row["method"], row["masks"]
            found[key].append([float(row[metric]) for metric in METRICS])
    table = []
    for name in ("before", *PILOTS):
        steps = (
            0 if name == "before" else int(metadata(weights(name, options))["steps"])
        )
        minutes = "0" if name == "before" else f"{options.minutes:.0f}"
        for kind in KINDS:
            means = np.mean(found[name, kind], axis=0)
            cells = [f"{mean:.{d}f}" for mean, d in zip(means, (2, 4, 4), strict=True)]
            table.append([name, minutes, f"{steps * len(KINDS):,}", kind, *cells])
    return table


def call(*arguments: str) -> None:
    if code := gin([*arguments]):
        raise SystemExit(f"gin {' '.join(arguments)} ended with {code}")


if __name__ == "__main__":
    main()
