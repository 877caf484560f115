"""The gradients of the five loss terms, and each term's share of their sum.

Used in book/13_style.md, in book/15_total.md and in their solutions.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
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
