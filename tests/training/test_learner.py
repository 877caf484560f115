"""One step of each stage, against a step written out in plain PyTorch."""

import io
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from operator_calls import Calls
from tolerances import AFTER_ADAM
from torch import Tensor, nn

import gin
from gin import losses
from gin.errors import InputError
from gin.recipes import GPU, RELEASED, SMOKE, NetworkRecipe, Recipe
from gin.subsampling import three_mask_batch
from gin.training.learner import Learner, phi
from gin.vgg import Features
from gin.weights.imagenet import load_backbone

SIDE = 16
TINY = replace(SMOKE, network=replace(SMOKE.network, base_channels=2))
# The released order and losses, on a network that a few steps change visibly.
TINY_RELEASED = replace(
    RELEASED,
    network=NetworkRecipe(
        base_channels=2, composite=True, padding="released", initialisation="identity"
    ),
    losses=replace(RELEASED.losses, feature_size=None),
    optimiser=replace(RELEASED.optimiser, clip=0.01),
)
both_orders = pytest.mark.parametrize(
    "recipe", [TINY, TINY_RELEASED], ids=["paper", "released"]
)


@pytest.fixture(scope="module")
def features() -> Features:
    return Features(load_backbone("vgg19", "random"), "convolution", None)


@pytest.fixture(scope="module")
def fabric() -> Fabric:
    return Fabric(accelerator="cpu")


def exact_batch(photographs: int = 1) -> tuple[Tensor, Tensor]:
    image, mask = batch(photographs=photographs)
    return image.double(), mask.double()


def batch(seed: int = 0, photographs: int = 1) -> tuple[Tensor, Tensor]:
    torch.manual_seed(seed)
    coarse = torch.rand(photographs, 3, 4, 4)
    image = F.interpolate(coarse, size=SIDE, mode="bilinear")
    return three_mask_batch(image, np.random.default_rng(seed))


def weights(module: nn.Module) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in module.named_parameters()}


def moved(module: nn.Module, before: dict[str, Tensor]) -> float:
    now = module.named_parameters()
    return max((p - before[name]).abs().max().item() for name, p in now)


# The first weights


def test_weights_from_a_file_are_where_the_learner_starts(
    tmp_path: Path, fabric: Fabric
) -> None:
    given = Learner(TINY, 5, None, fabric).net
    gin.save(given, path := tmp_path / "given.safetensors")
    recipe = replace(TINY, network=replace(TINY.network, initialisation=str(path)))
    learner = Learner(recipe, 6, None, fabric)
    for net in (learner.net, learner.average):
        assert moved(net, weights(given)) == 0


def test_weights_of_another_network_are_refused(tmp_path: Path, fabric: Fabric) -> None:
    path = tmp_path / "other.safetensors"
    gin.save(gin.DeepGIN("SPDResBlk-MSSA", 2, composite=True), path)
    recipe = replace(TINY, network=replace(TINY.network, initialisation=str(path)))
    with pytest.raises(InputError, match=r"other\.safetensors: holds .*-MSSA', 'base"):
        Learner(recipe, 0, None, fabric)


# The flagship: the main step once more


