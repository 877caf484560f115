"""Counts that are known on paper, a schedule walked step by step, the command."""

import itertools
from dataclasses import replace

import pytest
import torch
from data_trees import shards_of
from lightning_fabric import Fabric
from torch import nn

from gin.baselines.deepfill.training import CRITIC_STEPS, LEARNERS
from gin.errors import InputError
from gin.masks import KINDS
from gin.recipes import DEMO, GPU, RECIPES, SMOKE, Phase, Recipe, Schedule
from gin.training.cost import (
    Cost,
    Counts,
    Step,
    random_batch,
    random_learner,
    step_cost,
    take_step,
)
from gin.training.dry_run import plan, segments, smaller, synchronised_time
from gin.training.hardware import Hardware
from gin.training.learner import Learner
from gin.training.schedule import Clock, Timetable

CPU = Hardware("cpu", precision="float32")
WARM_UP, MAIN = Step("warm-up", 32, 3), Step("main", 32, 3)


SMALL = replace(
    SMOKE, network=replace(SMOKE.network, variant="StdResBlk (Coarse only)")
)


def learner_of(recipe: Recipe) -> Learner:
    fabric = Fabric(accelerator="cpu", devices=1, precision="32-true")
    return random_learner(recipe, fabric)


@pytest.fixture(scope="module")
def learner() -> Learner:
    return learner_of(SMALL)


@pytest.fixture(scope="module")
def costs(learner) -> dict[str, Cost]:
    return {step.stage: step_cost(learner, step) for step in (WARM_UP, MAIN)}


def convolutions(module: nn.Module, *inputs: torch.Tensor) -> int:
    """Operations of a pass by their definition: 2 HW C_out C_in k^2 an image."""
    total = 0

    def add(conv: nn.Module, _: object, out: torch.Tensor) -> None:
        nonlocal total
        total += 2 * out.numel() * conv.weight[0].numel()

    convs = [m for m in module.modules() if isinstance(m, nn.Conv2d)]
    hooks = [conv.register_forward_hook(add) for conv in convs]
    with torch.no_grad():
        module(*inputs)
    for hook in hooks:
        hook.remove()
    return total


def test_a_warm_up_step_is_three_passes_of_the_generators(learner, costs):
    """Forward, the gradient of the weights and that of the inputs."""
    image, mask = torch.rand(3, 3, 32, 32), torch.ones(3, 1, 32, 32)
    forward = convolutions(learner.net, image, mask)
    assert 2.8 < costs["warm-up"].operations / forward <= 3


def test_a_main_step_adds_discriminators_and_backbone(learner, costs):
    image = torch.rand(3, 3, 32, 32)
    discriminators = convolutions(learner.discriminators, image, image)
    backbone = convolutions(learner._features, image)
    added = costs["main"].operations - costs["warm-up"].operations
    # Forward three times: of true and completed, then of completed again; backward
    # five. The backbone sees I_out and I_compltd, and one true image of the three.
    passes = 2 * backbone * 2 + backbone / 3
    assert passes + 6 * discriminators < added < 1.2 * (passes + 8 * discriminators)


def test_memory_is_given_back_and_views_take_none():
    with Counts() as memory:
        first = torch.empty(1000)
        second = first.reshape(10, 100)[1:] + 1  # 900
        assert memory.current == 4 * 1900
        del first
        assert memory.current == 4 * 900
        del second
    assert (memory.current, memory.peak) == (0, 4 * 1900)


