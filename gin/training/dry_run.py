"""What a training will take, before it is begun: steps, operations, memory, time.

Taught in book/17_main_stage.md.
"""

import os
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import nn

from gin.data.sources import open_source
from gin.recipes import Phase, Recipe
from gin.training.cost import Cost, Parts, Rehearsal, Step, Tally
from gin.training.hardware import Hardware, launch
from gin.training.learner import Learner
from gin.training.schedule import Clock, Timetable
from gin.utils.devices import choose_precision, tune

HEADER = (
    *("stage", "side", "images a step", "steps", "images", "memory"),
    *("GFLOP an image", "generators", "discriminators", "features", "losses"),
)
SECONDS = 1.0  # about, for each measurement
SMALLEST = 128  # side in px; narrower steps are much slower than their operations


class Segment(NamedTuple):
    """Steps of one kind, in one stage and one phase of the schedule."""

    stage: str
    phase: Phase
    steps: int

    @property
    def step(self) -> Step:
        return Step(self.stage, self.phase.image_size, self.phase.batch_size)


def plan(
    recipe: Recipe,
    data: str | os.PathLike[str],
    root: str | os.PathLike[str] | None,
    hardware: Hardware,
    learner: type[Learner] = Learner,
) -> Iterator[str]:
    """The lines of `gin train --dry-run`; arguments as for `trainer.train`.

    Every step's operations and memory are counted on tensors without values. For the
    time, a matrix product and a small warm-up step are measured. Raises InputError
    where the training would.
    """
    source, world = open_source(data, root), hardware.devices * hardware.nodes
    found = segments(Timetable(recipe, len(source)), world)
    # One process, and not compiled, stands for all of them.
    fabric = launch(replace(hardware, devices=1, nodes=1))
    device = fabric.device
    precision = choose_precision(device, hardware.precision)
    rehearsal = Rehearsal(recipe, fabric, learner=learner)
    yield from _short(recipe, rehearsal)
    yield f"data          {len(source):,} photographs in {data}"
    many = f"{world} processes, each on " if world > 1 else ""
    yield f"hardware      {many}{device.type}, {precision}"
    yield ""

    costs = {step: rehearsal.count(step) for step in {s.step: None for s in found}}
    yield from _table(found, costs, rehearsal.learner.copies, world)
    yield ""
    roof = ceiling(device, precision)
    yield f"ceiling       {_flop(roof)}/s, measured: matrix products"
    pace = measure(rehearsal, found[0].step, costs[found[0].step], roof)
    yield (
        f"reached       {pace.networks / roof:.0%} of it by the networks, "
        f"{pace.features / roof:.0%} by VGG, and {pace.update:.2g} s for an update, "
        "measured: parts of small steps"
    )
    seconds = sum(s.steps * pace.seconds(costs[s.step]) for s in found)
    yield (
        f"time          about {_duration(seconds)}: every step at that pace, an "
        "estimate without loading, validation and exchange"
    )
    peak = max(cost.memory for cost in costs.values())
    yield (
        f"memory        about {peak / 1e9:.1f} GB a process: the step's tensors, an "
        "estimate without the program and its kernels' work space"
    )


def segments(timetable: Timetable, world: int = 1) -> list[Segment]:
    """The whole schedule for `world` processes, as the timetable will take it.

    There may be millions of steps, so each segment's end is found by bisection:
    what the timetable says of a clock changes, and never changes back.
    """
    clock, found = Clock(), []
    while not timetable.finished(clock):
        phase = timetable.phase(clock)
        after = timetable.after(clock, phase.batch_size * world)

        def later(steps: int, start: Clock = clock, after: Clock = after) -> Clock:
            return Clock(
                *(a + steps * (b - a) for a, b in zip(start, after, strict=True))
            )

        here, most = _kind(timetable, clock), 1
        while _kind(timetable, later(most)) == here:
            most *= 2
        steps = bisect_left(
            range(most), True, key=lambda n: _kind(timetable, later(n)) != here
        )
        stage = "warm-up" if timetable.warming_up(clock) else "main"
        found.append(Segment(stage, phase, steps))
        clock = later(steps)
    return found


def _kind(timetable: Timetable, clock: Clock) -> tuple[bool, bool, Phase]:
    return (
        timetable.finished(clock),
        timetable.warming_up(clock),
        timetable.phase(clock),
    )


def _short(recipe: Recipe, rehearsal: Rehearsal) -> Iterator[str]:
    network, optimiser, schedule = recipe.network, recipe.optimiser, recipe.schedule
    pasted = "composite" if network.composite else "not composite"
    net, judges = rehearsal.learner.net, rehearsal.learner.discriminators
    yield (
        f"network       {network.variant}, base width {network.base_channels}, {pasted}"
    )
    yield (
        f"parameters    {_parameters(net):,} in the generators, "
        f"{_parameters(judges):,} in the discriminators"
    )
    yield (
        f"schedule      {schedule.warm_up:,} + {schedule.flat:,} + {schedule.decay:,} "
        f"{schedule.unit}: warm-up, flat, {schedule.shape} decay"
    )
    yield (
        f"rates         {optimiser.warm_up_lr:g} in the warm-up, then "
        f"{optimiser.generator_lr:g} and {optimiser.discriminator_lr:g} "
        f"(discriminators); order: {optimiser.order}"
    )


def _table(
    found: Sequence[Segment], costs: Mapping[Step, Cost], copies: int, world: int
) -> Iterator[str]:
    """A row a segment, then totals; the last columns share out the operations."""
    rows: list[tuple[str, ...]] = [HEADER]
    for segment in found:
        step, cost = segment.step, costs[segment.step]
        images = copies * step.batch_size
        rows.append(
            (
                step.stage,
                f"{step.image_size} px",
                f"{images * world}",
                f"{segment.steps:,}",
                f"{segment.steps * images * world:,}",
                f"{cost.memory / 1e9:.2f} GB",
                *(
                    f"{count / images / 1e9:.1f}"
                    for count in (cost.operations, *map(cost.of, HEADER[7:]))
                ),
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (text.rjust(width) for text, width in zip(row, widths, strict=True))
        yield "  ".join(cells)


def _parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def _flop(count: float) -> str:
    for unit, size in (("EFLOP", 1e18), ("PFLOP", 1e15), ("TFLOP", 1e12)):
        if count >= size:
            return f"{count / size:,.3g} {unit}"
    return f"{count / 1e9:,.3g} GFLOP"


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:.0f} seconds"


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