def written_out(
    recipe: Recipe, net: nn.Module, discriminators: nn.Module, features: Features
) -> None:
    """Two steps of section 5.1's main stage: as simple as they can be said."""
    adam_g = torch.optim.Adam(net.parameters(), 3e-4, recipe.optimiser.betas)
    adam_d = torch.optim.Adam(discriminators.parameters(), 2e-4, recipe.optimiser.betas)
    recipe_losses, released = recipe.losses, recipe.optimiser.order == "released"
    image, mask = exact_batch()
    masked = image * (1 - mask) + mask

    def discriminators_step(completed: Tensor) -> None:
        pairs = torch.cat([masked, masked]), torch.cat([image, completed.detach()])
        loss = torch.tensor(0.0)
        for scores in discriminators(*pairs):
            real, fake = scores[: len(image)], scores[len(image) :]
            loss = loss + F.relu(1 - real).mean() + F.relu(1 + fake).mean()
        adam_d.zero_grad()
        (recipe_losses.discriminator_factor * loss).backward()
        adam_d.step()

    def generators_step(done: gin.generator.Completion) -> None:
        found = losses.Features(
            features(done.out), features(done.completed), features(image)
        )
        maps = discriminators(masked, done.completed)
        terms = losses.generator_terms(done, image, mask, found, maps, recipe_losses)
        adam_g.zero_grad()
        adam_d.zero_grad()
        terms.total(recipe_losses).backward()
        clipped = [
            *net.parameters(),
            *(discriminators.parameters() if released else []),
        ]
        squares = sum((p.grad**2).sum() for p in clipped)
        scale = (recipe.optimiser.clip / (squares.sqrt() + 1e-6)).clamp(max=1)
        assert scale < 1  # else the test would not notice clipping
        for p in net.parameters():
            p.grad *= scale
        adam_g.step()

    for _ in range(2):
        done = net(image, mask)
        if released:
            generators_step(done)
            discriminators_step(done.completed)
        else:
            discriminators_step(done.completed)
            generators_step(done)


