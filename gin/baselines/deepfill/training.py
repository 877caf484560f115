"""DeepFill's training steps, for the same trainer and photographs as DeepGIN's.

A batch of the trainer has each photograph three times, under a mask of each kind.
DeepFill takes each photograph once, and one mask for the whole batch.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor, nn

from gin.baselines.deepfill.networks import (
    STRIDE,
    Critics,
    DeepFill,
    PatchDiscriminator,
)
from gin.baselines.deepfill.weights import MODELS
from gin.errors import InputError, check_choice
from gin.generator import Completion
from gin.losses import adversarial_loss, discriminator_loss
from gin.masks import KINDS, Mask, deepfill_strokes, draw_what_fits
from gin.recipes import RECIPES
from gin.training.learner import Learner, Losses

CRITIC_STEPS = 5  # v1: for each of the generator's
DISCOUNT = 0.9  # weight factor for each pixel of distance from the box's border
COARSE_WEIGHT = 1.2  # of stage 1, beside stage 2
HOLE_WEIGHT = KNOWN_WEIGHT = 1.2
ADVERSARIAL_WEIGHT = 0.001
PENALTY_WEIGHT = 10.0
MIN_MASK_SIDE = 16  # px, of the picture


class DeepFillLearner(Learner):
    """The network, its discriminators, their optimisers and the moving average.

    Arguments and errors as for `Learner`; `features` is not used.
    """

    net: DeepFill  # type: ignore[assignment]
    average: DeepFill  # type: ignore[assignment]
    discriminators: nn.Module  # type: ignore[assignment]

    copies, steps, stride = 1, 0, STRIDE

    def _networks(self) -> tuple[DeepFill, nn.Module]:  # type: ignore[override]
        network, variant = self.recipe.network, self.recipe.network.variant
        check_choice("network.variant", variant, MODELS)
        if network.initialisation != "paper":
            raise InputError(
                f"network.initialisation is {network.initialisation!r}; expected "
                f"paper, the only one for {variant}"
            )
        if warm_up := self.recipe.schedule.warm_up:
            raise InputError(
                f"schedule.warm_up is {warm_up}; expected 0, because {variant} has no "
                "warm-up stage"
            )
        return MODELS[variant](network.base_channels), self._build_discriminators()

    def _build_discriminators(self) -> nn.Module:
        raise NotImplementedError

    def _discriminator_channels(self) -> int:
        """64 with the published generator, and in proportion with another."""
        network = self.recipe.network
        published = RECIPES[network.variant].network.base_channels
        return max(1, 64 * network.base_channels // published)

    def warm_up_step(self, image: Tensor, mask: Tensor, factor: float) -> Losses:
        """Raise InputError: there is no warm-up stage."""
        raise InputError(f"{self.net.variant} has no warm-up stage")

    def _rng(self) -> np.random.Generator:
        """The state for this step's mask: equal in all processes and resumed runs."""
        return np.random.default_rng([self.seed, self.steps])

    def _frozen_scores(self, condition: Tensor, completed: Tensor) -> Any:
        """The discriminators' scores, without gradients for their weights."""
        self.discriminators.requires_grad_(False)
        with self.fabric.autocast():
            scores = self.discriminators(condition, completed)
        self.discriminators.requires_grad_(True)
        return scores

    def state_dict(self) -> dict[str, Any]:
        """All that the coming steps depend on, the number of steps included."""
        return {**super().state_dict(), "steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load what `state_dict` returned; errors as for `Learner`."""
        super().load_state_dict(state)
        self.steps = state["steps"]


class Box(NamedTuple):
    """A rectangle in the picture, in px."""

    top: int
    left: int
    height: int
    width: int

    def crop(self, image: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, height, width)."""
        rows = slice(self.top, self.top + self.height)
        return image[..., rows, self.left : self.left + self.width]


class DeepFillV1Learner(DeepFillLearner):
    """WGAN-GP: the critics are updated at every step, the generator at every fifth."""

    period = CRITIC_STEPS

    def _build_discriminators(self) -> nn.Module:
        size, phases = self.recipe.data.image_size, self.recipe.phases
        if any(phase.image_size != size for phase in phases):
            raise InputError(
                f"phases of other sizes than data.image_size, {size} px; expected the "
                "same, because deepfillv1's critics take one size"
            )
        return Critics(size, self._discriminator_channels())

    def main_step(self, image: Tensor, mask: Tensor, factor: float) -> Losses:
        """Arguments as for `Learner`; `mask` is replaced by v1's own.

        Returns every term, also in steps that update the critics alone.
        """
        self.set_lr(factor)
        image = image[:: len(KINDS)]
        height, width = image.shape[2:]
        hole, box = deepfillv1_mask(height, width, self._rng())
        mask = _for_all(hole, image)
        self.steps += 1
        turn = self.steps % CRITIC_STEPS == 0
        with torch.set_grad_enabled(turn):
            done = self._complete(image, mask)
        image = 2 * image - 1
        loss_d = self._train_discriminators(done, image, mask, box)
        with torch.set_grad_enabled(turn):
            terms = self._loss_terms(done, image, mask, box)
        if turn:
            self._update_generators(terms["total"])
        named = {name: term.detach() for name, term in terms.items()}
        return {**named, "discriminators": loss_d}

    def _train_discriminators(
        self, done: Completion, image: Tensor, mask: Tensor, box: Box
    ) -> Tensor:
        """The critics' update: both distances, both penalties."""
        fake = 2 * done.completed.detach() - 1
        both = torch.cat([image, fake])
        scores = self._discriminators(box.crop(both), both)
        loss = sum(critic_loss(*s.chunk(2)) for s in scores)
        # Drawn on the CPU, whose random state is kept with the run.
        shares = _sent(torch.rand(len(image), 1, 1, 1), image)
        points = mixed(image, fake, shares)
        boxes = mixed(box.crop(image), box.crop(fake), shares)
        # In float32 and not compiled, because it is differentiated twice.
        whole, part = self.discriminators(boxes, points)
        penalty = gradient_penalty(whole, points, mask)
        penalty = penalty + gradient_penalty(part, boxes, box.crop(mask))
        return self._update_discriminators(loss + PENALTY_WEIGHT * penalty)

    def _loss_terms(
        self, done: Completion, image: Tensor, mask: Tensor, box: Box
    ) -> Losses:
        coarse, out, completed = _signed(done)
        hole = hole_loss(*(box.crop(part) for part in (coarse, out, image)))
        known = known_loss(coarse, out, image, mask)
        scores = self._frozen_scores(box.crop(completed), completed)
        adversarial = -sum(score.float().mean() for score in scores)
        total = (
            HOLE_WEIGHT * hole + KNOWN_WEIGHT * known + ADVERSARIAL_WEIGHT * adversarial
        )
        return {"l1": hole + known, "adversarial": adversarial, "total": total}


class DeepFillV2Learner(DeepFillLearner):
    """Hinge: every step updates the discriminator, then the generator."""

    def _build_discriminators(self) -> nn.Module:
        return PatchDiscriminator(self._discriminator_channels())

    def main_step(self, image: Tensor, mask: Tensor, factor: float) -> Losses:
        """Arguments as for `Learner`; `mask` is replaced by v2's own."""
        self.set_lr(factor)
        image = image[:: len(KINDS)]
        height, width = image.shape[2:]
        mask = _for_all(deepfillv2_mask(height, width, self._rng()), image)
        self.steps += 1
        done = self._complete(image, mask)
        image = 2 * image - 1
        loss_d = self._train_discriminators(done, image, mask)
        terms = self._loss_terms(done, image, mask)
        self._update_generators(terms["total"])
        named = {name: term.detach() for name, term in terms.items()}
        return {**named, "discriminators": loss_d}

    def _train_discriminators(
        self, done: Completion, image: Tensor, mask: Tensor
    ) -> Tensor:
        """The discriminator's update: one pass for true and completed."""
        both = torch.cat([image, 2 * done.completed.detach() - 1])
        real, fake = self._discriminators(torch.cat([mask, mask]), both).chunk(2)
        loss = discriminator_loss([real], [fake], factor=0.5)
        return self._update_discriminators(loss)

    def _loss_terms(self, done: Completion, image: Tensor, mask: Tensor) -> Losses:
        """The generator's loss and its parts, all of weight 1."""
        coarse, out, completed = _signed(done)
        l1 = reconstruction_loss(coarse, out, image)
        adversarial = adversarial_loss([self._frozen_scores(mask, completed)])
        return {"l1": l1, "adversarial": adversarial, "total": l1 + adversarial}


LEARNERS: dict[str, type[DeepFillLearner]] = {
    "deepfillv1": DeepFillV1Learner,
    "deepfillv2": DeepFillV2Learner,
}


def _signed(done: Completion) -> tuple[Tensor, Tensor, Tensor]:
    """I_coarse, I_out and I_compltd in [-1, 1]."""
    assert done.out is not None
    return 2 * done.coarse - 1, 2 * done.out - 1, 2 * done.completed - 1


def _for_all(mask: np.ndarray, image: Tensor) -> Tensor:
    """One mask (H, W) for a batch of images: (B, 1, H, W)."""
    return _sent(torch.from_numpy(mask), image).expand(len(image), 1, -1, -1)


def _sent(drawn: Tensor, image: Tensor) -> Tensor:
    """`drawn` on the image's device and of its type; nothing waits for the copy."""
    if image.device.type == "cuda":
        drawn = drawn.pin_memory()
    return drawn.to(image, non_blocking=True)


def discount(height: int, width: int) -> Tensor:
    """max(0.9^min(i, h - i), 0.9^min(j, w - j)) for row i and column j: (h, w).

    The first row and column count fully, the last ones 0.9 of that.
    """
    rows, columns = (
        DISCOUNT ** torch.minimum(torch.arange(n), n - torch.arange(n))
        for n in (height, width)
    )
    return torch.maximum(rows[:, None], columns)


def hole_loss(coarse: Tensor, out: Tensor, image: Tensor) -> Tensor:
    """v1's mean discounted absolute error in the box, both stages; (B, 3, h, w)."""
    weights = discount(*image.shape[2:]).to(image)
    both = COARSE_WEIGHT * (coarse - image).abs() + (out - image).abs()
    return (weights * both).mean()


def known_loss(coarse: Tensor, out: Tensor, image: Tensor, mask: Tensor) -> Tensor:
    """v1's mean absolute error over the known pixels, both stages; 0 if there are none.

    Images (B, 3, H, W), mask (B, 1, H, W) with 1 = missing.
    """
    known = 1 - mask
    both = COARSE_WEIGHT * (coarse - image).abs() + (out - image).abs()
    return (both.mean(dim=1, keepdim=True) * known).sum() / known.sum().clamp(min=1)


def reconstruction_loss(coarse: Tensor, out: Tensor, image: Tensor) -> Tensor:
    """v2's mean absolute error over the whole image, both stages; (B, 3, H, W)."""
    return (coarse - image).abs().mean() + (out - image).abs().mean()


def critic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """E[D(fake)] - E[D(real)], the negative Wasserstein distance; scores (B, 1)."""
    return fake.mean() - real.mean()


def mixed(real: Tensor, fake: Tensor, shares: Tensor) -> Tensor:
    """A point between each pair of images (B, 3, H, W); shares (B, 1, 1, 1)."""
    return torch.lerp(fake, real, shares).detach().requires_grad_()


def gradient_penalty(scores: Tensor, points: Tensor, mask: Tensor) -> Tensor:
    """E[(||dD/dx (.) M|| - 1)^2]: the hole's share of the gradient has length 1.

    `scores` (B, 1) of the `points` (B, 3, H, W), which require gradients; `mask` is (B,
    1, H, W), 1 = missing. Gulrajani et al. (2017), masked as in v1.
    """
    (gradient,) = torch.autograd.grad(scores.sum(), points, create_graph=True)
    lengths = torch.linalg.vector_norm((gradient * mask).flatten(1), dim=1)
    return (lengths - 1).square().mean()


def random_box(height: int, width: int, rng: Generator) -> Box:
    """A box at a random position, with half of the picture's sides: 128 px in 256.

    Raises InputError for a side below 16 px.
    """
    if min(height, width) < MIN_MASK_SIDE:
        raise InputError(
            f"mask of {height} x {width} px: expected at least {MIN_MASK_SIDE} px "
            "a side"
        )
    top = int(rng.integers(height - height // 2 + 1))
    left = int(rng.integers(width - width // 2 + 1))
    return Box(top, left, height // 2, width // 2)


def deepfillv1_mask(height: int, width: int, rng: Generator) -> tuple[Mask, Box]:
    """A hole, uint8 (height, width) of {0, 1}, and the box around it.

    The hole is the box without up to an eighth at each side: 16 px of 128.
    """
    box = random_box(height, width, rng)
    top, bottom = (int(n) for n in rng.integers(box.height // 8 + 1, size=2))
    left, right = (int(n) for n in rng.integers(box.width // 8 + 1, size=2))
    mask = np.zeros((height, width), np.uint8)
    rows = slice(box.top + top, box.top + box.height - bottom)
    mask[rows, box.left + left : box.left + box.width - right] = 1
    return mask, box


def deepfillv2_mask(height: int, width: int, rng: Generator) -> Mask:
    """v1's hole together with one to three strokes, see `gin.masks`.

    Strokes after which less than 5 % would be known (in small pictures) are left out.
    """
    hole, _ = deepfillv1_mask(height, width, rng)
    return draw_what_fits(deepfill_strokes(height, width, rng), hole)