def test_counting_changes_nothing_in_the_learner(learner):
    modules = (learner.net, learner.discriminators)
    before = [t.clone() for m in modules for t in m.state_dict().values()]
    step_cost(learner, MAIN)
    after = [t for m in modules for t in m.state_dict().values()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert not learner.adam_g.state
    assert not learner.adam_d.state
    assert all(p.grad is None for m in modules for p in m.parameters())


def test_memory_holds_weights_gradients_moments_and_the_average(costs, learner):
    def size(*modules: nn.Module) -> int:
        return sum(t.nbytes for m in modules for t in m.state_dict().values())

    copies = size(*[learner.net] * 4, learner.average)
    copies += size(learner.discriminators, learner._features)
    assert copies < costs["warm-up"].memory < costs["main"].memory


def test_memory_grows_with_the_batch(learner, costs):
    more = [step_cost(learner, WARM_UP._replace(images=n)).memory for n in (6, 9)]
    growth = more[0] - costs["warm-up"].memory
    assert growth > 0
    assert more[1] - more[0] == pytest.approx(growth, rel=0.02)


def test_the_backbone_of_the_gpu_recipe_adds_little():
    narrow = replace(GPU, network=SMALL.network)
    random = learner_of(replace(narrow, backbone="random"))
    alexnet = learner_of(narrow)
    warm_up = step_cost(alexnet, WARM_UP).operations
    assert step_cost(random, WARM_UP).operations == warm_up
    added = [step_cost(net, MAIN).operations - warm_up for net in (random, alexnet)]
    assert added[1] < added[0] / 10


def test_a_step_beyond_the_limit_is_timed_with_one_small_image():
    step = Step("main", 512, 12)
    assert smaller(step, operations=1200, most=1200) == step
    assert smaller(step, operations=1200, most=100) == Step("main", 512, 1)
    assert smaller(step, operations=1200, most=25) == Step("main", 256, 1)
    assert smaller(step, operations=1200, most=1) == Step("main", 128, 1)


def test_the_clock_waits_for_any_accelerator(monkeypatch):
    waited = []
    monkeypatch.setattr(torch.accelerator, "synchronize", waited.append)
    for name in ("cpu", "mps", "cuda:1"):
        synchronised_time(torch.device(name))
    assert waited == [torch.device("mps"), torch.device("cuda:1")]


EPOCHS = Schedule(unit="epochs", warm_up=3, flat=1, decay=5)
PHASES = (Phase(0.0, 64, 3), Phase(0.4, 96, 2, 0.5), Phase(0.41, 96, 2))


@pytest.mark.parametrize("photograph_count", [1, 7, 40])
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
def test_segments_are_the_steps_that_the_timetable_takes(
    recipe, world, photograph_count
):
    timetable, clock, taken = Timetable(recipe, photograph_count), Clock(), []
    while not timetable.finished(clock):
        phase = timetable.phase(clock)
        stage = "warm-up" if timetable.warming_up(clock) else "main"
        taken.append((stage, phase))
        clock = timetable.after(clock, phase.batch_size * world)
    runs = [(*key, len(list(run))) for key, run in itertools.groupby(taken)]
    assert segments(timetable, world) == runs


def test_millions_of_steps_are_no_more_work():
    schedule = segments(Timetable(Recipe(), 1_800_000))
    assert [segment.steps for segment in schedule] == [4_500_000, 45_000_000]


def test_the_demo_recipe_has_its_phases():
    schedule = segments(Timetable(DEMO, 1000))
    assert [(s.stage, s.step.image_size, s.steps) for s in schedule] == [
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
    assert "of it by a warm-up step" in text
    assert "of it by a main step" in text
    assert "estimate" in text


def test_what_the_training_would_refuse_is_refused(photographs, tmp_path):
    odd = replace(SMALL, data=replace(SMALL.data, image_size=40))
    with pytest.raises(InputError, match="image_size is 40; expected a multiple of 16"):
        next(plan(odd, photographs, None, CPU))
    with pytest.raises(InputError, match="nothing"):
        list(plan(SMOKE, tmp_path / "nothing", None, CPU))
    shards = shards_of(tmp_path, [3])
    phases = replace(SMALL, phases=(Phase(0.0, 32, 1),))
    with pytest.raises(InputError, match="expected a recipe without phases"):
        next(plan(phases, shards, None, CPU))


def small_deepfill(name: str) -> Recipe:
    recipe = RECIPES[name]
    return replace(
        recipe,
        network=replace(recipe.network, base_channels=4),
        data=replace(recipe.data, image_size=64, batch_size=2),
    )


@pytest.mark.parametrize("name", LEARNERS)
def test_the_plan_of_another_method(name, photographs):
    lines = [*plan(small_deepfill(name), photographs, None, CPU, LEARNERS[name])]
    assert any(line.endswith("measured: images 2, 64 px") for line in lines)


def test_the_steps_of_a_generator_that_is_updated_at_every_fifth_are_averaged():
    recipe = small_deepfill("deepfillv1")
    fabric = Fabric(accelerator="cpu", devices=1, precision="32-true")
    learner = random_learner(recipe, fabric, LEARNERS["deepfillv1"])
    step = Step("main", 64, 3)
    with Counts() as counts:
        for _ in range(CRITIC_STEPS):
            take_step(learner, "main", *random_batch(step, torch.device("cpu")))
    every = counts.operations // CRITIC_STEPS
    for _ in range(2):  # whichever of the five steps comes first
        assert step_cost(learner, step).operations == pytest.approx(every, rel=1e-6)
        learner.steps += 1


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