@pytest.mark.usefixtures("in_float64")
@both_orders
def test_the_main_step_is_the_one_written_out(
    recipe: Recipe, features: Features, fabric: Fabric
) -> None:
    rates = {"generator_lr": 6e-4, "discriminator_lr": 4e-4, "clip": 0.01}
    recipe = replace(
        recipe,
        optimiser=replace(recipe.optimiser, **rates),
        # So that the discriminators' share in the clipped norm is no trifle.
        losses=replace(recipe.losses, adversarial_weight=1.0),
    )
    features = deepcopy(features).double()
    learner = Learner(recipe, 0, features, fabric)
    net, discriminators = deepcopy(learner.net), deepcopy(learner.discriminators)
    for _ in range(2):
        learner.main_step(*exact_batch(), factor=0.5)
    start = weights(net), weights(discriminators)
    written_out(recipe, net, discriminators, features)
    for ours, plain, before in (
        (learner.net, net, start[0]),
        (learner.discriminators, discriminators, start[1]),
    ):
        assert moved(plain, before) > 1e-4
        difference = moved(ours, weights(plain))
        print(f"{recipe.optimiser.order}: largest difference {difference:.1e}")
        assert difference < AFTER_ADAM
    # Adam hardly heeds the gradient's size, which clipping changes.
    for p, expected in zip(learner.net.parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(p.grad, expected.grad)


# What each step changes, and what it tells


def test_the_warm_up_learns_and_leaves_the_discriminators_alone(
    fabric: Fabric,
) -> None:
    learner = Learner(TINY, 0, None, fabric)
    discriminators = weights(learner.discriminators)
    found = [learner.warm_up_step(*batch(), factor=5.0) for _ in range(20)]
    assert all(terms.keys() == {"l1"} for terms in found)
    assert found[-1]["l1"] < 0.9 * found[0]["l1"]
    assert moved(learner.discriminators, discriminators) == 0


@both_orders
def test_the_main_step_moves_both_networks_and_names_every_term(
    recipe: Recipe, features: Features, fabric: Fabric
) -> None:
    learner = Learner(recipe, 0, features, fabric)
    before = weights(learner.net), weights(learner.discriminators)
    terms = learner.main_step(*batch(), factor=1.0)
    assert list(terms) == [*losses.Terms._fields, "total", "discriminators"]
    assert all(term.shape == () and not term.requires_grad for term in terms.values())
    generators = losses.Terms(*(terms[name] for name in losses.Terms._fields))
    torch.testing.assert_close(terms["total"], generators.total(recipe.losses))
    assert moved(learner.net, before[0]) > 0
    assert moved(learner.discriminators, before[1]) > 0


@both_orders
def test_a_rate_of_zero_moves_nothing(
    recipe: Recipe, features: Features, fabric: Fabric
) -> None:
    learner = Learner(recipe, 0, features, fabric)
    before = weights(learner.net), weights(learner.discriminators)
    learner.warm_up_step(*batch(), factor=0.0)
    learner.main_step(*batch(), factor=0.0)
    assert moved(learner.net, before[0]) == 0
    assert moved(learner.discriminators, before[1]) == 0
    assert learner.lr == 0


@pytest.mark.parametrize("variant", ["StdResBlk (Coarse only)", "StdResBlk"])
def test_the_other_variants_learn_too(
    variant: str, features: Features, fabric: Fabric
) -> None:
    recipe = replace(TINY, network=replace(TINY.network, variant=variant))
    learner = Learner(recipe, 0, features, fabric)
    before = weights(learner.net)
    terms = learner.main_step(*batch(), factor=1.0)
    assert all(term.isfinite() for term in terms.values())
    assert moved(learner.net, before) > 0


@pytest.mark.usefixtures("in_float64")
def test_the_truths_features_are_those_of_each_photograph(
    features: Features, fabric: Fabric
) -> None:
    """Computed for one of three copies, they stand for all three."""
    image, mask = exact_batch(photographs=2)
    features = deepcopy(features).double()
    learner = Learner(TINY, 0, features, fabric)
    done = learner.net(image, mask)
    found = learner._compare(features, done, image)
    for layer, all_three in zip(found.true, features(image), strict=True):
        copies = layer.repeat_interleave(3, dim=0)
        torch.testing.assert_close(copies, all_three)
    for name, part in (("out", done.out), ("completed", done.completed)):
        for layer, alone in zip(getattr(found, name), features(part), strict=True):
            torch.testing.assert_close(layer, alone)


@pytest.mark.usefixtures("in_float64")
def test_the_average_in_closed_form(fabric: Fabric) -> None:
    """d = min(decay, (1 + n) / (10 + n)): at first a short memory."""
    recipe = replace(TINY, optimiser=replace(TINY.optimiser, ema_decay=0.5))
    learner = Learner(recipe, 0, None, fabric)
    expected = weights(learner.net)
    for steps in (1, 2, 3, 30):
        learner.warm_up_step(*exact_batch(), factor=1.0)
        decay = min(0.5, (1 + steps) / (10 + steps))
        for name, p in learner.net.named_parameters():
            expected[name] = decay * expected[name] + (1 - decay) * p.detach()
        learner.follow(steps)
    assert moved(learner.average, expected) < 1e-12
    assert moved(learner.average, weights(learner.net)) > 1e-4


def test_without_a_decay_the_average_is_the_network(fabric: Fabric) -> None:
    recipe = replace(TINY, optimiser=replace(TINY.optimiser, ema_decay=None))
    learner = Learner(recipe, 0, None, fabric)
    learner.warm_up_step(*batch(), factor=1.0)
    learner.follow(1)
    assert learner.average is learner.net


@both_orders
def test_bf16_steps_are_finite_and_the_weights_stay_float32(
    recipe: Recipe, features: Features, fabric: Fabric
) -> None:
    found = {}
    for precision in ("32-true", "bf16-mixed"):
        here = Fabric(accelerator="cpu", precision=precision)
        learner = Learner(recipe, 0, features, here)
        warm = learner.warm_up_step(*batch(), factor=1.0)
        found[precision] = {
            **learner.main_step(*batch(), factor=1.0),
            "warm": warm["l1"],
        }
        assert all(p.dtype == torch.float32 for p in learner.weights())
        assert all(p.isfinite().all() for p in learner.weights())
    for name, term in found["bf16-mixed"].items():
        assert term.dtype == torch.float32
        exact = found["32-true"][name]
        torch.testing.assert_close(term, exact, rtol=0.1, atol=0.02)
    assert found["bf16-mixed"]["warm"] != found["32-true"]["warm"]  # it was used


# The cheap main stage


CHEAP = replace(
    TINY,
    backbone="alexnet",
    losses=replace(
        TINY.losses, perceptual_weight=1.0, style_weight=0.0, compared="completed"
    ),
)


def test_lpips_takes_the_place_of_vgg(fabric: Fabric) -> None:
    pytest.importorskip("lpips")
    distance = phi(load_backbone("alexnet", "random"), CHEAP.losses)
    learner = Learner(CHEAP, 0, distance, fabric)
    image = F.interpolate(batch()[0], size=32)
    mask = F.interpolate(batch()[1], size=32)
    completed = learner.net(image, mask).completed
    expected = distance(image, completed).mean()
    before = weights(learner.net)
    # The rate of zero would tell nothing of the gradient.
    terms = learner.main_step(image, mask, factor=1.0)
    torch.testing.assert_close(terms["perceptual"], expected.detach())
    assert terms["perceptual"] > 0
    assert terms["style"] == 0
    generators = losses.Terms(*(terms[name] for name in losses.Terms._fields))
    torch.testing.assert_close(terms["total"], generators.total(CHEAP.losses))
    assert moved(learner.net, before) > 0


def test_the_completed_picture_alone_is_compared(fabric: Fabric) -> None:
    backbone = load_backbone("vgg19", "random")
    few = (1.0, 1.0, 0.0, 1.0, 0.0)
    found, passes = {}, {}
    for compared in ("both", "completed"):
        recipe = replace(
            TINY, losses=replace(TINY.losses, compared=compared, layer_weights=few)
        )
        features = phi(backbone, recipe.losses)
        assert len(features.stages) == 4
        learner = Learner(recipe, 0, features, fabric)
        image, mask = batch()
        done = learner.net(image, mask)
        with Calls() as calls:
            compared_now = learner._compare(features, done, image)
        passes[compared] = len(calls.inputs("convolution")[0])
        found[compared] = losses.generator_terms(
            done, image, mask, compared_now, [torch.ones(1)], recipe.losses
        )
    assert passes == {"both": 6, "completed": 3}
    out = losses.perceptual_loss(
        phi(backbone, recipe.losses)(done.out), features(image[::3]), few[:4]
    )
    torch.testing.assert_close(
        found["both"].perceptual - out, found["completed"].perceptual
    )


@pytest.mark.parametrize("name", ["perceptual", "style"])
def test_a_term_of_weight_zero_is_left_out(
    name: str, fabric: Fabric, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = replace(TINY, losses=replace(TINY.losses, **{f"{name}_weight": 0.0}))
    learner = Learner(
        recipe, 0, phi(load_backbone("vgg19", "random"), recipe.losses), fabric
    )
    monkeypatch.setattr(losses, f"{name}_loss", None)  # never called
    terms = learner.main_step(*batch(), factor=1.0)
    assert terms[name] == 0
    assert terms["total"].isfinite()


# Compiled


class Graphs:
    """A compiler that computes as before, and keeps what it was given."""

    def __init__(self) -> None:
        self.sizes: list[list[Any]] = []

    def __deepcopy__(self, _: Any) -> "Graphs":  # Fabric copies the arguments
        return self

    def __call__(self, graph: Any, inputs: list[Any]) -> Any:
        self.sizes.append([n for x in inputs for n in getattr(x, "shape", (x,))])
        return graph.forward


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Graphs]:
    torch._dynamo.reset()
    found = Graphs()
    compiler = partial(torch.compile, backend=found)
    monkeypatch.setattr("gin.training.learner.torch.compile", compiler)
    yield found
    torch._dynamo.reset()


@pytest.mark.parametrize("network", ["vgg19", "alexnet"])
def test_phi_discriminators_and_losses_are_one_graph_that_equals_the_eager_one(
    network: str, fabric: Fabric, graphs: Graphs
) -> None:
    features = phi(load_backbone(network, "random"), TINY.losses)
    plain = Learner(TINY, 0, features, fabric)
    compiled = Learner(TINY, 0, features, fabric, compiled=True)
    image, mask = (F.interpolate(x, size=32) for x in batch())
    done, masked = plain.net(image, mask), image * (1 - mask)
    compiled.discriminators.load_state_dict(plain.discriminators.state_dict())
    expected = plain._generator_terms(done, image, mask, masked)
    assert not graphs.sizes
    found = compiled._terms(done, image, mask, masked)
    assert len(graphs.sizes) == 1
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-7)


