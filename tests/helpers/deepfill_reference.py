"""DeepFillv2's parity fixtures: the published names, and weights that follow them."""

import json

import torch
from reference import FIXTURES, _weight
from torch import Tensor

FIXED = (3, 5)  # channels of an image, and of stage 1's input
BASE_WIDTHS = {"a": 16, "b": 8}


def published_shapes(base_channels: int = 48) -> dict[str, tuple[int, ...]]:
    """Every tensor of the published generator at another base width."""
    keys = json.loads((FIXTURES / "deepfillv2_checkpoint_keys.json").read_text())
    shapes = {name: tuple(shape) for name, shape in keys["generator"]}
    return {
        name: (*(_scaled(n, base_channels) for n in shape[:2]), *shape[2:])
        for name, shape in shapes.items()
    }


def _scaled(channels: int, base_channels: int) -> int:
    return channels if channels in FIXED else channels * base_channels // 48


def published_state(base_channels: int) -> dict[str, Tensor]:
    """The state dict with which the fixtures were made."""
    return {
        name: torch.from_numpy(_weight(name, shape))
        for name, shape in published_shapes(base_channels).items()
    }
