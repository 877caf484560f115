"""Counts that are known on paper, a schedule walked step by step, the command."""

import itertools
from dataclasses import replace

import pytest
import torch
from lightning_fabric import Fabric
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from gin.errors import InputError
from gin.masks import KINDS
from gin.recipes import DEMO, GPU, SMOKE, Phase, Recipe, Schedule
from gin.training.cost import PARTS, Cost, Parts, Rehearsal, Step, Tally
from gin.training.dry_run import Pace, now, plan, segments
from gin.training.hardware import Hardware
from gin.training.schedule import Clock, Timetable

CPU = Hardware("cpu", precision="float32")
WARM_UP, MAIN = Step("warm-up", 32, 1), Step("main", 32, 1)


SMALL = replace(
    SMOKE, network=replace(SMOKE.network, variant="StdResBlk (Coarse only)")
)


def rehearse(recipe: Recipe) -> Rehearsal:
    return Rehearsal(recipe, Fabric(accelerator="cpu", devices=1, precision="32-true"))


@pytest.fixture(scope="module")
def rehearsal() -> Rehearsal:
    return rehearse(SMALL)


@pytest.fixture(scope="module")
def costs(rehearsal) -> dict[str, Cost]:
    return {step.stage: rehearsal.count(step) for step in (WARM_UP, MAIN)}


def test_a_convolution_is_counted_as_on_paper():
    with FakeTensorMode(), Tally() as tally:
        nn.Conv2d(5, 7, 3)(torch.empty(2, 5, 10, 10))
    assert tally.operations == 2 * (2 * 7 * 8 * 8) * (5 * 3 * 3)


def test_memory_is_given_back_and_views_take_none():
    with Tally() as tally:
        first = torch.empty(1000)
        second = first.reshape(10, 100)[1:] + 1  # 900
        assert tally.live == 4 * 1900
        del first
        assert tally.live == 4 * 900
        del second
    assert (tally.live, tally.peak) == (0, 4 * 1900)


