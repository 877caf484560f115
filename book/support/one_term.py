"""A completed picture that follows the gradient of a single loss term.

Used in book/15_total.md.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from support.figures import Table
from support.gradients import TERMS, Discriminator
from torch import Tensor

from gin import losses
from gin.generator import composite
from gin.recipes import PAPER_LOSSES
from gin.vgg import Features


class PictureTerms:
    """The five terms as functions of one completed picture, with absolute norms.

    Args:
        photo: I_gt, (1, 3, H, W).
        mask: (1, 1, H, W).
        phi: of Eqs. 4 and 5.
        discriminators: of Eq. 2.
    """

    def __init__(
        self,
        photo: Tensor,
        mask: Tensor,
        phi: Features,
        discriminators: Discriminator,
    ) -> None:
        self.photo, self.mask, self.phi, self.D = photo, mask, phi, discriminators
        self.masked = composite(torch.ones_like(photo), photo, mask)
        with torch.no_grad():
            self.true = phi(photo)
            self.grams = losses.gram_matrices(self.true)

    def functions(self, y: Tensor) -> dict[str, Callable[[], Tensor]]:
        """Each term of the picture `y`, computed when it is called."""
        ones = PAPER_LOSSES.layer_weights

        def style() -> Tensor:
            grams = losses.gram_matrices(self.phi(y))
            return losses.style_loss(grams, self.grams, ones)

        terms = (
            lambda: losses.l1_loss(y, self.photo, self.mask, 5.0),
            lambda: losses.adversarial_loss(self.D(self.masked, y)),
            lambda: losses.perceptual_loss(self.phi(y), self.true, ones),
            style,
            lambda: losses.total_variation(y),
        )
        return dict(zip(TERMS, terms, strict=True))

    @torch.no_grad()
    def values(self, y: Tensor) -> Tensor:
        """The five terms, (5,)."""
        return torch.stack([term() for term in self.functions(y).values()])

    def follow(self, term: str, start: Tensor, steps: int = 8) -> list[Tensor]:
        """The picture before the first step of Adam and after every second one."""
        x = start.clone().requires_grad_()
        adam, path = torch.optim.Adam([x], 0.02), list[Tensor]()
        fade = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
        for step in range(steps + 1):
            y = composite(x, self.photo, self.mask)
            if step % 2 == 0:
                path.append(y.detach())
            adam.zero_grad()
            self.functions(y)[term]().backward()
            adam.step()
            fade.step()
            x.data.clamp_(0, 1)
        return path


def change_table(
    terms: PictureTerms, paths: Mapping[str, Sequence[Tensor]]
) -> tuple[Tensor, Table]:
    """What following one term did to all five, in per cent of their values: (5, 5)."""
    before = terms.values(paths["L1"][0])
    after = torch.stack([terms.values(path[-1]) for path in paths.values()])
    change = 100 * (after - before) / before.abs()
    rows = [
        (term, *(f"{v:+z.0f} %" for v in row))
        for term, row in zip(paths, change.tolist(), strict=True)
    ]
    return change, Table(["followed", *TERMS], rows)
