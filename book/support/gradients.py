"""The gradients of the five loss terms, and each term's share of their sum.

Used in book/13_style.md, in book/15_total.md and in their solutions.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from support import figures
from support.figures import Drawing, Table
from torch import Tensor, nn

from gin import losses
from gin.generator import Completion, composite
from gin.recipes import LossRecipe
from gin.vgg import Features

TERMS = ("L1", "adversarial", "perceptual", "style", "variation")
Discriminator = Callable[[Tensor, Tensor], Sequence[Tensor]]


def lambdas(recipe: LossRecipe) -> tuple[float, ...]:
    """The factors of the five terms in Eq. 7; that of L1 is 1."""
    return (
        1.0,
        recipe.adversarial_weight,
        recipe.perceptual_weight,
        recipe.style_weight,
        recipe.variation_weight,
    )


@dataclass(frozen=True)
class Batch:
    """Pictures, masks and the frozen networks that the loss terms need.

    Attributes:
        image: I_gt, (B, 3, H, W).
        mask: (B, 1, H, W).
        phi: of Eqs. 4 and 5, with the outputs of convolutions.
        discriminators: of Eq. 2; None stands for outputs of 0.
    """

    image: Tensor
    mask: Tensor
    phi: Features
    discriminators: Discriminator | None = None

    def outputs(self, net: nn.Module) -> "Outputs":
        """Everything that the terms compare, for one network."""
        done = net(self.image, self.mask)
        out, completed = self.phi(done.out), self.phi(done.completed)
        with torch.no_grad():
            true = self.phi(self.image)
        fake: Sequence[Tensor] = [0 * done.completed]
        if self.discriminators:
            masked = composite(torch.ones_like(self.image), self.image, self.mask)
            fake = self.discriminators(masked, done.completed)
        return Outputs(self, done, losses.Features(out, completed, true), fake)


@dataclass(frozen=True)
class Outputs:
    """A batch, the network's outputs, their maps, and the discriminators' outputs."""

    batch: Batch
    done: Completion
    features: losses.Features
    fake: Sequence[Tensor]

    def maps(self, recipe: LossRecipe) -> losses.Features:
        """The maps that the recipe compares: after a ReLU, but for the last, or not."""
        if recipe.layer_outputs == "convolution":
            return self.features
        relu = [
            [*(m.relu() for m in maps[:4]), *maps[4:]] for maps in self.features if maps
        ]
        return losses.Features(*relu)

    def terms(self, recipe: LossRecipe) -> losses.Terms:
        """The five terms in the recipe's variants, by `gin.losses`."""
        everything = replace(recipe, perceptual_weight=1.0, style_weight=1.0)
        image, mask = self.batch.image, self.batch.mask
        maps = self.maps(recipe)
        return losses.generator_terms(
            self.done, image, mask, maps, self.fake, everything
        )

    def weighted(self, recipe: LossRecipe) -> list[float]:
        """The terms times the recipe's weights."""
        pairs = zip(lambdas(recipe), self.terms(recipe), strict=True)
        return [weight * term.item() for weight, term in pairs]


def gradients(net: nn.Module, terms: Sequence[Tensor]) -> Tensor:
    """Each term's gradient over all weights of `net`: (terms, weights), float64."""
    rows = []
    for term in terms:
        parts = torch.autograd.grad(
            term, list(net.parameters()), retain_graph=True, allow_unused=True
        )
        filled = [
            torch.zeros_like(p) if g is None else g
            for p, g in zip(net.parameters(), parts, strict=True)
        ]
        rows.append(torch.cat([g.flatten() for g in filled]))
    return torch.stack(rows).double()


def shares(weighted: Tensor) -> list[float]:
    """The part of the summed gradient that each (weighted) gradient contributes."""
    total = weighted.sum(0)
    parts: list[float] = (weighted @ total / (total @ total)).tolist()
    return parts


def shares_from_products(products: Tensor, weights: Sequence[float]) -> list[float]:
    """`shares` of weighted gradients from the scalar products of the plain ones.

    Args:
        products: (terms, terms), the products of the gradients before weighting.
        weights: one for each term.
    """
    w = torch.tensor(weights, dtype=products.dtype)
    parts: list[float] = (w * (products @ w) / (w @ products @ w)).tolist()
    return parts


def share_bars(parts: Mapping[str, Sequence[float]]) -> Drawing:
    """A panel for each name: the five shares as bars, in per cent."""
    drawing, axes = figures._canvas(1, len(parts), 2.2)
    for axis, (name, values) in zip(axes[0], parts.items(), strict=True):
        percent = [100 * value for value in values]
        bars = axis.barh(TERMS, percent, color=figures.PALETTE)
        axis.bar_label(bars, fmt="%.1f", padding=2, fontsize=8)
        axis.set(title=name, xlabel="share (%)", xlim=(-40, 140))
        if axis is not axes[0, 0]:
            axis.set_yticks([])
        axis.invert_yaxis()
    return drawing


def gradient_table(
    weighted: Mapping[str, Tensor], values: Mapping[str, Sequence[float]] | None = None
) -> Table:
    """The norm and the share of each term's weighted gradient, by moment or recipe."""
    rows: list[tuple[str, ...]] = []
    for name, g in weighted.items():
        if values:
            rows.append((f"{name}, value", *(f"{v:.3f}" for v in values[name])))
        norms = g.norm(dim=1).tolist()
        rows.append((f"{name}, norm", *(f"{v:.4f}" for v in norms)))
        percent = (f"{100 * s:z.1f} %" for s in shares(g))
        rows.append((f"{name}, share", *percent))
    return Table(["times its weight", *TERMS], rows)


def cosines(g: Tensor) -> Tensor:
    """The cosines between the rows: (terms, terms)."""
    unit = g / g.norm(dim=1, keepdim=True)
    return unit @ unit.T


def cosine_table(one: Tensor, two: Tensor) -> Table:
    """Two matrices of cosines in one table."""
    rows = [
        (term, *(f"{a:.2f}; {b:.2f}" for a, b in zip(one[i], two[i], strict=True)))
        for i, term in enumerate(TERMS)
    ]
    return Table(["cosine", *TERMS], rows)


def lambda_table(recipes: Mapping[str, LossRecipe]) -> Table:
    """The factors of the five terms in each recipe."""
    rows = [
        (name, *(f"{w:g}" for w in lambdas(recipe))) for name, recipe in recipes.items()
    ]
    return Table(["weight", *TERMS], rows)


def value_table(
    net: nn.Module, weighted: Mapping[str, Tensor]
) -> tuple[list[float], Table]:
    """The norms of the gradients of weighted terms, and a table with the values."""
    norms: list[float] = gradients(net, [*weighted.values()]).norm(dim=1).tolist()
    rows = [
        (name, f"{term.item():.2f}", f"{norm:.2f}")
        for (name, term), norm in zip(weighted.items(), norms, strict=True)
    ]
    return norms, Table(["weighted term", "value", "norm of the gradient"], rows)
