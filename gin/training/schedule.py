"""The stage, the phase and the learning rates of every step.

All of them are functions of the recipe and the clock, so a resumed training continues
as if it had not stopped. Paper, section 5.1. Taught in book/17_warm_up.md.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

from gin.data.loader import Key
from gin.data.shards import Shards
from gin.data.sources import Source
from gin.errors import InputError
from gin.recipes import Phase, Recipe, check_recipe


class Clock(NamedTuple):
    """Steps taken in each stage, and photographs used by all processes together."""

    warm_up_steps: int = 0
    main_steps: int = 0
    photographs: int = 0

    @property
    def steps(self) -> int:
        """Steps taken in both stages."""
        return self.warm_up_steps + self.main_steps


def check_order(recipe: Recipe, source: Source | Shards) -> None:
    """Raise InputError for phases with shards, which are read in sequence."""
    if recipe.phases and isinstance(source, Shards):
        raise InputError(
            "shards are read in sequence; expected a recipe without phases, or files"
        )


class Timetable:
    """The schedule of a recipe, for `count` photographs.

    Raises InputError for a schedule or phases that cannot be used.
    """

    def __init__(self, recipe: Recipe, count: int) -> None:
        check_recipe(recipe)
        self.recipe, self.count = recipe, count
        schedule = recipe.schedule
        self.length = schedule.warm_up + schedule.flat + schedule.decay

    def position(self, clock: Clock) -> float:
        """Time passed, in the schedule's unit."""
        if self.recipe.schedule.unit == "steps":
            return clock.steps
        return clock.photographs / self.count

    def progress(self, clock: Clock) -> float:
        """The fraction of the schedule that is done, 0 to 1."""
        return min(1.0, self.position(clock) / self.length)

    def finished(self, clock: Clock) -> bool:
        """Whether the schedule has ended."""
        return self.position(clock) >= self.length

    def warming_up(self, clock: Clock) -> bool:
        """Whether the coming step belongs to the warm-up stage."""
        return self.position(clock) < self.recipe.schedule.warm_up

    def factor(self, clock: Clock) -> float:
        """The factor of the coming step's learning rates, 0 to 1."""
        schedule, ramp = self.recipe.schedule, self.recipe.optimiser.lr_warmup_steps
        warming_up = self.warming_up(clock)
        taken = clock.warm_up_steps if warming_up else clock.main_steps
        climb = min(1.0, (taken + 1) / ramp) if ramp else 1.0
        if warming_up:
            return climb
        late = self.position(clock) - schedule.warm_up - schedule.flat
        fallen = max(0.0, late) / schedule.decay if schedule.decay else 0.0
        if schedule.shape == "cosine":
            return climb * (1 + math.cos(math.pi * fallen)) / 2
        return climb * (1 - fallen)

    def phase(self, clock: Clock) -> Phase:
        """The phase of the coming batch: its size, and that of its images."""
        done, data = self.progress(clock), self.recipe.data
        begun = [phase for phase in self.recipe.phases if phase.start <= done]
        return begun[-1] if begun else Phase(0.0, data.image_size, data.batch_size)

    def after(self, clock: Clock, photographs: int) -> Clock:
        """The clock after the coming step, with `photographs` in all processes."""
        total = clock.photographs + photographs
        if self.warming_up(clock):
            return Clock(clock.warm_up_steps + 1, clock.main_steps, total)
        return Clock(clock.warm_up_steps, clock.main_steps + 1, total)

    def keys(self, clock: Clock, rank: int = 0, world: int = 1) -> Iterator[Key]:
        """The keys of one process's batches from `clock` to the end of the training."""
        while not self.finished(clock):
            phase = self.phase(clock)
            count = phase.batch_size
            first = clock.photographs + rank * count
            yield Key(first, count, phase.image_size, phase.recolour_probability)
            clock = self.after(clock, count * world)
