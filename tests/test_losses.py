"""Each loss term against closed forms, an independent computation and gradcheck.

The independent computation, in float64, is tests/helpers/loss_reference.py.
"""

from collections.abc import Callable
from dataclasses import asdict, replace

import loss_reference as reference
import numpy as np
import pytest
import torch
from operator_calls import Calls
from torch import Tensor

import gin
from gin.back_projection import resize
from gin.generator import Completion
from gin.initialisation import identity_initialisation
from gin.losses import (
    Features,
    Terms,
    _gram_matrix,
    adversarial_loss,
    discriminator_loss,
    generator_terms,
    gram_matrices,
    l1_loss,
    perceptual_loss,
    reconstruction_loss,
    style_loss,
    total_variation,
)
from gin.recipes import PAPER_LOSSES, PAPER_OR_RELEASED, RELEASED_LOSSES, LossRecipe
from gin.subsampling import three_mask_batch

variants = pytest.mark.parametrize("variant", PAPER_OR_RELEASED)
recipes = pytest.mark.parametrize(
    "recipe", [PAPER_LOSSES, RELEASED_LOSSES], ids=PAPER_OR_RELEASED
)


# Every term, in both recipes


@recipes
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("copies", [1, 3])
def test_every_term_against_the_independent_computation(
    recipe: LossRecipe, seed: int, copies: int
) -> None:
    given = reference.example(seed, side=24, photographs=2, copies=copies)
    expected = reference.terms(given, recipe)
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 1e-5)):
        found = reference.measured(given, recipe, dtype)
        assert found.keys() == expected.keys()
        for name, value in found.items():
            assert value.dtype == dtype
            assert value.item() == pytest.approx(expected[name], rel=tolerance), name


def test_the_total_is_weighted_as_in_section_5_1() -> None:
    terms = Terms(*map(torch.tensor, (1e0, 1e4, 1e2, 1e-2, 1e2)))
    for recipe in (PAPER_LOSSES, RELEASED_LOSSES):
        assert terms.total(recipe).item() == pytest.approx(1 + 10 + 5 + 0.8 + 10)
        assert recipe.hole_weight == 5


def test_the_recipes_part_where_paper_and_released_code_do() -> None:
    paper, released = asdict(PAPER_LOSSES), asdict(RELEASED_LOSSES)
    assert {name for name in paper if paper[name] != released[name]} == {
        "l1",
        "style",
        "variation",
        "layer_weights",
        "discriminator_factor",
        "layer_outputs",
    }


@recipes
def test_a_perfect_completion_leaves_only_the_adversarial_and_smooth_terms(
    recipe: LossRecipe,
) -> None:
    torch.manual_seed(0)
    photographs = torch.rand(2, 3, 16, 16, dtype=torch.double)
    image, mask = three_mask_batch(photographs, np.random.default_rng(0))
    done = Completion(image, resize(image, (4, 4)), image, image)
    true = [torch.rand(2, 4, 8, 8, dtype=torch.double) for _ in range(5)]
    copies = [layer.repeat_interleave(3, dim=0) for layer in true]
    features = Features(copies, copies, true)
    terms = generator_terms(done, image, mask, features, [torch.ones(6, 1)], recipe)
    assert terms.l1 == terms.perceptual == 0
    assert terms.style.item() == pytest.approx(0, abs=1e-15)
    assert terms.adversarial == -1
    assert terms.variation > 0.1


@recipes
def test_every_term_tells_the_network_something(recipe: LossRecipe) -> None:
    torch.manual_seed(0)
    net, discriminators = (
        gin.DeepGIN(base_channels=4),
        gin.Discriminators(base_channels=4),
    )
    identity_initialisation(net)
    phi = torch.nn.ModuleList(torch.nn.Conv2d(3, 4, 3) for _ in recipe.layer_weights)
    image, mask = three_mask_batch(torch.rand(1, 3, 32, 32), np.random.default_rng(0))
    done = net(image, mask)
    seen = (done.out, done.completed, image[:1])
    features = Features(*([layer(x) for layer in phi] for x in seen))
    fake_maps = discriminators(image * (1 - mask) + mask, done.completed)
    terms = generator_terms(done, image, mask, features, fake_maps, recipe)
    for name, term in terms._asdict().items():
        head = net.refinement.rgb.weight
        (gradient,) = torch.autograd.grad(term, head, retain_graph=True)
        assert gradient.any(), name


