"""Kill a training at random moments, resume it each time, and compare the weights.

A tiny SMOKE run is killed (SIGKILL), resumed, killed again; whenever it reaches its end
the weights must be those of an undisturbed run, bit for bit, and another run begins.
After every kill each checkpoint and each file of weights must be readable.

    python benchmarks/kill.py --kills 20
"""

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import torch
from _table import machine, show

from gin.cli.app import main
from gin.utils.files import PARTIAL

PHOTOGRAPHS = Path(__file__).parents[1] / "data" / "photos"
SETTINGS = {
    "network.base_channels": 2,
    "data.image_size": 16,
    "schedule.warm_up": 6,
    "schedule.decay": 6,
    "schedule.save_steps": 2,
}


def command(data: Path, run: Path) -> list[str]:
    """`gin train`, from the start or from where a killed one came to."""
    begin = ["--recipe", "smoke", *(f"--set={k}={v}" for k, v in SETTINGS.items())]
    return [
        *("train", "--data", str(data), "--out", str(run), "--device", "cpu"),
        *("--precision", "float32"),
        *(["--resume"] if (run / "recipe.yaml").exists() else begin),
    ]


def live(arguments: list[str], seconds: float | None) -> bool:
    """Run the program, for so long at most; whether it came to its end."""
    # A server that has imported everything forks the processes: no time is lost.
    process = multiprocessing.get_context("forkserver").Process(
        target=_program, args=(arguments,)
    )
    process.start()
    process.join(seconds)
    if process.is_alive():
        process.kill()
        process.join()
        return False
    if process.exitcode != 0:
        sys.exit(f"gin {' '.join(arguments)} ended with {process.exitcode}")
    return True


def _program(arguments: list[str]) -> None:
    torch.set_num_threads(1)
    # Its workers are not the server's business: they end when the program does.
    multiprocessing.set_start_method("fork", force=True)
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        sys.exit(main(arguments))


def weights(run: Path) -> dict[str, torch.Tensor]:
    """Both networks and the average, from the last checkpoint."""
    learner = read_all(run)[-1]["learner"]
    return {
        f"{part} {name}": tensor
        for part in ("net", "discriminators", "average")
        for name, tensor in learner[part].items()
    }


def read_all(run: Path) -> list[dict]:
    """Every checkpoint that is there. Whatever cannot be read raises."""
    from gin import load

    for path in run.glob("*.safetensors"):
        load(path)
    paths = sorted((run / "checkpoints").glob("step-*.pt"))
    return [torch.load(path, weights_only=True) for path in paths]


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Bit for bit."""
    return one.keys() == other.keys() and all(
        torch.equal(one[name], other[name]) for name in one
    )


def kill_and_resume(
    data: Path, folder: Path, kills: int, rng: np.random.Generator
) -> tuple[Counter[str], float]:
    """What was counted, and the seconds that the undisturbed run took."""
    whole, counted, seen = folder / "undisturbed", Counter[str](), set[Path]()
    live(["info"], None)  # the server starts and imports, which takes long
    started = time.perf_counter()
    live(command(data, whole), None)
    seconds = time.perf_counter() - started
    expected = weights(whole)
    while True:
        run = folder / f"killed-{counted['runs']}"
        enough = counted["kills"] >= kills
        if live(command(data, run), None if enough else rng.uniform(0, seconds / 2)):
            counted["runs"] += 1
            counted["bit for bit"] += equal(weights(run), expected)
            if enough:
                return counted, seconds
        else:
            counted["kills"] += 1
            counted["checkpoints read"] += len(read_all(run))
            half_written = set(run.rglob(f"*{PARTIAL}"))
            counted["while writing"] += bool(half_written - seen)
            seen |= half_written


def benchmark() -> int:
    """Print the table; 1 if a run ended with other weights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, default=PHOTOGRAPHS)
    options = parser.parse_args()
    multiprocessing.get_context("forkserver").set_forkserver_preload(
        ["gin.training.trainer"]
    )
    with tempfile.TemporaryDirectory() as folder:
        counted, seconds = kill_and_resume(
            options.data,
            Path(folder),
            options.kills,
            np.random.default_rng(options.seed),
        )
    print(machine())
    columns = ["kills", "while writing", "checkpoints read", "runs", "bit for bit"]
    row = [str(counted[column]) for column in columns]
    show([*columns, "undisturbed (s)"], [[*row, f"{seconds:.1f}"]])
    return int(counted["bit for bit"] != counted["runs"])


if __name__ == "__main__":
    sys.exit(benchmark())
