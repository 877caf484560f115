"""A segmentation without weights, for tests."""

import torch
from torch import Tensor, nn

from gin.evaluation.segmentation import Segmenter


class Bright(nn.Module):
    """Three classes by the brightness of the normalised image."""

    def __init__(self) -> None:
        super().__init__()
        self.middle = nn.Parameter(torch.zeros(1))

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        x = image.mean(dim=1, keepdim=True) - self.middle
        return {"out": torch.cat([-x, 0.1 - x.abs(), x], dim=1)}


def by_brightness() -> Segmenter:
    return Segmenter("lraspp", Bright(), "by_brightness")