def test_counting_changes_nothing_in_the_learner(rehearsal):
    modules = (rehearsal.learner.net, rehearsal.learner.discriminators)
    before = [t.clone() for m in modules for t in m.state_dict().values()]
    rehearsal.count(WARM_UP)
    after = [t for m in modules for t in m.state_dict().values()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert not rehearsal.learner.adam_g.state
    assert all(p.grad is None for m in modules for p in m.parameters())


def test_parts_share_out_what_the_step_takes():
    rehearsal = rehearse(SMOKE)  # with a refinement stage
    cost, images, learner = rehearsal.count(MAIN), MAIN.images, rehearsal.learner
    image, mask = rehearsal.inputs(MAIN)

    def alone(module: nn.Module, *inputs: torch.Tensor) -> int:
        with torch.no_grad(), Tally() as tally:
            module(*inputs)
        return tally.operations

    generators = alone(learner.net, image, mask)
    # Of true and completed for their own update, then of completed again.
    discriminators = 3 * alone(learner.discriminators, image, image)
    # Of I_out and I_compltd, and once for the photograph of the three.
    features = 2 * alone(rehearsal.features, image)
    features += features // (2 * images)
    assert cost.parts["generators, forward"] == generators
    assert cost.parts["discriminators, forward"] == discriminators
    assert cost.parts["features, forward"] == features
    assert cost.parts["optimiser"] == 0
    assert cost.operations == sum(cost.of(part) for part in PARTS)


def test_the_warm_up_is_the_generators_alone(costs):
    warm_up, main = costs["warm-up"], costs["main"]
    assert warm_up.operations == warm_up.of("generators") == main.of("generators")


def test_backward_takes_about_twice_forward(costs):
    parts = costs["main"].parts
    ratio = parts["generators, backward"] / parts["generators, forward"]
    assert 1.8 < ratio < 2.1  # the first layer's input needs no gradient
    # The features' weights are frozen, so only their input's gradient is made, and
    # none at all for the photograph itself.
    assert 7 * parts["features, backward"] == 6 * parts["features, forward"]


def test_memory_holds_weights_gradients_moments_and_the_average(costs, rehearsal):
    learner = rehearsal.learner

    def size(*modules: nn.Module) -> int:
        return sum(t.nbytes for m in modules for t in m.state_dict().values())

    copies = size(*[learner.net] * 4, learner.average)
    copies += size(learner.discriminators, rehearsal.features)
    assert copies < costs["warm-up"].memory < costs["main"].memory


def test_memory_grows_with_the_batch(rehearsal, costs):
    more = [rehearsal.count(WARM_UP._replace(batch_size=n)).memory for n in (2, 3)]
    growth = more[0] - costs["warm-up"].memory
    assert growth > 0
    assert more[1] - more[0] == pytest.approx(growth, rel=0.02)


def test_a_step_takes_the_time_of_its_parts():
    cost = Cost({"generators, forward": 8.0, "features, backward": 6, "losses": 4}, 0)
    assert Pace(networks=4.0, features=2.0, update=0.5).seconds(cost) == 2 + 5 + 0.5


def test_parts_add_up_to_the_clock(rehearsal):
    ticks = itertools.count()
    with Parts(rehearsal, lambda: float(next(ticks))) as parts:
        rehearsal.take("main", *rehearsal.inputs(MAIN))
    assert sum(parts.counted.values()) == next(ticks) - 1
    counted = dict(parts.counted)
    rehearsal.take("warm-up", *rehearsal.inputs(WARM_UP))  # the hooks are gone
    assert parts.counted == counted


def test_phi_of_the_gpu_recipe_is_a_trifle():
    narrow = replace(GPU, network=replace(GPU.network, base_channels=8))
    both = {
        name: rehearse(recipe).count(MAIN)
        for name, recipe in (
            ("vgg19", replace(narrow, backbone="random")),
            ("alexnet", narrow),
        )
    }
    assert both["alexnet"].of("generators") == both["vgg19"].of("generators")
    features = [both[name].of("features") + both[name].of("losses") for name in both]
    assert features[1] < features[0] / 20
    rehearse(narrow).look(torch.rand(1, 3, 32, 32))


def test_the_clock_waits_for_any_accelerator(monkeypatch):
    waited = []
    monkeypatch.setattr(torch.accelerator, "synchronize", waited.append)
    for name in ("cpu", "mps", "cuda:1"):
        now(torch.device(name))
    assert waited == [torch.device("mps"), torch.device("cuda:1")]


EPOCHS = Schedule(unit="epochs", warm_up=3, flat=1, decay=5)
PHASES = (Phase(0.0, 64, 3), Phase(0.4, 96, 2, 0.5), Phase(0.41, 96, 2))


@pytest.mark.parametrize("count", [1, 7, 40])
@pytest.mark.parametrize("world", [1, 3])
@pytest.mark.parametrize(
    "recipe",
    [
        SMOKE,
        replace(SMOKE, schedule=EPOCHS),
        replace(SMOKE, schedule=EPOCHS, phases=PHASES),
        replace(SMOKE, schedule=Schedule("steps", 0, 70, 10), phases=PHASES),
        replace(SMOKE, schedule=replace(EPOCHS, flat=0, decay=0)),
    ],
)
def test_segments_are_the_steps_that_the_timetable_takes(recipe, world, count):
    timetable, clock, taken = Timetable(recipe, count), Clock(), []
    while not timetable.finished(clock):
        phase = timetable.phase(clock)
        stage = "warm-up" if timetable.warming_up(clock) else "main"
        taken.append((stage, phase))
        clock = timetable.after(clock, phase.batch_size * world)
    runs = [(*key, len(list(run))) for key, run in itertools.groupby(taken)]
    assert segments(timetable, world) == runs


def test_millions_of_steps_are_no_more_work():
    found = segments(Timetable(Recipe(), 1_800_000))
    assert [segment.steps for segment in found] == [4_500_000, 45_000_000]


def test_the_demo_recipe_has_its_phases():
    found = segments(Timetable(DEMO, 1000))
    assert [(s.stage, s.step.image_size, s.steps) for s in found] == [
        ("warm-up", 128, 16_800),
        ("warm-up", 192, 1_200),
        ("main", 192, 2_400),
        ("main", 192, 1_680),
        ("main", 256, 1_920),
    ]


def test_the_plan_says_what_it_is_about(photographs):
    recipe = replace(SMALL, data=replace(SMALL.data, image_size=32))
    text = "\n".join(plan(recipe, photographs, None, replace(CPU, devices=2)))
    assert "3 photographs" in text
    assert "2 processes, each on cpu, float32" in text
    rows = [line.split() for line in text.splitlines() if " px " in line]
    images = 20 * 2 * len(KINDS)  # two processes with a photograph each
    assert [row[0] for row in rows] == ["warm-up", "main"]
    assert all(row[3:6] == ["6", "20", str(images)] for row in rows)
    assert "estimate" in text


def test_what_the_training_would_refuse_is_refused(photographs, tmp_path):
    odd = replace(SMALL, data=replace(SMALL.data, image_size=40))
    with pytest.raises(InputError, match="divisible by 16"):
        list(plan(odd, photographs, None, CPU))
    with pytest.raises(InputError, match="nothing"):
        list(plan(SMOKE, tmp_path / "nothing", None, CPU))


@pytest.fixture
def photographs(tmp_path):
    from PIL import Image

    folder = tmp_path / "photographs"
    folder.mkdir()
    for number in range(3):
        Image.new("RGB", (40, 40), (80 * number, 90, 100)).save(
            folder / f"{number}.png"
        )
    return folder
