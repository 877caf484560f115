"""The plan of a training before it starts: steps, operations, memory and time.

Taught in book/18_main_stage.md.
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch

from gin.data.sources import open_source
from gin.masks import KINDS
from gin.recipes import Phase, Recipe
from gin.training.cost import (
    STAGES,
    Cost,
    Step,
    random_batch,
    random_learner,
    step_cost,
    take_step,
)
from gin.training.hardware import Hardware, launch
from gin.training.learner import Learner
from gin.training.schedule import Clock, Timetable, check_order
from gin.utils.devices import choose_precision, tune
from gin.utils.files import StrPath

HEADER = (
    *("stage", "image size", "images a step", "steps", "images", "memory"),
    "GFLOP an image",
)
SECONDS = 1.0  # the longest step that is timed, if it ran at the measured peak
SMALLEST = 128  # image size in px; smaller steps reach a lower rate


class Segment(NamedTuple):
    """Consecutive steps of one stage and one phase of the schedule."""

    stage: str
    phase: Phase
    steps: int

    @property
    def step(self) -> Step:
        """Any one of the steps."""
        images = self.phase.batch_size * len(KINDS)
        return Step(self.stage, self.phase.image_size, images)


def plan(
    recipe: Recipe,
    data: StrPath,
    root: StrPath | None,
    hardware: Hardware,
    learner: type[Learner] = Learner,
) -> Iterator[str]:
    """The lines of `gin train --dry-run`; arguments as for `train`.

    Every step's operations and memory are counted on tensors without values. For the
    time, a matrix product and a step of each stage are measured. The processes of
    `hardware` are counted, not started. Raises InputError for a recipe, a source or
    hardware that the training refuses; photographs and weights are not read.
    """
    source, world_size = open_source(data, root), hardware.devices * hardware.nodes
    check_order(recipe, source)
    schedule = segments(Timetable(recipe, len(source)), world_size)
    # One eager process stands for all of them.
    fabric = launch(replace(hardware, devices=1, nodes=1))
    precision = choose_precision(fabric.device, hardware.precision)
    counted = random_learner(recipe, fabric, learner)
    yield from _settings(recipe, counted)
    yield f"data          {len(source):,} photographs in {data}"
    many = f"{world_size} processes, each on " if world_size > 1 else ""
    yield f"hardware      {many}{fabric.device.type}, {precision}"
    yield ""
    steps = dict.fromkeys(segment.step for segment in schedule)
    costs = {step: step_cost(counted, step) for step in steps}
    yield from _table(schedule, costs, counted.copies, world_size)
    yield ""
    yield from _time(counted, schedule, costs, matmul_rate(fabric.device, precision))
    peak = max(cost.memory for cost in costs.values())
    yield (
        f"memory        about {peak / 1e9:.1f} GB a process: the step's tensors, an "
        "estimate without the program and its kernels' work space"
    )


def segments(timetable: Timetable, world_size: int = 1) -> list[Segment]:
    """The whole schedule of `world_size` processes, in the timetable's order.

    A schedule can have millions of steps, so bisection finds the end of a segment: the
    timetable's stage and phase change with the clock and never change back.
    """
    clock, result = Clock(), list[Segment]()
    while not timetable.finished(clock):
        phase = timetable.phase(clock)
        after = timetable.after(clock, phase.batch_size * world_size)

        def later(steps: int, start: Clock = clock, after: Clock = after) -> Clock:
            return Clock(
                *(a + steps * (b - a) for a, b in zip(start, after, strict=True))
            )

        state, most = _state(timetable, clock), 1
        while _state(timetable, later(most)) == state:
            most *= 2
        steps = bisect_left(
            range(most), True, key=lambda n: _state(timetable, later(n)) != state
        )
        stage = "warm-up" if timetable.warming_up(clock) else "main"
        result.append(Segment(stage, phase, steps))
        clock = later(steps)
    return result


def _state(timetable: Timetable, clock: Clock) -> tuple[bool, bool, Phase]:
    finished, warming_up = timetable.finished(clock), timetable.warming_up(clock)
    return finished, warming_up, timetable.phase(clock)


def _settings(recipe: Recipe, learner: Learner) -> Iterator[str]:
    network, optimiser, schedule = recipe.network, recipe.optimiser, recipe.schedule
    pasted = "composite" if network.composite else "not composite"
    g, d = (
        sum(p.numel() for p in module.parameters())
        for module in (learner.net, learner.discriminators)
    )
    lengths = f"{schedule.warm_up:,} + {schedule.flat:,} + {schedule.decay:,}"
    width, unit, shape = network.base_channels, schedule.unit, schedule.shape
    yield f"network       {network.variant}, base width {width}, {pasted}"
    yield f"parameters    {g:,} in the generators, {d:,} in the discriminators"
    yield f"schedule      {lengths} {unit}: warm-up, flat, {shape} decay"
    yield (
        f"lr            {optimiser.warm_up_lr:g} in the warm-up, then "
        f"{optimiser.generator_lr:g} and {optimiser.discriminator_lr:g} "
        f"(discriminators); order: {optimiser.order}"
    )


def _table(
    schedule: Sequence[Segment], costs: Mapping[Step, Cost], copies: int, world: int
) -> Iterator[str]:
    rows: list[tuple[str, ...]] = [HEADER]
    for segment in schedule:
        step, cost = segment.step, costs[segment.step]
        images = copies * segment.phase.batch_size
        rows.append(
            (
                step.stage,
                f"{step.image_size} px",
                f"{images * world}",
                f"{segment.steps:,}",
                f"{segment.steps * images * world:,}",
                f"{cost.memory / 1e9:.2f} GB",
                f"{cost.operations / images / 1e9:.1f}",
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (text.rjust(width) for text, width in zip(row, widths, strict=True))
        yield "  ".join(cells)


def _time(
    learner: Learner,
    schedule: Sequence[Segment],
    costs: Mapping[Step, Cost],
    ceiling: float,
) -> Iterator[str]:
    """The lines about speed, and the time of the whole schedule."""
    yield f"ceiling       {_flop(ceiling)}/s, measured: matrix products"
    first = {s.stage: s.step for s in reversed(schedule)}
    rates = dict[str, float]()
    for stage in (stage for stage in STAGES if stage in first):
        step = smaller(first[stage], costs[first[stage]].operations, SECONDS * ceiling)
        if "warm-up" not in first:  # DeepFill's critics take images of one size
            step = step._replace(image_size=first[stage].image_size)
        cost = costs[step] if step in costs else step_cost(learner, step)
        rates[stage] = step_rate(learner, step, cost.operations)
        yield (
            f"reached       {rates[stage] / ceiling:.0%} of it by a {stage} step, "
            f"measured: images {step.images * learner.copies // len(KINDS)}, "
            f"{step.image_size} px"
        )
    seconds = sum(s.steps * costs[s.step].operations / rates[s.stage] for s in schedule)
    yield (
        f"time          about {_duration(seconds)}: every step at that rate, an "
        "estimate without loading, validation and exchange"
    )


def smaller(step: Step, operations: float, most: float) -> Step:
    """`step`, or one image of it, at a size with at most `most` operations.

    The size is halved while it stays at 128 px or more; `operations` are the step's.
    """
    if operations <= most:
        return step
    operations, size = operations / step.images, step.image_size
    while operations > most and size >= 2 * SMALLEST:
        operations, size = operations / 4, size // 32 * 16
    return Step(step.stage, size, 1)


def step_rate(learner: Learner, step: Step, operations: int) -> float:
    """Operations a second of real steps, for half a second or one of each kind.

    `operations` are those of a step.
    """
    device = learner.fabric.device
    image, mask = random_batch(step, device)

    def steps() -> None:
        for _ in range(learner.period):
            take_step(learner, step.stage, image, mask)

    steps()  # the first ones are slower
    return learner.period * operations / mean_seconds(steps, device)


def matmul_rate(device: torch.device, precision: str) -> float:
    """Operations a second in the fastest of many products of two large matrices."""
    tune(device)  # float32 products take TF32 on CUDA, as a step's convolutions do
    size = 8192 if device.type == "cuda" else 1024
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    a = torch.rand(size, size, device=device, dtype=dtype)
    best, until = float("inf"), time.perf_counter() + SECONDS / 2
    while time.perf_counter() < until:
        start = synchronised_time(device)
        a @ a
        best = min(best, synchronised_time(device) - start)
    return 2 * size**3 / best


def mean_seconds(call: Callable[[], object], device: torch.device) -> float:
    """The mean time of calls until half of `SECONDS` have passed, at least one."""
    start, calls = synchronised_time(device), 0
    while not calls or synchronised_time(device) - start < SECONDS / 2:
        call()
        calls += 1
    return (synchronised_time(device) - start) / calls


def synchronised_time(device: torch.device) -> float:
    """Seconds, after the device has finished its work."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
    return time.perf_counter()


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
