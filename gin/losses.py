"""The loss terms of section 4.2, in the paper's variant and as released.

Each term is a scalar, float32 or wider whatever autocast made of its inputs: what
comes in narrower is widened before it is subtracted, multiplied or summed.
Taught in book/10_l1.md, book/11_hinge.md, book/12_perceptual.md,
book/13_style.md, book/14_variation.md and book/15_total.md.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from gin.back_projection import resize
from gin.errors import InputError
from gin.generator import Completion
from gin.recipes import PAPER_OR_RELEASED, LossRecipe


class Features(NamedTuple):
    """phi of I_out, of I_compltd and of I_gt: for each layer l, (B, C_l, H_l, W_l).

    `true` may hold B / n images: each then goes with n in a row of the others, as
    `gin.subsampling.three_mask_batch` lays them out. A variant without I_out has
    I_coarse in its place. `out` is None where I_compltd alone is compared.
    """

    out: Sequence[Tensor] | None
    completed: Sequence[Tensor]
    true: Sequence[Tensor]


class Terms(NamedTuple):
    """The generators' five terms, each a scalar and not yet weighted."""

    l1: Tensor
    adversarial: Tensor
    perceptual: Tensor
    style: Tensor
    variation: Tensor

    def total(self, recipe: LossRecipe) -> Tensor:
        """The weighted sum of the five (paper, Eq. 7)."""
        return (
            self.l1
            + recipe.adversarial_weight * self.adversarial
            + recipe.perceptual_weight * self.perceptual
            + recipe.style_weight * self.style
            + recipe.variation_weight * self.variation
        )


def generator_terms(
    done: Completion,
    image: Tensor,
    mask: Tensor,
    features: Features | None,
    fake_maps: Sequence[Tensor],
    recipe: LossRecipe,
) -> Terms:
    """Every term of Eq. 7, each in the recipe's variant.

    image (B, 3, H, W) is the ground truth, mask (B, 1, H, W) of 0 and 1;
    fake_maps are the discriminators' maps of I_compltd. Without features the
    perceptual and the style term are 0, and each of them is 0 where its weight is.
    Raises InputError where shapes or layers do not go together, or a variant is
    unknown.
    """
    l1 = reconstruction_loss(done, image, mask, recipe.hole_weight, recipe.l1)
    perceptual = style = torch.zeros_like(l1)
    if features is not None and recipe.perceptual_weight:
        perceptual = _perceptual(features, recipe)
    if features is not None and recipe.style_weight:
        style = _style(features, recipe)
    return Terms(
        l1=l1,
        adversarial=adversarial_loss(fake_maps),
        perceptual=perceptual,
        style=style,
        variation=total_variation(done.completed, recipe.variation),
    )


def _perceptual(features: Features, recipe: LossRecipe) -> Tensor:
    """Eq. 4: the sum over the images that are compared."""
    weights = recipe.layer_weights[: recipe.layers]
    return _sum(perceptual_loss(f, features.true, weights) for f in _fakes(features))


def _style(features: Features, recipe: LossRecipe) -> Tensor:
    """Eq. 5: the sum over the images that are compared."""
    weights = recipe.layer_weights[: recipe.layers]
    true = gram_matrices(features.true)
    return _sum(
        style_loss(gram_matrices(f), true, weights, recipe.style)
        for f in _fakes(features)
    )


def _fakes(features: Features) -> list[Sequence[Tensor]]:
    """phi of I_out, if it is compared, and of I_compltd."""
    return [f for f in (features.out, features.completed) if f is not None]


