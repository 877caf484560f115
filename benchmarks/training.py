"""The training step: images/s, share of the ceiling, memory.

    python benchmarks/training.py
    python benchmarks/training.py --device cuda --photographs 4 8 16 32 --steps 20

Every setting runs in a process of its own, so that its peak memory is its own. The
step is the trainer's, on noise and with random VGG weights, which make no difference
to its speed. "contiguous" and "channels_last" are float32, "bf16" is channels_last
too, and "compile" adds torch.compile to the best of them. "counted" is the memory that
gin.training.cost counts for the eager step; the peak is measured.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _table import machine, peak_bytes, show

import gin.training.learner
from gin.cli.app import keep_freed_memory
from gin.masks import KINDS
from gin.recipes import RECIPES
from gin.training.cost import (
    STAGES,
    Step,
    random_batch,
    random_learner,
    step_cost,
    take_step,
)
from gin.training.dry_run import matmul_rate, synchronised_time
from gin.training.hardware import Hardware, launch
from gin.utils.devices import choose_device, choose_precision

SETTINGS = ("contiguous", "channels_last", "bf16", "compile")
HEADER = (
    *("setting", "images/s", "s an image", "GFLOP an image", "GFLOP/s", "ceiling"),
    *("share", "peak memory", "counted"),
)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipe", choices=RECIPES, default="paper")
    parser.add_argument("--stage", choices=STAGES, default="main")
    parser.add_argument("--base-channels", type=int, default=64)
    parser.add_argument("--side", type=int, default=256, help="of an image, in px")
    parser.add_argument("--photographs", type=int, nargs="+", default=[1])
    parser.add_argument("--settings", choices=SETTINGS, nargs="+", default=SETTINGS)
    parser.add_argument("--device", help="cpu or cuda; chosen by what is there")
    parser.add_argument("--steps", type=int, default=3, help="timed ones")
    parser.add_argument("--one", choices=SETTINGS, help=argparse.SUPPRESS)
    return parser.parse_args()


def main(chosen: argparse.Namespace) -> None:
    """Print the machine and a row for each setting and batch."""
    device = choose_device(chosen.device)
    rows = []
    for photographs in chosen.photographs:
        for setting in chosen.settings:
            name = f"{setting}, batch {photographs * len(KINDS)}"
            found = in_a_process(chosen, setting, photographs, device)
            if "reason" in found:
                rows.append([f"{name}: {found['reason']}", *[""] * (len(HEADER) - 1)])
                continue
            rows.append([name, *cells(found)])
    print(machine())
    if device.type == "cuda":
        print(torch.cuda.get_device_name(device))
    print(f"{chosen.recipe} recipe, {chosen.stage} step, base width ", end="")
    print(f"{chosen.base_channels}, {chosen.side} px; the best of {chosen.steps} steps")
    show(HEADER, rows)


def cells(found: dict[str, Any]) -> list[str]:
    """The numbers of a row."""
    images, seconds = found["images"], found["seconds"]
    speed = found["operations"] / seconds
    return [
        f"{images / seconds:.3g}",
        f"{seconds / images:.3g}",
        f"{found['operations'] / images / 1e9:,.0f}",
        f"{speed / 1e9:,.0f}",
        f"{found['ceiling'] / 1e9:,.0f}",
        f"{speed / found['ceiling']:.0%}",
        f"{found['peak'] / 1e9:.2f} GB",
        f"{found['counted'] / 1e9:.2f} GB",
    ]


def in_a_process(
    chosen: argparse.Namespace, setting: str, photographs: int, device: torch.device
) -> dict[str, Any]:
    """What `measure` finds there, or the reason why it finds nothing."""
    if setting == "bf16" and choose_precision(device) != "bf16":
        return {"reason": "left out, the hardware has no bf16"}
    command = [
        *(sys.executable, __file__, "--one", setting, "--device", str(device)),
        *("--recipe", chosen.recipe, "--stage", chosen.stage),
        *("--base-channels", str(chosen.base_channels), "--side", str(chosen.side)),
        *("--photographs", str(photographs), "--steps", str(chosen.steps)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if "Error" in line]
        reason = said[-1].strip()[:120] if said else f"exit code {done.returncode}"
        return {"reason": f"failed, {reason}"}
    return json.loads(done.stdout.splitlines()[-1])


def measure(chosen: argparse.Namespace) -> dict[str, Any]:
    """One setting, in this process: seconds of a step and peak memory."""
    keep_freed_memory()  # as `gin train` does
    device = choose_device(chosen.device)
    plain = chosen.one in ("contiguous", "channels_last")
    precision = "float32" if plain else choose_precision(device)
    recipe, compiled = RECIPES[chosen.recipe], chosen.one == "compile"
    network = replace(recipe.network, base_channels=chosen.base_channels)
    recipe = replace(recipe, network=network)
    step = Step(chosen.stage, chosen.side, chosen.photographs[0] * len(KINDS))
    fabric = launch(Hardware(device.type, precision=precision))
    found: dict[str, Any] = {"images": step.images}
    found["ceiling"] = matmul_rate(device, precision)

    before = peak(device)
    learner = random_learner(recipe, fabric, compiled=compiled)
    if chosen.one == "contiguous":
        undo_channels_last(learner)
    image, mask = random_batch(step, device)

    def take() -> None:
        take_step(learner, step.stage, image, mask)

    for _ in range(1 if device.type == "cpu" else 3):
        take()
    found["seconds"] = min(seconds(take, device) for _ in range(chosen.steps))
    found["peak"] = peak(device) - before
    if compiled:
        learner = random_learner(recipe, fabric)  # which can be counted
    cost = step_cost(learner, step)
    return {**found, "operations": cost.operations, "counted": cost.memory}


def undo_channels_last(learner: gin.training.learner.Learner) -> None:
    """The trainer always has it: only here, for comparison, it is taken back."""
    gin.training.learner._channels_last = lambda image: image
    for module in (learner.net, learner.discriminators):
        module.to(memory_format=torch.contiguous_format)


def seconds(call: Callable[[], None], device: torch.device) -> float:
    start = synchronised_time(device)
    call()
    return synchronised_time(device) - start


def peak(device: torch.device) -> int:
    """The most memory so far, in bytes: the tensors' on a GPU, else the process's."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return peak_bytes()


if __name__ == "__main__":
    arguments = options()
    if arguments.one:
        print(json.dumps(measure(arguments)))
    else:
        main(arguments)
