"""The loss terms of section 4.2, in the paper's variant and as released.

Each term is a scalar in float32 or float64. Inputs of lower precision, as under
autocast, are converted before any arithmetic. Taught in book/10_l1.md,
book/11_adversarial.md, book/12_perceptual.md, book/13_style.md, book/14_variation.md
and book/15_total.md.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from gin.back_projection import resize
from gin.errors import InputError, check_choice
from gin.generator import Completion
from gin.recipes import PAPER_OR_RELEASED, LossRecipe


class Features(NamedTuple):
    """Feature maps of the network phi: (B, C_l, H_l, W_l) for each layer l."""

    #: of I_out, or of I_coarse in a variant without I_out; None if only I_compltd is
    #: compared
    out: Sequence[Tensor] | None
    completed: Sequence[Tensor]  #: of I_compltd
    #: of I_gt. With a batch of B / n, each image is compared with n consecutive ones of
    #: the others, as in `gin.subsampling.three_mask_batch`.
    true: Sequence[Tensor]

    @property
    def fakes(self) -> list[Sequence[Tensor]]:
        """The maps of I_out, if it is compared, and of I_compltd."""
        return [maps for maps in (self.out, self.completed) if maps is not None]


class Terms(NamedTuple):
    """The generators' five terms: scalars, before weighting (paper, Eqs. 1 to 6)."""

    l1: Tensor
    adversarial: Tensor
    perceptual: Tensor
    style: Tensor
    variation: Tensor

    def total(self, recipe: LossRecipe) -> Tensor:
        """Return the weighted sum of the terms (paper, Eq. 7)."""
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
    """Return every term of Eq. 7, each in the recipe's variant.

    `image` is I_gt, (B, 3, H, W), `mask` (B, 1, H, W) of 0 and 1, 1 = missing, and
    `fake_maps` are the discriminators' maps of I_compltd. Without `features` the
    perceptual and the style term are 0, as is a term of weight 0. Raises InputError if
    shapes or layers do not match, or a variant is unknown.
    """
    l1 = reconstruction_loss(done, image, mask, recipe.hole_weight, recipe.l1)
    perceptual = style = torch.zeros_like(l1)
    weights = recipe.layer_weights[: recipe.layers]
    if features is not None and recipe.perceptual_weight:
        perceptual = _sum(
            perceptual_loss(fake, features.true, weights) for fake in features.fakes
        )
    if features is not None and recipe.style_weight:
        true = gram_matrices(features.true)
        stacked = [torch.cat(maps) for maps in zip(*features.fakes, strict=True)]
        grams = [gram.chunk(len(features.fakes)) for gram in gram_matrices(stacked)]
        style = _sum(
            style_loss(fake, true, weights, recipe.style)
            for fake in zip(*grams, strict=True)
        )
    return Terms(
        l1=l1,
        adversarial=adversarial_loss(fake_maps),
        perceptual=perceptual,
        style=style,
        variation=total_variation(done.completed, recipe.variation),
    )


