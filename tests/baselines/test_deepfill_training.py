"""DeepFill's steps, against steps written out in plain PyTorch."""

import io
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch._subclasses.fake_tensor as fake_tensor
import torch.nn.functional as F
from lightning_fabric import Fabric
from tiny_training import CPU, last, photographs, same
from tolerances import AFTER_ADAM
from torch import Tensor, nn

from gin.baselines import load_deepfill
from gin.baselines.deepfill.training import (
    CRITIC_STEPS,
    LEARNERS,
    DeepFillLearner,
    DeepFillV1Learner,
    DeepFillV2Learner,
    _for_all,
    deepfillv1_mask,
    deepfillv2_mask,
    discount,
)
from gin.errors import InputError, Interrupted
from gin.recipes import DEEPFILLV1, DEEPFILLV2, Phase, Recipe, Schedule
from gin.training.dry_run import plan
from gin.training.schedule import Timetable
from gin.training.trainer import train
from gin.weights.checkpoints import metadata

SIDE, SEED = 32, 7
TERMS = ["l1", "adversarial", "total", "discriminators"]


def tiny(recipe: Recipe) -> Recipe:
    return replace(
        recipe,
        network=replace(recipe.network, base_channels=4),
        data=replace(recipe.data, image_size=SIDE, batch_size=2),
        schedule=replace(recipe.schedule, unit="steps"),
    )


V1, V2 = tiny(DEEPFILLV1), tiny(DEEPFILLV2)
both = pytest.mark.parametrize("recipe", [V1, V2], ids=["v1", "v2"])


@pytest.fixture(scope="module")
def fabric() -> Fabric:
    return Fabric(accelerator="cpu")


def learner(recipe: Recipe, fabric: Fabric, seed: int = SEED) -> DeepFillLearner:
    return LEARNERS[recipe.network.variant](recipe, seed, None, fabric)


def batch(seed: int = 0) -> tuple[Tensor, Tensor]:
    """Two photographs, three times each, under masks that DeepFill passes over."""
    rng = torch.Generator().manual_seed(seed)
    coarse = torch.rand(2, 3, 4, 4, generator=rng)
    image = F.interpolate(coarse, size=SIDE, mode="bilinear")
    return image.repeat_interleave(3, dim=0), torch.ones(6, 1, SIDE, SIDE)


def weights(module: nn.Module) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in module.named_parameters()}


def moved(
    module: nn.Module, before: dict[str, Tensor], names: list[str] | None = None
) -> float:
    now = dict(module.named_parameters())
    return max((now[n] - before[n]).abs().max().item() for n in names or now)


def spread(mask: np.ndarray) -> Tensor:
    return torch.from_numpy(mask).float()[None, None].repeat(2, 1, 1, 1)


# The steps once more


def step_of_v2(
    net: nn.Module, discriminator: nn.Module, adams: list[torch.optim.Adam], step: int
) -> None:
    image = batch(step)[0][::3]
    mask = spread(deepfillv2_mask(SIDE, SIDE, np.random.default_rng([SEED, step])))
    truth = 2 * image - 1
    done = net(image, mask)
    fake = 2 * done.completed - 1
    # One pass for both, for every pass moves the spectral norm's vectors.
    scores = discriminator(torch.cat([mask, mask]), torch.cat([truth, fake.detach()]))
    loss = F.relu(1 - scores[:2]).mean() / 2 + F.relu(1 + scores[2:]).mean() / 2
    adams[1].zero_grad()
    loss.backward()
    adams[1].step()
    total = -discriminator(mask, fake).mean()
    for stage in (done.coarse, done.out):
        total = total + (2 * stage - 1 - truth).abs().mean()
    adams[0].zero_grad()
    total.backward()
    adams[0].step()


