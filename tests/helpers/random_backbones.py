"""Backbones of random weights, for tests."""

import torch

from gin.weights.imagenet import Backbone, load_backbone


def with_biases(network: str, seed: int = 0) -> Backbone:
    """Random weights whose biases are not zero, so that a forgotten one shows."""
    backbone = load_backbone(network, "random", seed)
    generator = torch.Generator().manual_seed(1)
    for tensor in backbone.state.values():
        if tensor.ndim == 1:
            tensor.normal_(std=0.3, generator=generator)
    return backbone