@recipes
def test_the_loss_of_a_batch_is_the_mean_of_its_photographs_losses(
    recipe: LossRecipe,
) -> None:
    """Which gradients averaged over processes need, whatever the sizes of the holes."""
    given = reference.example(0, side=24, photographs=2, copies=3)
    half = [
        reference.Example(
            *(
                [layer[len(layer) // 2 * n :][: len(layer) // 2] for layer in part]
                if isinstance(part, list)
                else part[3 * n : 3 * n + 3]
                for part in given
            )
        )
        for n in range(2)
    ]
    whole = reference.measured(given, recipe, torch.float64)
    parts = [reference.measured(each, recipe, torch.float64) for each in half]
    for name, value in whole.items():
        mean = (parts[0][name] + parts[1][name]) / 2
        torch.testing.assert_close(value, mean, rtol=1e-12, atol=1e-15)


# L1, Eq. 1


def test_l1_closed_form() -> None:
    """An error of 0.3 in the hole and 0.1 outside; the hole's share is 15/256."""
    target = torch.rand(2, 3, 16, 16)
    mask = torch.zeros(2, 1, 16, 16)
    mask[..., :3, :5] = 1
    prediction = target + torch.where(mask > 0, 0.3, -0.1)
    found = l1_loss(prediction, target, mask, hole_weight=6)
    torch.testing.assert_close(found, torch.tensor(6 * 0.3 + 0.1))
    found = l1_loss(prediction, target, mask, hole_weight=6, variant="released")
    share = 15 / 256
    torch.testing.assert_close(found, torch.tensor(6 * 0.3 * share + 0.1 * (1 - share)))


@variants
@pytest.mark.parametrize("seed", range(5))
def test_l1_against_the_independent_computation(variant: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    prediction, target = rng.random((2, 2, 3, 8, 12))
    drawn = rng.random((2, 1, 8, 12))
    masks = [drawn < rng.random(), drawn < 2, drawn > 2]  # some, all, none missing
    for mask in [m.astype(float) for m in masks] + [drawn] * (variant == "released"):
        tensors = (torch.from_numpy(x) for x in (prediction, target, mask))
        found = l1_loss(*tensors, hole_weight=4, variant=variant).item()
        expected = reference.l1(prediction, target, mask, 4, variant)
        assert found == pytest.approx(expected, rel=1e-12)


@variants
def test_sum_over_the_three_pairs(variant: str) -> None:
    image = torch.rand(1, 3, 32, 32)
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 8:24, 8:24] = 1
    small = resize(image, (8, 8))
    exact = Completion(image, small, image, image)
    weights = (5, variant)
    assert reconstruction_loss(exact, image, mask, *weights) == 0
    small_share = resize(mask, (8, 8)).mean().item()
    shares = {"coarse": 1 / 4, "out": 1 / 4, "low_res": small_share}
    for field, share in shares.items():
        wrong = exact._replace(**{field: getattr(exact, field) + 0.2})
        found = reconstruction_loss(wrong, image, mask, *weights).item()
        both = 5 * share + (1 - share) if variant == "released" else 5 + 1
        assert found == pytest.approx(both * 0.2, rel=1e-5), field
    coarse_only = Completion(image + 0.2, None, None, image)
    wrong = exact._replace(coarse=image + 0.2)
    found = reconstruction_loss(coarse_only, image, mask, *weights)
    torch.testing.assert_close(found, reconstruction_loss(wrong, image, mask, *weights))


@pytest.mark.parametrize("composite", [False, True])
def test_pasting_before_back_projection_cuts_the_valid_gradient(
    composite: bool,
) -> None:
    """Composite, the valid L1 of I_out sends nothing to the raw valid pixels.

    There I_out is the truth plus the residual. The residual reads a rim of the
    hole's pixels at a quarter of the size, so they alone are told something.
    """
    torch.manual_seed(0)
    net = gin.DeepGIN(base_channels=4, composite=composite)
    identity_initialisation(net)
    raw: list[Tensor] = []
    net.refinement.rgb.register_forward_hook(lambda *about: raw.append(about[2]))
    image = torch.rand(1, 3, 64, 64)
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 16:48, 16:48] = 1
    valid_l1 = l1_loss(net(image, mask).out, image, mask, hole_weight=0)
    (gradient,) = torch.autograd.grad(valid_l1, raw)
    told = gradient.abs().amax(dim=(0, 1)) > 0
    hole = mask[0, 0] == 1
    assert told[~hole].float().mean() == (0 if composite else 1)
    assert told[hole].any()
    assert not told[24:40, 24:40].any()


# Adversarial, Eqs. 2 and 3


def test_hinge_closed_forms() -> None:
    def maps(*values: float) -> list[Tensor]:
        return [torch.full((2, 4, 8 // k, 8 // k), v) for k, v in enumerate(values, 1)]

    assert adversarial_loss(maps(3.0, -1.0)) == -2  # whatever the maps' sizes
    assert discriminator_loss(maps(1.0, 7.0), maps(-1.0, -2.0)) == 0
    assert discriminator_loss(maps(0.0, 0.0), maps(0.0, 0.0)) == 4
    assert discriminator_loss(maps(0.0, -1.0), maps(0.5, -9.0), factor=0.5) == 2.25
    assert discriminator_loss(maps(0.0), maps(0.0)) == 2
    assert discriminator_loss(maps(0.0, 0.0, 0.0), maps(0.0, 0.0, 0.0)) == 6


def test_half_the_discriminator_s_loss_as_released() -> None:
    zeros = (torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 2, 2))
    for recipe, expected in ((PAPER_LOSSES, 4), (RELEASED_LOSSES, 2)):
        assert discriminator_loss(zeros, zeros, recipe.discriminator_factor) == expected


# Perceptual and style, Eqs. 4 and 5


def test_perceptual_closed_form() -> None:
    shapes = (2, 3, 8, 8), (2, 5, 4, 4)
    true = [torch.rand(shape, dtype=torch.double) for shape in shapes]
    found = [true[0] + 0.5, true[1] - 0.25]
    loss = perceptual_loss(found, true, (1.0, 0.5))
    assert loss.item() == pytest.approx(0.5 + 0.5 * 0.25, rel=1e-12)


@pytest.mark.parametrize("groups", [2, 8, 16])
def test_groups_of_rows_add_up_to_the_gram_matrix(groups: int) -> None:
    layer = torch.randn(2, 5, 16, 12, dtype=torch.float64)
    whole, parts = _gram_matrix(layer), _gram_matrix(layer, groups)
    torch.testing.assert_close(parts, whole, rtol=1e-13, atol=1e-13)
    expected = torch.einsum("bchw,bdhw->bcd", layer, layer) / layer[0].numel()
    torch.testing.assert_close(whole, expected, rtol=1e-13, atol=1e-13)


def test_the_gram_matrices_of_both_images_take_one_product_a_layer() -> None:
    maps = [torch.rand(2, 3, 4, 4), torch.rand(2, 5, 2, 2)]
    done = Completion(*(torch.rand(2, 3, 16, 16) for _ in range(4)))
    mask = torch.ones(2, 1, 16, 16)
    recipe = replace(PAPER_LOSSES, layer_weights=(1.0, 1.0, 0.0, 0.0, 0.0))
    done = done._replace(low_res=None)
    with Calls() as calls:
        terms = generator_terms(
            done,
            torch.rand(2, 3, 16, 16),
            mask,
            Features([2 * x for x in maps], [3 * x for x in maps], maps),
            [torch.ones(1)],
            recipe,
        )
    # Each layer: once for both images, and once for the truth.
    assert len(calls.inputs("bmm")) == 4
    grams = gram_matrices(maps)
    expected = sum(
        style_loss([n * n * g for g in grams], grams, (1.0, 1.0)) for n in (2, 3)
    )
    torch.testing.assert_close(terms.style, expected)


def test_gram_matrix_of_constant_channels() -> None:
    values = torch.tensor([1.0, -2.0, 3.0])
    layer = values[None, :, None, None].expand(2, 3, 5, 7)
    (gram,) = gram_matrices([layer])
    torch.testing.assert_close(gram, (values.outer(values) / 3).expand(2, 3, 3))


def test_the_gram_matrix_forgets_places_not_channels() -> None:
    layer = torch.rand(2, 4, 6, 6)
    (gram,) = gram_matrices([layer])
    (turned,) = gram_matrices([layer.flip(2).mT])
    torch.testing.assert_close(turned, gram)
    (exchanged,) = gram_matrices([layer.flip(1)])
    torch.testing.assert_close(exchanged, gram.flip(1, 2))
    (last,) = gram_matrices([layer.contiguous(memory_format=torch.channels_last)])
    torch.testing.assert_close(last, gram)


def test_the_gram_matrix_s_gradient_takes_one_product() -> None:
    torch.manual_seed(0)
    layer = torch.randn(2, 5, 6, 4, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(2, 5, 5, dtype=torch.float64)  # not symmetric
    plain = torch.einsum("bchw,bdhw->bcd", layer, layer) / layer[0].numel()
    (expected,) = torch.autograd.grad((weight * plain).sum(), layer)
    (gram,) = gram_matrices([layer])
    with Calls() as calls:
        (found,) = torch.autograd.grad((weight * gram).sum(), layer)
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-13)
    assert len(calls.inputs("bmm")) == 1


def test_no_gradient_of_channels_last_maps_is_contiguous() -> None:
    """Else it is turned around, and what it is added to: 10 % of a step on a CPU."""
    weights, maps = (1.0,), torch.rand(2, 4, 6, 8)
    maps = maps.contiguous(memory_format=torch.channels_last).requires_grad_()
    terms = [
        adversarial_loss([maps]),
        discriminator_loss([maps], [maps]),
        perceptual_loss([maps], [torch.rand(2, 4, 6, 8)], weights),
        style_loss(gram_matrices([maps]), gram_matrices([2 * maps]), weights),
    ]
    for term in terms:
        with Calls() as calls:
            (found,) = torch.autograd.grad(term, maps)
        seen = [found, *(tensor for _, tensor in calls.found)]
        whole = [tensor for tensor in seen if tensor.shape[-2:] == (6, 8)]
        assert not any(tensor.is_contiguous() for tensor in whole)


def test_style_closed_form() -> None:
    true = [torch.rand(2, 4, 4, dtype=torch.double)]
    found = [true[0] + 0.1]
    assert style_loss(found, true, (0.5,)).item() == pytest.approx(0.05)
    released = style_loss(found, true, (0.5,), "released")
    assert released.item() == pytest.approx(0.005)


def test_the_truth_once_for_its_copies() -> None:
    """Exactly what the repeated truth gives, in the order of three_mask_batch."""
    torch.manual_seed(0)
    true = [torch.rand(2, 3, 4, 4)]
    copies, _ = three_mask_batch(torch.rand(2, 3, 16, 16), np.random.default_rng(0))
    found = [torch.rand(len(copies), 3, 4, 4)]
    repeated = [true[0].repeat_interleave(3, dim=0)]
    assert torch.equal(copies[:3], copies[:1].expand(3, -1, -1, -1))
    torch.testing.assert_close(
        perceptual_loss(found, true, (1.0,)), perceptual_loss(found, repeated, (1.0,))
    )
    grams = gram_matrices(found)
    torch.testing.assert_close(
        style_loss(grams, gram_matrices(true), (1.0,)),
        style_loss(grams, gram_matrices(repeated), (1.0,)),
    )


# Total variation, Eq. 6


def test_variation_of_a_ramp() -> None:
    """0.1 from row to row in each of three channels, 0.2 from column to column."""
    rows, columns = 0.1 * torch.arange(6.0)[:, None], 0.2 * torch.arange(9.0)
    ramp = (rows + columns).expand(2, 3, 6, 9)
    paper, released = (
        total_variation(ramp, variant).item() for variant in PAPER_OR_RELEASED
    )
    assert paper == pytest.approx(3 * 0.1 + 3 * 0.2, rel=1e-5)
    assert released == pytest.approx(2 * (0.1**2 + 0.2**2), rel=1e-5)


@variants
def test_variation_of_one_colour_is_nothing(variant: str) -> None:
    colours = torch.rand(2, 3, 1, 1).expand(2, 3, 5, 8)
    assert total_variation(colours, variant) == 0


# Precision


@recipes
def test_autocast_changes_no_term(recipe: LossRecipe) -> None:
    given = reference.example(0, side=24)
    plain = reference.measured(given, recipe, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        inside = reference.measured(given, recipe, torch.float32)
    assert {name: value.item() for name, value in inside.items()} == {
        name: value.item() for name, value in plain.items()
    }


@variants
def test_what_a_network_gives_in_bfloat16_is_not_rounded_again(variant: str) -> None:
    """Each term of bfloat16 inputs is that of the same numbers in float64."""
    torch.manual_seed(0)
    a, b = (torch.rand(2, 3, 48, 48).bfloat16() for _ in range(2))
    mask = (torch.rand(2, 1, 48, 48) > 0.7).bfloat16()
    functions: list[Callable[..., Tensor]] = [
        lambda a, b, mask: l1_loss(a, b, mask, 5, variant),
        lambda a, b, mask: adversarial_loss([a, b]),
        lambda a, b, mask: discriminator_loss([a], [b]),
        lambda a, b, mask: perceptual_loss([a], [b], (1.0,)),
        lambda a, b, mask: gram_matrices([a])[0].sum(),
        lambda a, b, mask: style_loss(*map(gram_matrices, ([a], [b])), (1,), variant),
        lambda a, b, mask: total_variation(a, variant),
    ]
    for function in functions:
        with torch.autocast("cpu", torch.bfloat16):
            found = function(a, b, mask)
        expected = function(a.double(), b.double(), mask.double())
        assert found.dtype == torch.float32
        assert found.item() == pytest.approx(expected.item(), rel=2e-5)


# Gradients


def doubles(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, dtype=torch.double, generator=generator)


@variants
@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        (
            lambda variant, p: l1_loss(
                p, doubles(2, 3, 4, 5), (doubles(2, 1, 4, 5) > 0).double(), 5, variant
            ),
            [(2, 3, 4, 5)],
        ),
        (
            lambda variant, coarse, out, low_res: reconstruction_loss(
                Completion(coarse, low_res, out, out),
                doubles(1, 3, 9, 8),
                (doubles(1, 1, 9, 8) > 1).double(),
                5,
                variant,
            ),
            [(1, 3, 9, 8), (1, 3, 9, 8), (1, 3, 2, 2)],
        ),
        (lambda _, *fakes: adversarial_loss(fakes), [(2, 2, 3, 3), (2, 2, 2, 2)]),
        (
            lambda _, *maps: discriminator_loss(maps[:2], maps[2:], 0.5),
            [(1, 2, 3, 3), (1, 2, 2, 2), (1, 2, 3, 3), (1, 2, 2, 2)],
        ),
        (
            lambda _, *found: perceptual_loss(
                found, [doubles(1, 3, 3, 2), doubles(1, 2, 2, 2)], (0.25, 1.0)
            ),
            [(3, 3, 3, 2), (3, 2, 2, 2)],
        ),
        (
            lambda variant, *found: style_loss(
                gram_matrices(found),
                gram_matrices([doubles(1, 3, 3, 2), doubles(1, 2, 2, 2)]),
                (0.25, 1.0),
                variant,
            ),
            [(3, 3, 3, 2), (3, 2, 2, 2)],
        ),
        (lambda variant, image: total_variation(image, variant), [(2, 3, 4, 5)]),
    ],
    ids=["l1", "three pairs", "G", "D", "perceptual", "style", "variation"],
)
def test_gradcheck(
    variant: str, function: Callable[..., Tensor], shapes: list[tuple[int, ...]]
) -> None:
    inputs = [(2 * doubles(*shape) + 0.3).requires_grad_() for shape in shapes]
    assert torch.autograd.gradcheck(lambda *found: function(variant, *found), inputs)


# Mistakes


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda x: l1_loss(x, x[:1], x[:, :1], 5),
            r"prediction has shape \(2, 3, 4, 4\); expected \(1, 3, 4, 4\)",
        ),
        (
            lambda x: l1_loss(x, x, x, 5),
            r"mask has shape \(2, 3, 4, 4\); expected \(2, 1, 4, 4\)",
        ),
        (lambda x: l1_loss(x[0], x[0], x[0], 5), r"expected \(B, C, H, W\)"),
        (
            lambda x: l1_loss(x, x, x[:, :1], 5, "both"),
            "variant is 'both'; expected paper or released",
        ),
        (lambda x: total_variation(x, "l2"), "variant is 'l2'; expected paper"),
        (lambda x: style_loss([x], [x], (1,), "l2"), "variant is 'l2'; expected paper"),
        (
            lambda x: discriminator_loss([x], [x, x]),
            "real_maps has 1 maps and fake_maps 2; expected one for each",
        ),
        (lambda x: adversarial_loss([]), "there is no map or layer"),
        (
            lambda x: perceptual_loss([x, x], [x, x], (1, 1, 1)),
            "2 layers, 2 of the truth and 3 layer weights; expected equal numbers",
        ),
        (
            lambda x: perceptual_loss([x], [x[..., :2]], (1,)),
            r"a layer has shape \(2, 3, 4, 4\) and \(2, 3, 4, 2\) for the truth",
        ),
        (
            lambda x: perceptual_loss([x], [torch.cat([x, x[:1]])], (1,)),
            "expected equal shapes, or a batch size that is a multiple",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(
    call: Callable[[Tensor], Tensor], message: str
) -> None:
    with pytest.raises(gin.InputError, match=message):
        call(torch.rand(2, 3, 4, 4))
