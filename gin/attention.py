"""Self-attention over all positions of a feature map (the non-local block).

Taught in book/06_attention.md.
"""

import torch.nn.functional as F
from torch import Tensor, nn


class SelfAttention(nn.Module):
    """Embedded-Gaussian non-local block (paper, section 4.1; its reference [29]).

    The output is the input plus a projection of softmax(theta^T phi) g, the weighted
    sum over all positions; theta, phi and g have C // 2 channels. Unlike in
    transformers, theta^T phi is not divided by sqrt(d). There is no normalisation and
    no sub-sampling.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.theta = nn.Conv2d(channels, channels // 2, 1)
        self.phi = nn.Conv2d(channels, channels // 2, 1)
        self.g = nn.Conv2d(channels, channels // 2, 1)
        self.project = nn.Conv2d(channels // 2, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        query, key, value = (
            # (B, C/2, H, W) -> (B, 1, HW, C/2): one head, one token for each position.
            # The fused kernels need contiguous channels.
            layer(x).flatten(2).transpose(1, 2).contiguous().unsqueeze(1)
            for layer in (self.theta, self.phi, self.g)
        )
        # A fused kernel does not store the HW x HW weights.
        attended = F.scaled_dot_product_attention(query, key, value, scale=1.0)
        attended = attended.squeeze(1).transpose(1, 2).unflatten(2, x.shape[-2:])
        return x + self.project(attended)