def l1_loss(
    prediction: Tensor,
    target: Tensor,
    mask: Tensor,
    hole_weight: float,
    variant: str = "paper",
) -> Tensor:
    """Return lambda_hole * L_hole + L_valid for one pair of images (paper, Eq. 1).

    - "paper": each term is the mean absolute difference over its own pixels of an image
      (0 without any), averaged over the batch. The paper does not define the average;
      with this one, gradients averaged over processes are those of the whole batch.
    - "released": both terms are divided by the number of all pixels, so the weight of a
      hole is proportional to its area.

    Images are (B, 3, H, W), `mask` is (B, 1, H, W) in [0, 1], 1 = missing. A pixel with
    a value between 0 and 1 contributes to both terms. Raises InputError if shapes do
    not match, or the variant is unknown.
    """
    check_choice("variant", variant, PAPER_OR_RELEASED)
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
    """Return the sum of Eq. 1 over those of I_coarse, I_out and I_lr that `done` has.

    I_lr is compared with the ground truth at a quarter of its size, bilinear with
    aligned corners. "paper": a pixel of the small mask is missing if any pixel it is
    interpolated from is. "released": the small mask has the interpolated values, so
    that pixels at a hole's border contribute to both terms. Other arguments and errors
    are those of `l1_loss`.
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
    """Return -sum_d E[D_d(I_in, I_compltd)], the generators' hinge loss (paper, Eq. 2).

    `fake_maps` has the map (B, C, h, w) of each discriminator, of any size. The
    expectation is the mean over images, channels and patches, so the discriminators
    have equal weights whatever the sizes of their maps. Raises InputError if there is
    no map.
    """
    return -_sum(_all_mean(_wide(fake)) for fake in fake_maps)


def discriminator_loss(
    real_maps: Sequence[Tensor], fake_maps: Sequence[Tensor], factor: float = 1.0
) -> Tensor:
    """Return the discriminators' hinge loss (paper, Eq. 3), times `factor`.

    sum_d E[ReLU(1 - D_d(I_in, I_gt))] + E[ReLU(1 + D_d(I_in, I_compltd))], with maps
    and expectations as in `adversarial_loss`. `factor` is 1 in the paper, 0.5 as
    released. Raises InputError if the numbers of maps differ, or there is none.
    """
    if len(real_maps) != len(fake_maps):
        raise InputError(
            f"real_maps has {len(real_maps)} maps and fake_maps {len(fake_maps)}; "
            "expected one for each discriminator in both"
        )
    real = _sum(_all_mean(F.relu(1 - _wide(real))) for real in real_maps)
    fake = _sum(_all_mean(F.relu(1 + _wide(fake))) for fake in fake_maps)
    return factor * (real + fake)


def perceptual_loss(
    features: Sequence[Tensor], true: Sequence[Tensor], layer_weights: Sequence[float]
) -> Tensor:
    """Return sum_l w_l ||phi_l^I - phi_l^gt||_1 / N_l, one of the two sums of Eq. 4.

    I is I_out or I_compltd, with maps as in `Features`. N_l is the number of elements,
    so a layer's term is a mean. The `layer_weights` w_l are 1 in the paper. Raises
    InputError if shapes or numbers of layers do not match.
    """
    gaps = _gaps(features, true, layer_weights)
    return _sum(w * _all_mean(gap.abs()) for w, gap in gaps)


def gram_matrices(features: Sequence[Tensor]) -> list[Tensor]:
    """Return phi^T phi / (C H W) of each layer (Eq. 5): (B, C, H, W) -> (B, C, C)."""
    return [
        _gram_matrix(layer, math.gcd(layer.shape[2], 16) if layer.is_cuda else 1)
        for layer in features
    ]


def style_loss(
    grams: Sequence[Tensor],
    grams_true: Sequence[Tensor],
    layer_weights: Sequence[float],
    variant: str = "paper",
) -> Tensor:
    """Return sum_l w_l ||G_l^I - G_l^gt|| / C_l^2, one of the two sums of Eq. 5.

    `grams` and `grams_true` are `gram_matrices` of I (I_out or I_compltd) and of I_gt;
    batch sizes are as in `Features`. The norm is L1 in the variant "paper", the sum of
    squares in "released". Raises InputError if shapes or numbers of layers do not
    match, or the variant is unknown.
    """
    check_choice("variant", variant, PAPER_OR_RELEASED)
    norm = torch.abs if variant == "paper" else torch.square
    gaps = _gaps(grams, grams_true, layer_weights)
    return _sum(w * norm(gap).mean() for w, gap in gaps)


def total_variation(completed: Tensor, variant: str = "paper") -> Tensor:
    """Return the total variation of I_compltd over the whole image (paper, Eq. 6).

    `completed` is (B, 3, H, W), H and W from 2. "paper": the mean over pixels of the L1
    norm of the difference to the next pixel, vertically and horizontally. "released":
    twice the mean over pixels and channels of its square. Raises InputError if the
    variant is unknown.
    """
    check_choice("variant", variant, PAPER_OR_RELEASED)
    image = _wide(completed)
    down = image[:, :, 1:] - image[:, :, :-1]  # (B, 3, H - 1, W)
    across = image[..., 1:] - image[..., :-1]  # (B, 3, H, W - 1)
    if variant == "released":
        return 2 * (down.square().mean() + across.square().mean())
    return down.abs().sum(dim=1).mean() + across.abs().sum(dim=1).mean()


def _mean(difference: Tensor, weight: Tensor) -> Tensor:
    """The weighted mean of each image, then over images; both (B, 1, H, W)."""
    pixels = weight.sum(dim=(1, 2, 3)).clamp(min=1)
    return ((difference * weight).sum(dim=(1, 2, 3)) / pixels).mean()


def _all_mean(x: Tensor) -> Tensor:
    """The mean, with a gradient that keeps channels_last; that of `mean` does not."""
    return x.sum() / x.numel()


def _wide(x: Tensor) -> Tensor:
    """`x` in float32 at least, for precise sums over a million values."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _sum(terms: Iterable[Tensor]) -> Tensor:
    scalars = list(terms)
    if not scalars:
        raise InputError("there is no map or layer; expected at least one")
    return torch.stack(scalars).sum()


