"""Stages, rates and batches as a function of the clock alone."""

import math
from dataclasses import replace

import pytest

from gin.data.loader import Key
from gin.errors import InputError
from gin.recipes import PAPER, RELEASED, Phase, Recipe, Schedule
from gin.training.schedule import Clock, Timetable

PHOTOGRAPHS = 300


def at_epoch(epoch: float, count: int = PHOTOGRAPHS) -> Clock:
    return Clock(photographs=round(epoch * count))


def in_steps(
    warm_up: int = 0,
    flat: int = 0,
    decay: int = 0,
    *,
    shape: str = "linear",
    ramp: int = 0,
    phases: tuple[Phase, ...] = (),
) -> Recipe:
    return replace(
        PAPER,
        schedule=Schedule("steps", warm_up, flat, decay, shape),
        optimiser=replace(PAPER.optimiser, lr_warmup_steps=ramp),
        phases=phases,
    )


@pytest.mark.parametrize(
    ("epoch", "warming_up", "factor"),
    [
        (0, True, 1),
        (9.99, True, 1),
        (10, False, 1),
        (19.99, False, 1),
        (20, False, 1),
        (65, False, 0.5),
        (110 - 0.9, False, 0.01),
    ],
)
def test_the_papers_rates(epoch: float, warming_up: bool, factor: float) -> None:
    """Section 5.1: 10 epochs of warm-up, 10 with the rate kept, 90 to zero."""
    timetable = Timetable(PAPER, PHOTOGRAPHS)
    clock = at_epoch(epoch)
    assert timetable.warming_up(clock) is warming_up
    assert timetable.factor(clock) == pytest.approx(factor)
    assert not timetable.finished(clock)
    assert timetable.progress(clock) == pytest.approx(epoch / 110)


def test_the_paper_ends_after_110_epochs() -> None:
    timetable = Timetable(PAPER, PHOTOGRAPHS)
    assert timetable.finished(at_epoch(110))
    assert not timetable.finished(Clock(photographs=110 * PHOTOGRAPHS - 1))
    assert timetable.progress(at_epoch(111)) == 1


def test_the_released_rates() -> None:
    timetable = Timetable(RELEASED, PHOTOGRAPHS)
    found = [timetable.factor(at_epoch(epoch)) for epoch in (20.99, 21, 65.5, 109.1)]
    assert found == pytest.approx([1, 1, 0.5, 0.9 / 89])


def test_the_rate_climbs_at_the_start_of_each_stage() -> None:
    timetable = Timetable(in_steps(warm_up=6, flat=6, ramp=4), 1)
    warm_up = [timetable.factor(Clock(n, 0, n)) for n in range(6)]
    main = [timetable.factor(Clock(6, n, 6 + n)) for n in range(6)]
    assert warm_up == main == [0.25, 0.5, 0.75, 1, 1, 1]


def test_a_cosine_falls_to_zero() -> None:
    timetable = Timetable(in_steps(warm_up=1, decay=6, shape="cosine"), 1)
    found = [timetable.factor(Clock(1, n)) for n in (0, 2, 3, 4, 6)]
    assert found == pytest.approx([1, 0.75, 0.5, 0.25, 0])


def test_the_clock_counts_each_stage() -> None:
    timetable = Timetable(in_steps(warm_up=2, flat=2), PHOTOGRAPHS)
    clock = Clock()
    for photographs in (8, 8, 4, 4):
        clock = timetable.after(clock, photographs)
    assert clock == Clock(warm_up_steps=2, main_steps=2, photographs=24)
    assert clock.steps == 4


PHASED = in_steps(
    warm_up=4,
    flat=6,
    phases=(Phase(0.0, 32, 3), Phase(0.5, 48, 2, 0.25), Phase(0.8, 64, 1)),
)


def test_phases_change_the_batches_on_the_way() -> None:
    keys = list(Timetable(PHASED, 7).keys(Clock()))
    assert keys == [
        *(Key(first, 3, 32) for first in (0, 3, 6, 9, 12)),
        *(Key(first, 2, 48, 0.25) for first in (15, 17, 19)),
        *(Key(first, 1, 64) for first in (21, 22)),
    ]


def test_before_the_first_phase_the_batches_are_the_datas() -> None:
    late = in_steps(flat=4, phases=(Phase(0.5, 32, 1),))
    assert [tuple(key[1:3]) for key in Timetable(late, 7).keys(Clock())] == [
        (4, 256),
        (4, 256),
        (1, 32),
        (1, 32),
    ]


@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize(
    "recipe", [PHASED, replace(PAPER, schedule=Schedule("epochs", 1, 1, 2))]
)
def test_ranks_share_each_batch_out(recipe: Recipe, world: int) -> None:
    """Joined, their photographs are all photographs in turn, none twice."""
    timetable = Timetable(recipe, 7)
    ranks = [list(timetable.keys(Clock(), rank, world)) for rank in range(world)]
    numbers = [
        number
        for keys in zip(*ranks, strict=True)
        for key in keys
        for number in range(key.first, key.first + key.batch_size)
    ]
    assert numbers == list(range(len(numbers)))
    for keys in zip(*ranks, strict=True):
        assert len({key[1:] for key in keys}) == 1  # of one size on every rank


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize(
    "recipe", [PHASED, replace(PAPER, schedule=Schedule("epochs", 1, 1, 9))]
)
def test_going_on_anywhere_gives_the_rest_of_the_same_batches(
    recipe: Recipe, rank: int
) -> None:
    timetable, clock = Timetable(recipe, 7), Clock()
    whole = list(timetable.keys(clock, rank, 2))
    for taken, key in enumerate(whole):
        assert list(timetable.keys(clock, rank, 2)) == whole[taken:]
        clock = timetable.after(clock, 2 * key.batch_size)
    assert timetable.finished(clock)
    assert list(timetable.keys(clock, rank, 2)) == []


@pytest.mark.parametrize(
    ("schedule", "phases", "words"),
    [
        (Schedule(unit="days"), (), "unit is 'days'; expected epochs or steps"),
        (Schedule(shape="square"), (), "shape is 'square'; expected linear or cosine"),
        (Schedule(warm_up=-1), (), "warm_up is -1; expected a number from 0"),
        (Schedule("steps", 0, 0, 0), (), "not all of them 0"),
        (Schedule(save_steps=0), (), "save_steps is 0; expected a number from 1"),
        (Schedule(), (Phase(0.5, 64, 1), Phase(0.2, 64, 1)), r"\[0.5, 0.2\]"),
        (Schedule(), (Phase(1.0, 64, 1),), r"start at \[1.0\]"),
        (Schedule(), (Phase(-0.1, 64, 1),), r"start at \[-0.1\]"),
        (Schedule(), (Phase(math.nan, 64, 1),), r"start at \[nan\]"),
        (Schedule(), (Phase(0.0, 8, 1),), "image_size is 8; expected 16 px or more"),
        (Schedule(), (Phase(0.0, 64, 0),), "batch_size is 0; expected a number from 1"),
    ],
)
def test_a_schedule_that_cannot_be_kept_is_refused(
    schedule: Schedule, phases: tuple[Phase, ...], words: str
) -> None:
    with pytest.raises(InputError, match=words) as refused:
        Timetable(replace(PAPER, schedule=schedule, phases=phases), PHOTOGRAPHS)
    assert "\n" not in str(refused.value)