def test_a_second_size_gets_a_graph_of_its_own(
    features: Features, fabric: Fabric, graphs: Graphs
) -> None:
    learner = Learner(TINY, 0, features, fabric, compiled=True)
    for size in (16, 32, 48):
        image, mask = (F.interpolate(x, size=size) for x in batch())
        learner.warm_up_step(image, mask, factor=1.0)
    assert len(graphs.sizes) == 3
    assert all(type(n) is int for sizes in graphs.sizes for n in sizes)


# State


@both_orders
def test_a_learner_goes_on_from_its_state_bit_for_bit(
    recipe: Recipe, features: Features, fabric: Fabric
) -> None:
    one = Learner(recipe, 0, features, fabric)
    other = Learner(recipe, 1, features, fabric)
    one.warm_up_step(*batch(0), factor=1.0)
    one.main_step(*batch(1), factor=1.0)
    one.follow(2)
    file = io.BytesIO()
    torch.save(one.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    for learner in (one, other):
        learner.main_step(*batch(2), factor=1.0)
        learner.follow(3)
    for name in ("net", "average", "discriminators"):
        assert moved(getattr(other, name), weights(getattr(one, name))) == 0


def test_the_seed_decides_the_first_weights(fabric: Fabric) -> None:
    nets = [Learner(TINY, seed, None, fabric) for seed in (0, 0, 1)]
    for name in ("net", "discriminators"):
        first, same, other = (getattr(learner, name) for learner in nets)
        assert moved(same, weights(first)) == 0
        assert moved(other, weights(first)) > 0


# What cannot be


def test_the_main_stage_needs_a_backbone(fabric: Fabric) -> None:
    with pytest.raises(gin.InputError, match="the main stage needs a backbone"):
        Learner(TINY, 0, None, fabric).main_step(*batch(), factor=1.0)


def test_a_recipe_without_a_backbone_has_neither_eq_4_nor_eq_5(fabric: Fabric) -> None:
    recipe = replace(TINY, backbone=None)
    terms = Learner(recipe, 0, None, fabric).main_step(*batch(), factor=1.0)
    assert (terms["perceptual"], terms["style"]) == (0, 0)
    assert min(terms["l1"], terms["discriminators"]) > 0


def test_images_that_lpips_cannot_take_are_refused_before_the_warm_up(
    fabric: Fabric,
) -> None:
    features = phi(load_backbone("alexnet", "random"), TINY.losses)
    recipe = replace(TINY, data=replace(TINY.data, image_size=16))
    expected = "image_size is 16; expected 31 or more, as the backbone alexnet needs"
    with pytest.raises(gin.InputError, match=expected):
        Learner(recipe, 0, features, fabric)


def test_a_recipe_is_checked_before_anything_is_built(fabric: Fabric) -> None:
    recipe = replace(TINY, losses=replace(TINY.losses, style="mine"))
    with pytest.raises(gin.InputError, match="losses.style is 'mine'; expected paper"):
        Learner(recipe, 0, None, fabric)


def test_a_compiled_step_has_no_graph_break(
    fabric: Fabric, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch 2.11 knows fewer functions than later versions."""
    compiled = partial(torch.compile, backend="eager", fullgraph=True)
    monkeypatch.setattr(torch, "compile", compiled)
    features = phi(load_backbone("alexnet", "random"), GPU.losses)
    recipe = replace(TINY, losses=GPU.losses)
    learner = Learner(recipe, 0, features, fabric, compiled=True)
    image, mask = three_mask_batch(torch.rand(1, 3, 32, 32), np.random.default_rng(0))
    with torch.autocast("cpu", torch.bfloat16):
        learner.warm_up_step(image, mask, factor=1.0)
        terms = learner.main_step(image, mask, factor=1.0)
    assert all(term.isfinite() for term in terms.values())
