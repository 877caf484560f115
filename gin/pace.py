"""How fast this machine is at the parts of a training step, measured in seconds."""

import time
from collections.abc import Callable
from typing import NamedTuple

import torch

from gin.devices import tune
from gin.rehearsal import Cost, Parts, Rehearsal, Step, Tally

SECONDS = 1.0  # about, for each measurement
SMALLEST = 128  # side in px; narrower steps are much slower than their operations


class Pace(NamedTuple):
    """Measured: operations a second of the networks and of phi, seconds of an update.

    phi's stands for the losses too: most of what they take is Gram matrices.
    """

    networks: float
    features: float
    update: float

    def seconds(self, cost: Cost) -> float:
        """The time of a step."""
        comparing = cost.of("features") + cost.of("losses")
        learning = cost.operations - comparing
        return learning / self.networks + comparing / self.features + self.update


def ceiling(device: torch.device, precision: str) -> float:
    """Operations a second in the best of many products of two large matrices."""
    tune(device)  # so that float32 is what it is in a step's convolutions
    side = 8192 if device.type == "cuda" else 1024
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    a = torch.rand(side, side, device=device, dtype=dtype)
    best, until = float("inf"), time.perf_counter() + SECONDS / 2
    while time.perf_counter() < until:
        start = now(device)
        a @ a
        best = min(best, now(device) - start)
    return 2 * side**3 / best


def measure(rehearsal: Rehearsal, step: Step, cost: Cost, roof: float) -> Pace:
    """Times real warm-up steps and passes of phi, each for about a second.

    Steps of as many images as `step`, which costs `cost`; or if that would take more
    than a second at the ceiling `roof`, of one image, its side halved until it fits.
    """
    device = rehearsal.fabric.device
    image, mask = rehearsal.inputs(step)
    each, most = cost.of("generators") / len(image), SECONDS * roof
    if each * len(image) > most:
        image, mask = image[:1], mask[:1]
    while (
        rehearsal.timed == "warm-up"
        and each * len(image) > most
        and image.shape[-1] >= 2 * SMALLEST
    ):
        side = image.shape[-1] // 32 * 16
        image, mask, each = image[..., :side, :side], mask[..., :side, :side], each / 4

    with Tally() as tally:  # and the first step is slower
        rehearsal.take(rehearsal.timed, image, mask)
    with Parts(rehearsal, lambda: now(device)) as parts:
        taken = _repeat(
            lambda: rehearsal.take(rehearsal.timed, image, mask), device
        ).taken
    update = parts.counted.pop("optimiser") / taken
    networks = taken * tally.operations / sum(parts.counted.values())
    if rehearsal.features is None:
        return Pace(networks, networks, update)
    with torch.no_grad(), rehearsal.fabric.autocast():
        with Tally() as tally:
            rehearsal.look(image)
        timed = _repeat(lambda: rehearsal.look(image), device)
    return Pace(networks, timed.taken * tally.operations / timed.seconds, update)


class Timed(NamedTuple):
    taken: int
    seconds: float


def _repeat(call: Callable[[], object], device: torch.device) -> Timed:
    """Calls until half of `SECONDS` have passed, at least once."""
    start, taken = now(device), 0
    while not taken or now(device) - start < SECONDS / 2:
        call()
        taken += 1
    return Timed(taken, now(device) - start)


def now(device: torch.device) -> float:
    """Seconds, once the device has done all it was given."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
    return time.perf_counter()
