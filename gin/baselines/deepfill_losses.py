"""DeepFill's losses; v2's adversarial ones are in `gin.losses`, a hinge as DeepGIN's.

Images are in [-1, 1], as the networks see them, and each loss is a scalar.
"""

import torch
from torch import Tensor

DISCOUNT = 0.9  # a pixel further from the box's border
COARSE_WEIGHT = 1.2  # of stage 1, beside stage 2
HOLE_WEIGHT = KNOWN_WEIGHT = 1.2
ADVERSARIAL_WEIGHT = 0.001
PENALTY_WEIGHT = 10.0


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
    """v1's mean absolute error over what is known, both stages; 0 if nothing is.

    Images (B, 3, H, W), mask (B, 1, H, W) with 1 = missing.
    """
    known = 1 - mask
    both = COARSE_WEIGHT * (coarse - image).abs() + (out - image).abs()
    return (both.mean(dim=1, keepdim=True) * known).sum() / known.sum().clamp(min=1)


def reconstruction_loss(coarse: Tensor, out: Tensor, image: Tensor) -> Tensor:
    """v2's mean absolute error over the whole image, both stages; (B, 3, H, W)."""
    return (coarse - image).abs().mean() + (out - image).abs().mean()


def critic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """E[D(fake)] - E[D(real)], Wasserstein's distance with its sign turned; (B, 1)."""
    return fake.mean() - real.mean()


def mixed(real: Tensor, fake: Tensor, shares: Tensor) -> Tensor:
    """A point between each pair of images (B, 3, H, W); shares (B, 1, 1, 1)."""
    return torch.lerp(fake, real, shares).detach().requires_grad_()


def gradient_penalty(scores: Tensor, points: Tensor, mask: Tensor) -> Tensor:
    """E[(||dD/dx (.) M|| - 1)^2]: the hole's share of the gradient has length 1.

    scores (B, 1) of the points (B, 3, H, W), which require gradients; mask
    (B, 1, H, W), 1 = missing. Gulrajani et al. (2017), masked as in v1.
    """
    (gradient,) = torch.autograd.grad(scores.sum(), points, create_graph=True)
    lengths = torch.linalg.vector_norm((gradient * mask).flatten(1), dim=1)
    return (lengths - 1).square().mean()