def step_of_v1(
    net: nn.Module, critics: nn.Module, adams: list[torch.optim.Adam], step: int
) -> None:
    image = batch(step)[0][::3]
    hole, box = deepfillv1_mask(SIDE, SIDE, np.random.default_rng([SEED, step]))
    mask, truth, done = spread(hole), 2 * image - 1, net(image, spread(hole))
    fake = 2 * done.completed - 1
    share = torch.rand(2, 1, 1, 1)
    loss = torch.tensor(0.0)
    for critic, cut in ((critics.whole, lambda x: x), (critics.box, box.crop)):
        loss = loss + critic(cut(fake.detach())).mean() - critic(cut(truth)).mean()
        point = cut(share * truth + (1 - share) * fake.detach()).requires_grad_()
        (gradient,) = torch.autograd.grad(critic(point).sum(), point, create_graph=True)
        lengths = ((gradient * cut(mask)) ** 2).sum(dim=(1, 2, 3)).sqrt()
        loss = loss + 10 * ((lengths - 1) ** 2).mean()
    adams[1].zero_grad()
    loss.backward()
    adams[1].step()
    if (step + 1) % 5:
        return
    total = torch.tensor(0.0)
    for stage, weight in ((done.coarse, 1.2), (done.out, 1.0)):
        error = (2 * stage - 1 - truth).abs()
        inside = box.crop(error) * discount(SIDE // 2, SIDE // 2)
        outside = (error * (1 - mask)).mean() / (1 - mask).mean()
        total = total + 1.2 * weight * (inside.mean() + outside)
    scores = critics.whole(fake).mean() + critics.box(box.crop(fake)).mean()
    adams[0].zero_grad()
    (total - 0.001 * scores).backward()
    adams[0].step()


@pytest.mark.usefixtures("in_float64")
@both
def test_the_steps_are_those_written_out(recipe: Recipe, fabric: Fabric) -> None:
    ours = learner(recipe, fabric)
    net, discriminators = deepcopy(ours.net), deepcopy(ours.discriminators)
    start = weights(net), weights(discriminators)
    betas = (0.5, 0.9) if recipe is V1 else (0.5, 0.999)
    adams = [
        torch.optim.Adam(each.parameters(), 5e-5, betas)
        for each in (net, discriminators)
    ]
    torch.manual_seed(3)
    steps = CRITIC_STEPS if recipe is V1 else 2
    for step in range(steps):
        ours.main_step(*batch(step), factor=0.5)
    torch.manual_seed(3)
    for step in range(steps):
        (step_of_v1 if recipe is V1 else step_of_v2)(net, discriminators, adams, step)
    for mine, plain, before in (
        (ours.net, net, start[0]),
        (ours.discriminators, discriminators, start[1]),
    ):
        assert moved(plain, before) > 4e-5
        # A shift of all scores changes nothing, so these biases follow rounding errors.
        ends = [name for name in before if not name.endswith("score.bias")]
        difference = moved(mine, weights(plain), ends)
        print(f"{recipe.network.variant}: largest difference {difference:.1e}")
        assert difference < AFTER_ADAM


def test_v1s_critics_learn_five_times_as_often(fabric: Fabric) -> None:
    ours = learner(V1, fabric)
    changes = []
    for step in range(2 * CRITIC_STEPS):
        before = weights(ours.net), weights(ours.discriminators)
        terms = ours.main_step(*batch(step), factor=1.0)
        assert list(terms) == TERMS
        assert moved(ours.discriminators, before[1]) > 0
        changes.append(moved(ours.net, before[0]) > 0)
    assert changes == 2 * [*[False] * 4, True]


@both
def test_every_term_is_named_and_finite(recipe: Recipe, fabric: Fabric) -> None:
    terms = learner(recipe, fabric).main_step(*batch(), factor=1.0)
    assert list(terms) == TERMS
    assert all(term.shape == () for term in terms.values())
    assert all(term.isfinite() and not term.requires_grad for term in terms.values())


def test_the_critics_are_as_wide_as_the_generator_asks(fabric: Fabric) -> None:
    for recipe, base_channels, width in ((V1, 4, 8), (V2, 12, 16)):
        network = replace(recipe.network, base_channels=base_channels)
        ours = learner(replace(recipe, network=network), fabric)
        assert len(next(ours.discriminators.parameters())) == width


@both
def test_a_rate_of_zero_moves_nothing(recipe: Recipe, fabric: Fabric) -> None:
    ours = learner(recipe, fabric)
    before = weights(ours.net), weights(ours.discriminators)
    for _ in range(CRITIC_STEPS):
        ours.main_step(*batch(), factor=0.0)
    assert moved(ours.net, before[0]) == 0
    assert moved(ours.discriminators, before[1]) == 0
    assert ours.lr == 0


@both
def test_it_goes_on_from_its_state_bit_for_bit(recipe: Recipe, fabric: Fabric) -> None:
    recipe = replace(recipe, optimiser=replace(recipe.optimiser, ema_decay=0.9))
    one, other = (learner(recipe, fabric, seed) for seed in (SEED, SEED))
    for step in range(3):
        one.main_step(*batch(step), factor=1.0)
        one.follow(step + 1)
    file = io.BytesIO()
    torch.save(one.state_dict(), file)
    random = torch.get_rng_state()
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    for ours in (one, other):
        torch.set_rng_state(random)
        for step in range(3, 6):
            ours.main_step(*batch(step), factor=1.0)
            ours.follow(step + 1)
    for name in ("net", "average", "discriminators"):
        assert moved(getattr(other, name), weights(getattr(one, name))) == 0
    assert moved(one.average, weights(one.net)) > 0


@both
def test_bf16_steps_are_finite_and_close(recipe: Recipe, fabric: Fabric) -> None:
    found = []
    for precision in ("32-true", "bf16-mixed"):
        here = Fabric(accelerator="cpu", precision=precision)
        torch.manual_seed(0)
        found.append(learner(recipe, here).main_step(*batch(), factor=1.0))
    for name, term in found[1].items():
        torch.testing.assert_close(term, found[0][name], rtol=0.1, atol=0.05)
        assert term.dtype == torch.float32


@both
def test_the_average_completes_any_batch(recipe: Recipe, fabric: Fabric) -> None:
    """Validation calls it with the trainer's own masks, one for each image."""
    image, _ = batch()
    mask = torch.zeros(6, 1, SIDE, SIDE)
    for place, each in enumerate(mask):
        each[:, place : 2 * place + 3] = 1
    done = learner(recipe, fabric).average(image, mask)
    known = mask.expand_as(image) == 0
    assert torch.equal(done.completed[known], image[known])


# Recipes


def test_the_published_settings() -> None:
    for recipe in (DEEPFILLV1, DEEPFILLV2):
        assert recipe.optimiser.generator_lr == 1e-4
        assert recipe.optimiser.discriminator_lr == 1e-4
        assert (recipe.data.image_size, recipe.data.batch_size) == (256, 16)
        assert Timetable(recipe, 1000).length == 110
    assert DEEPFILLV1.optimiser.betas == (0.5, 0.9)
    assert DEEPFILLV2.optimiser.betas == (0.5, 0.999)
    assert DEEPFILLV1.network.base_channels == 32
    assert DEEPFILLV2.network.base_channels == 48


def test_what_a_recipe_cannot_ask_for(fabric: Fabric) -> None:
    for recipe, message in (
        (replace(V2, network=replace(V2.network, variant="x")), "variant is 'x'"),
        (
            replace(V2, network=replace(V2.network, initialisation="identity")),
            "initialisation is 'identity'; expected paper",
        ),
        (replace(V2, schedule=replace(V2.schedule, warm_up=3)), "warm_up is 3"),
        (replace(V2, losses=replace(V2.losses, style="x")), "losses.style is 'x'"),
    ):
        with pytest.raises(InputError, match=message):
            DeepFillV2Learner(recipe, 0, None, fabric)
    phases = (Phase(0.0, SIDE, 1), Phase(0.5, 2 * SIDE, 1))
    with pytest.raises(
        InputError, match="phases of other sizes than data.image_size, 32"
    ):
        DeepFillV1Learner(replace(V1, phases=phases), 0, None, fabric)
    with pytest.raises(InputError, match="deepfillv2 has no warm-up"):
        learner(V2, fabric).warm_up_step(*batch(), factor=1.0)


# The trainer


@both
def test_the_trainer_stops_goes_on_and_ends_in_the_same_weights(
    recipe: Recipe, tmp_path: Path
) -> None:
    data = photographs(tmp_path / "data")
    recipe = replace(
        recipe, schedule=Schedule("steps", warm_up=0, flat=7, decay=0, save_steps=3)
    )
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    how = {"hardware": CPU, "learner": LEARNERS[recipe.network.variant]}
    train(recipe, data, whole, **how)
    with pytest.raises(Interrupted):
        train(recipe, data, parts, **how, max_steps=4)
    train(recipe, data, parts, **how, resume=True)
    assert same(last(whole), last(parts))
    net = load_deepfill(parts / "weights.safetensors")
    assert net.variant == recipe.network.variant
    notes = metadata(parts / "weights.safetensors")
    assert notes["backbone"] == "none"
    assert notes["images"] == "14"  # each photograph once, not under three masks


@both
def test_a_training_is_planned(recipe: Recipe, tmp_path: Path) -> None:
    data, learner = photographs(tmp_path / "data"), LEARNERS[recipe.network.variant]
    lines = plan(recipe, data, None, CPU, learner)
    assert any("operations" in line or "FLOP" in line for line in lines)


def test_on_cuda_a_mask_is_sent_from_pinned_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On tensors without values: a pageable copy would wait for the whole step."""
    monkeypatch.setattr(fake_tensor, "init_gpu_context", lambda *_: None)
    pinned = []
    monkeypatch.setattr(Tensor, "pin_memory", lambda x: pinned.append(x) or x)
    with fake_tensor.FakeTensorMode(allow_non_fake_inputs=True):
        image = torch.empty(3, 3, 8, 8, device="cuda")
        mask = _for_all(np.ones((8, 8), np.float32), image)
    assert (mask.device.type, mask.shape) == ("cuda", (3, 1, 8, 8))
    assert len(pinned) == 1
