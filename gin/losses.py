"""The loss terms of section 4.2. Taught in book/02_network.md."""

import torch
from torch import Tensor

from gin.back_projection import resize
from gin.generator import Completion


def l1_loss(
    prediction: Tensor, target: Tensor, mask: Tensor, hole_weight: float
) -> Tensor:
    """lambda_hole * L_hole + L_valid for one pair of images (paper, Eq. 1).

    Each term is the mean absolute difference over its own pixels. prediction and
    target (B, 3, H, W), mask (B, 1, H, W) of 0 and 1; returns a scalar.
    """
    difference = (prediction - target).abs().mean(dim=1, keepdim=True)
    hole = (difference * mask).sum() / mask.sum().clamp(min=1)
    valid = (difference * (1 - mask)).sum() / (1 - mask).sum().clamp(min=1)
    return hole_weight * hole + valid


def reconstruction_loss(
    done: Completion, image: Tensor, mask: Tensor, hole_weight: float
) -> Tensor:
    """Eq. 1 summed over I_coarse, I_out and I_lr, as far as the variant has them.

    image (B, 3, H, W) is the ground truth. The low-resolution pair is a quarter
    of its size, bilinear with aligned corners; a pixel there is missing if any
    of the pixels it was made from is.
    """
    total = l1_loss(done.coarse, image, mask, hole_weight)
    if done.out is not None:
        total = total + l1_loss(done.out, image, mask, hole_weight)
    if done.low_res is not None:
        height, width = done.low_res.shape[-2:]
        small = resize(image, (height, width))
        small_mask = torch.ceil(resize(mask, (height, width)))
        total = total + l1_loss(done.low_res, small, small_mask, hole_weight)
    return total