def l1_loss(
    prediction: Tensor,
    target: Tensor,
    mask: Tensor,
    hole_weight: float,
    variant: str = "paper",
) -> Tensor:
    """lambda_hole * L_hole + L_valid for one pair of images (paper, Eq. 1).

    In the paper's variant each term is the mean absolute difference over its own
    pixels of an image, 0 where it has none, and then the mean over the images. The
    paper does not say over what it averages; so the loss of a batch is the mean of
    its images' losses, which gradients averaged over processes need. As released
    both terms are divided by all pixels, so that a small hole counts for little.
    prediction and target (B, 3, H, W), mask (B, 1, H, W); a mask between 0 and 1
    counts a pixel in both terms.
    """
    _check_variant(variant)
    _check_pair(prediction, target, mask)
    mask = _wide(mask)
    difference = (_wide(prediction) - target).abs().mean(dim=1, keepdim=True)
    if variant == "released":
        hole, valid = difference * mask, difference * (1 - mask)
        return hole_weight * hole.mean() + valid.mean()
    return hole_weight * _mean(difference, mask) + _mean(difference, 1 - mask)


def reconstruction_loss(
    done: Completion,
    image: Tensor,
    mask: Tensor,
    hole_weight: float,
    variant: str = "paper",
) -> Tensor:
    """Eq. 1 summed over I_coarse, I_out and I_lr, as far as the variant has them.

    image (B, 3, H, W) is the ground truth. The low-resolution pair is a quarter
    of its size, bilinear with aligned corners. In the paper's variant a pixel
    there is missing if any of those it was made from is; as released its mask is
    bilinear too, so that the pixels at a hole's border count in both terms.
    """
    total = l1_loss(done.coarse, image, mask, hole_weight, variant)
    if done.out is not None:
        total = total + l1_loss(done.out, image, mask, hole_weight, variant)
    if done.low_res is not None:
        height, width = done.low_res.shape[-2:]
        small = resize(image, (height, width))
        small_mask = resize(mask, (height, width))
        if variant == "paper":
            small_mask = (small_mask > 0).to(mask.dtype)
        total = total + l1_loss(done.low_res, small, small_mask, hole_weight, variant)
    return total


def adversarial_loss(fake_maps: Sequence[Tensor]) -> Tensor:
    """-sum_d E[D_d(I_in, I_compltd)], the generators' hinge loss (paper, Eq. 2).

    fake_maps: the map of each discriminator, (B, C, h, w) of any size. The
    expectation is the mean over images, channels and patches, so that each
    discriminator counts the same whatever its map's size.
    """
    return -_sum(_wide(fake).mean() for fake in fake_maps)


def discriminator_loss(
    real_maps: Sequence[Tensor], fake_maps: Sequence[Tensor], factor: float = 1.0
) -> Tensor:
    """The discriminators' hinge loss (paper, Eq. 3), times `factor`.

    sum_d E[ReLU(1 - D_d(I_in, I_gt))] + E[ReLU(1 + D_d(I_in, I_compltd))], the
    expectations as in `adversarial_loss`. The factor is 1 in the paper and 0.5
    as released. Raises InputError unless both hold a map for each discriminator.
    """
    if len(real_maps) != len(fake_maps):
        raise InputError(
            f"real_maps has {len(real_maps)} maps and fake_maps {len(fake_maps)}; "
            "expected one for each discriminator in both"
        )
    real = _sum(F.relu(1 - _wide(real)).mean() for real in real_maps)
    fake = _sum(F.relu(1 + _wide(fake)).mean() for fake in fake_maps)
    return factor * (real + fake)


def perceptual_loss(
    features: Sequence[Tensor], true: Sequence[Tensor], layer_weights: Sequence[float]
) -> Tensor:
    """sum_l w_l ||phi_l^I - phi_l^gt||_1 / N_l: one of the two sums of Eq. 4.

    features of I_out or of I_compltd, and `true`, as in `Features`. N_l is the
    number of elements, so a layer's term is a mean. Every w_l is 1 in the paper.
    """
    gaps = _gaps(features, true, layer_weights)
    return _sum(w * gap.abs().mean() for w, gap in gaps)


def gram_matrices(features: Sequence[Tensor]) -> list[Tensor]:
    """phi^T phi / (C H W) of each layer (Eq. 5): (B, C, H, W) -> (B, C, C)."""
    return [_gram_matrix(layer) for layer in features]


