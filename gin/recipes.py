"""Hyper-parameters by name. Taught in book/02_network.md."""

from dataclasses import dataclass


@dataclass(frozen=True)
class WarmUpRecipe:
    """How to train the generators alone, with the L1 loss (paper, section 5.1).

    `crops` gives, from each fraction of the budget on, the side of a crop in
    pixels and the photographs in a batch; each photograph comes under three masks.
    The rate climbs over `ramp_steps`, stays, and from `decay_from` falls to zero
    along a cosine. Until `natural_from`, three copies in four are recoloured
    (`gin.data.recolour`): colours of photographs are so alike that a network learns
    to carry brightness into a hole long before it carries colour.
    """

    variant: str = "SPDResBlk-MSSA-BP"
    base_channels: int = 16
    composite: bool = True
    crops: tuple[tuple[float, int, int], ...] = (
        (0.0, 128, 2),
        (0.35, 128, 1),
        (0.72, 192, 1),
        (0.92, 256, 1),
    )
    natural_from: float = 0.87
    rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.99)
    ramp_steps: int = 200
    decay_from: float = 0.7
    clip: float = 1.0
    hole_weight: float = 5.0
    ema_decay: float = 0.999


DEMO = WarmUpRecipe()
SMOKE = WarmUpRecipe(base_channels=8, crops=((0.0, 64, 1),), ramp_steps=5)
RECIPES = {"demo": DEMO, "smoke": SMOKE}
