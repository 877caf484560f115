"""What a recipe's values must be: a mistake is found before days of training."""

import math
from collections.abc import Callable
from operator import attrgetter
from typing import Any, NamedTuple

from gin.backbones import LAYERS
from gin.errors import InputError
from gin.losses import READINGS
from gin.recipes import Recipe

COMPARED = ("both", "completed")
ORDERS, STARTS = ("paper", "released"), ("paper", "identity")
WIDEST = 1024  # base_channels; the paper's are 64
MOST_PIXELS = 2**30  # of a batch


class Expected(NamedTuple):
    """Of a value, or of each of several: what holds, and the words for it."""

    holds: Callable[[Any], bool]
    words: str


def _one_of(names: tuple[str, ...]) -> Expected:
    return Expected(lambda found: found in names, " or ".join(names))


_POSITIVE = Expected(lambda x: 0 < x < math.inf, "a number above 0")
_FROM_ZERO = Expected(lambda x: 0 <= x < math.inf, "a number from 0")
_FRACTION = Expected(lambda x: 0 <= x < 1, "from 0, below 1")

EXPECTED = {
    "network.initialisation": Expected(
        lambda found: found in STARTS or found.endswith(".safetensors"),
        f"{', '.join(STARTS)} or a file of weights, .safetensors",
    ),
    "network.base_channels": Expected(
        lambda found: found <= WIDEST, f"at most {WIDEST:,}"
    ),
    "losses.compared": _one_of(COMPARED),
    "losses.l1": _one_of(READINGS),
    "losses.style": _one_of(READINGS),
    "losses.variation": _one_of(READINGS),
    "losses.hole_weight": _FROM_ZERO,
    "losses.adversarial_weight": _FROM_ZERO,
    "losses.perceptual_weight": _FROM_ZERO,
    "losses.style_weight": _FROM_ZERO,
    "losses.variation_weight": _FROM_ZERO,
    "losses.layer_weights": _FROM_ZERO,
    "losses.discriminator_factor": _FROM_ZERO,
    "losses.feature_size": Expected(lambda found: 16 <= found <= 4096, "16 to 4,096"),
    "optimiser.order": _one_of(ORDERS),
    "optimiser.warm_up_rate": _FROM_ZERO,
    "optimiser.generator_rate": _FROM_ZERO,
    "optimiser.discriminator_rate": _FROM_ZERO,
    "optimiser.betas": _FRACTION,
    "optimiser.ramp_steps": _FROM_ZERO,
    "optimiser.clip": _POSITIVE,
    "optimiser.ema_decay": _FRACTION,
}


def check_recipe(recipe: Recipe) -> None:
    """Raise InputError for a value that a `Learner` cannot use; None is not looked at.

    Schedule and phases are checked by `gin.schedule`, the data by `gin.samples`.
    """
    for path, (holds, words) in EXPECTED.items():
        found = attrgetter(path)(recipe)
        several = found if isinstance(found, tuple) else (found,)
        if not all(each is None or holds(each) for each in several):
            raise InputError(f"{path} is {found!r}; expected {words}")
    batches = [(each.photographs, each.side) for each in recipe.phases]
    for photographs, side in [(recipe.data.photographs, recipe.data.side), *batches]:
        if photographs * side**2 > MOST_PIXELS:
            raise InputError(
                f"a batch of {photographs:,} photographs of {side:,} px; "
                f"expected at most {MOST_PIXELS:,} pixels in all"
            )
    if (layers := len(recipe.losses.layer_weights)) != len(LAYERS):
        raise InputError(
            f"losses.layer_weights has {layers} values; expected {len(LAYERS)}, one "
            "for each layer"
        )