def _gram_matrix(layer: Tensor, groups: int = 1) -> Tensor:
    """phi^T phi / (C H W), summed over groups of rows: (B, C, H, W) -> (B, C, C).

    A GPU computes several small products faster than a long one. In training on CUDA
    they use TF32, in which bf16 features are exact.
    """
    _, channels, height, width = layer.shape
    phi = _wide(layer).permute(0, 2, 3, 1).flatten(1, 2)  # (B, HW, C), not copied
    phi = phi.unflatten(1, (groups, -1))
    with torch.autocast(phi.device.type, enabled=False):
        return _Gram.apply(phi).sum(dim=1) / (channels * height * width)


class _Gram(torch.autograd.Function):
    """phi^T phi, with one product backwards instead of two and their sum."""

    @staticmethod
    def forward(ctx: Any, phi: Tensor) -> Tensor:
        ctx.save_for_backward(phi)
        return phi.mT @ phi

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (phi,) = ctx.saved_tensors
        return phi @ (grad + grad.mT)


def _gaps(
    values: Sequence[Tensor], true: Sequence[Tensor], layer_weights: Sequence[float]
) -> list[tuple[float, Tensor]]:
    """Each layer's weight, and the difference of its values from the truth."""
    counts = len(values), len(true), len(layer_weights)
    if len(set(counts)) > 1:
        raise InputError(
            "{} layers, {} of the truth and {} layer weights; "
            "expected equal numbers".format(*counts)
        )
    layers = zip(layer_weights, values, true, strict=True)
    return [(weight, _gap(a, b)) for weight, a, b in layers]


def _gap(values: Tensor, true: Tensor) -> Tensor:
    """(B, ...) minus (B / n, ...), for n consecutive images each -> (B / n, n, ...)."""
    if values.shape[1:] != true.shape[1:] or len(values) % len(true):
        raise InputError(
            f"a layer has shape {tuple(values.shape)} and {tuple(true.shape)} for the "
            "truth; expected equal shapes, or a batch size that is a multiple of the "
            "truth's"
        )
    return _wide(values).unflatten(0, (len(true), -1)) - true.unsqueeze(1)


def _check_pair(prediction: Tensor, target: Tensor, mask: Tensor) -> None:
    # Broadcasting would otherwise hide an error.
    if prediction.shape != target.shape:
        raise InputError(
            f"prediction has shape {tuple(prediction.shape)}; "
            f"expected {tuple(target.shape)} as the target"
        )
    if target.ndim != 4:
        raise InputError(
            f"target has shape {tuple(target.shape)}; expected (B, C, H, W)"
        )
    batch, _, height, width = target.shape
    if mask.shape != (batch, 1, height, width):
        raise InputError(
            f"mask has shape {tuple(mask.shape)}; "
            f"expected {(batch, 1, height, width)} to go with the target"
        )
