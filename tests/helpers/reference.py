"""The parity fixtures: weights that are a function of each tensor's name."""

import json
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

FIXTURES = Path(__file__).parents[1] / "fixtures"
BASE_WIDTHS = {"a": 16, "b": 8}
OUTPUTS = 3  # channels of an image, whatever the base width


def released_shapes(base_channels: int) -> dict[str, tuple[int, ...]]:
    """Every tensor of the published generator file at another base width."""
    keys = json.loads((FIXTURES / "released_checkpoint_keys.json").read_text())
    return {
        name: _scaled(name, tuple(shape), base_channels)
        for name, shape in keys["generator_base_channels_64"]
    }


def _scaled(name: str, shape: tuple[int, ...], c: int) -> tuple[int, ...]:
    fixed = (1, OUTPUTS, 4)  # alpha, RGB, and RGB with the mask
    channels = [n if n in fixed else n * c // 64 for n in shape[:2]]
    return (*channels, *shape[2:])


def released_state(base_channels: int) -> dict[str, Tensor]:
    """The state dict with which the fixtures were made."""
    return {
        name: torch.from_numpy(_weight(name, shape))
        for name, shape in released_shapes(base_channels).items()
    }


def _weight(name: str, shape: tuple[int, ...]) -> np.ndarray:
    noise = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    scale = 0.05 if name.endswith("bias") else 1 / np.sqrt(np.prod(shape[1:]))
    return (scale * noise).astype(np.float32)