def style_loss(
    grams: Sequence[Tensor],
    grams_true: Sequence[Tensor],
    layer_weights: Sequence[float],
    variant: str = "paper",
) -> Tensor:
    """sum_l w_l ||G_l^I - G_l^gt|| / C_l^2: the inner sum of Eq. 5, for one image I.

    G from `gram_matrices`; the batches go together as in `Features`. The norm is
    L1 in the paper, the sum of squares as released.
    """
    _check_variant(variant)
    norm = torch.abs if variant == "paper" else torch.square
    gaps = _gaps(grams, grams_true, layer_weights)
    return _sum(w * norm(gap).mean() for w, gap in gaps)


def total_variation(completed: Tensor, variant: str = "paper") -> Tensor:
    """How much neighbouring pixels of I_compltd differ, over all of it (Eq. 6).

    completed (B, 3, H, W). In the paper's variant the mean over pixels of the L1
    norm of their colours' difference, down and across; as released twice the mean
    over pixels and channels of its square.
    """
    _check_variant(variant)
    image = _wide(completed)
    down = image[:, :, 1:] - image[:, :, :-1]  # (B, 3, H - 1, W)
    across = image[..., 1:] - image[..., :-1]  # (B, 3, H, W - 1)
    if variant == "released":
        return 2 * (down.square().mean() + across.square().mean())
    return down.abs().sum(dim=1).mean() + across.abs().sum(dim=1).mean()


def _mean(difference: Tensor, chosen: Tensor) -> Tensor:
    """Over the chosen pixels of each image, then over images; both (B, 1, H, W)."""
    pixels = chosen.sum(dim=(1, 2, 3)).clamp(min=1)
    return ((difference * chosen).sum(dim=(1, 2, 3)) / pixels).mean()


def _wide(x: Tensor) -> Tensor:
    """float32 at least, so that sums over a million values keep their digits."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _sum(terms: Iterable[Tensor]) -> Tensor:
    found = list(terms)
    if not found:
        raise InputError("there is no map or layer; expected at least one")
    return torch.stack(found).sum()


def _gram_matrix(layer: Tensor) -> Tensor:
    _, channels, height, width = layer.shape
    phi = _wide(layer).permute(0, 2, 3, 1).flatten(1, 2)  # (B, HW, C), not copied
    with torch.autocast(phi.device.type, enabled=False):
        return phi.mT @ phi / (channels * height * width)


def _gaps(
    found: Sequence[Tensor], true: Sequence[Tensor], layer_weights: Sequence[float]
) -> list[tuple[float, Tensor]]:
    """Each layer's weight and its difference from the truth."""
    counts = len(found), len(true), len(layer_weights)
    if len(set(counts)) > 1:
        raise InputError(
            "{} layers, {} of the truth and {} layer weights; "
            "expected as many of each".format(*counts)
        )
    layers = zip(layer_weights, found, true, strict=True)
    return [(weight, _gap(a, b)) for weight, a, b in layers]


def _gap(found: Tensor, true: Tensor) -> Tensor:
    """(B, ...) - (B / n, ...), each true image under its n -> (B / n, n, ...)."""
    if found.shape[1:] != true.shape[1:] or len(found) % len(true):
        raise InputError(
            f"a layer has shape {tuple(found.shape)} and {tuple(true.shape)} for the "
            "truth; expected the same, or a batch that the truth's divides"
        )
    return _wide(found).unflatten(0, (len(true), -1)) - true.unsqueeze(1)


def _check_variant(variant: str) -> None:
    if variant not in PAPER_OR_RELEASED:
        raise InputError(
            f"variant {variant!r}: expected {' or '.join(PAPER_OR_RELEASED)}"
        )


def _check_pair(prediction: Tensor, target: Tensor, mask: Tensor) -> None:
    # Broadcast, any of these would give a number that means nothing.
    if prediction.shape != target.shape:
        raise InputError(
            f"prediction has shape {tuple(prediction.shape)}; "
            f"expected {tuple(target.shape)} as the target"
        )
    batch, _, height, width = target.shape
    if mask.shape != (batch, 1, height, width):
        raise InputError(
            f"mask has shape {tuple(mask.shape)}; "
            f"expected {(batch, 1, height, width)} to go with the target"
        )
