"""Hyper-parameters by name, as typed dataclasses. Taught in book/16_warm_up.md."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Any, NamedTuple

from gin.errors import InputError

LAYERS = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
PAPER_OR_RELEASED = ("paper", "released")
COMPARED = ("both", "completed")
ORDERS, STARTS = ("paper", "released"), ("paper", "identity")
WIDEST = 1024  # base_channels; the paper's are 64
MOST_PIXELS = 2**30  # of a batch


@dataclass(frozen=True)
class NetworkRecipe:
    """Which networks, and how they start.

    `variant` is one of `gin.VARIANTS`, or "deepfillv1" or "deepfillv2", whose networks
    have no other choice than their width. `padding` is the discriminators', which
    start as PyTorch does. `initialisation` is the generators', "paper" or "identity"
    (see `gin.initialisation`), or a file of weights that `gin.save` wrote.
    """

    variant: str = "SPDResBlk-MSSA-BP"
    base_channels: int = 64
    composite: bool = False
    padding: str = "paper"
    initialisation: str = "paper"


@dataclass(frozen=True)
class LossRecipe:
    """The weights of Eq. 1 and Eq. 7, and what paper and released code do apart.

    The weights are those of section 5.1, in both. `l1`, `style` and `variation` are
    "paper" or "released", the readings that `gin.losses` describes. `layer_weights`
    are those of the five VGG layers, in Eq. 4 and Eq. 5 alike. `discriminator_factor`
    multiplies Eq. 3. `layer_outputs` is "convolution", before the ReLU, or "released"; and
    `feature_size` is the side in pixels to which the network phi resizes an image,
    None for the image's own (the paper does not say).

    Most of a main step's time goes into phi. What makes it cheaper: a smaller
    `feature_size`; `compared` "completed", which leaves I_out out of Eqs. 4 and 5
    ("both" is the paper's); layer weights of 0 at the end, whose layers are not
    computed; `Recipe.backbone` "alexnet", whose LPIPS takes the place of Eq. 4.
    A perceptual or style weight of 0 leaves the term out.
    """

    hole_weight: float = 5.0
    adversarial_weight: float = 0.001
    perceptual_weight: float = 0.05
    style_weight: float = 80.0
    variation_weight: float = 0.1
    l1: str = "paper"
    style: str = "paper"
    variation: str = "paper"
    layer_weights: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0, 1.0)
    discriminator_factor: float = 1.0
    layer_outputs: str = "convolution"
    feature_size: int | None = 224
    compared: str = "both"

    @property
    def layers(self) -> int:
        """How many of VGG's layers count: up to the last of a weight above 0."""
        counted = [n for n, weight in enumerate(self.layer_weights, 1) if weight]
        return max(counted, default=1)


PAPER_LOSSES = LossRecipe()
RELEASED_LOSSES = LossRecipe(
    l1="released",
    style="released",
    variation="released",
    layer_weights=(1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0),
    discriminator_factor=0.5,
    layer_outputs="released",
)


@dataclass(frozen=True)
class DataRecipe:
    """How photographs become batches (paper, section 5.1).

    - `view`: "phase" resizes to twice the side, aspect ignored, and takes one of the
      four phases of stride 2; "crop" cuts a square at a random place and scale.
    - `image_size` of a sample in px, and `batch_size`, the photographs in a batch of
      one process; each
      comes under three masks.
    - `augment`: rotated by a multiple of 90 degrees and flipped at random, as released.
    - `free_form_variant` of the free-form masks: "paper", "released" or "alternate".
    """

    view: str = "phase"
    image_size: int = 256
    batch_size: int = 4
    augment: bool = False
    free_form_variant: str = "paper"


@dataclass(frozen=True)
class Phase:
    """From the fraction `start` of the training on: another size of batch.

    `image_size` and `batch_size` take the place of the data's. `recolour_probability`
    is the share of photographs that `gin.data.transforms.recolour` changes.
    """

    start: float
    image_size: int
    batch_size: int
    recolour_probability: float = 0.0


@dataclass(frozen=True)
class OptimiserRecipe:
    """Adam's settings (paper, section 5.1), and the order of the two updates.

    `order` is "paper", where the discriminators learn first and the generators then
    heed their new judgement, or "released", where the generators come first and the
    discriminators see the same completions. `clip` bounds the gradient's norm at the
    generators' update; as released the discriminators' share counts in it too.
    Rates climb over `lr_warmup_steps` at the start of each stage. `ema_decay` averages
    the generators' weights over steps; None keeps no average.
    """

    warm_up_lr: float = 1e-4
    generator_lr: float = 1e-4
    discriminator_lr: float = 4e-4
    betas: tuple[float, float] = (0.5, 0.999)
    lr_warmup_steps: int = 0
    order: str = "paper"
    clip: float | None = None
    ema_decay: float | None = None


@dataclass(frozen=True)
class Schedule:
    """How long: `warm_up`, then the main stage's `flat` and `decay`, in `unit`.

    `unit` is "epochs" or "steps". During `decay` the rates fall to zero, along a
    "linear" or a "cosine" `shape`. The averaged network is validated and a checkpoint
    is written every `save_steps`; if None, every five minutes.
    """

    unit: str = "epochs"
    warm_up: int = 10
    flat: int = 10
    decay: int = 90
    shape: str = "linear"
    save_steps: int | None = None


@dataclass(frozen=True)
class Recipe:
    """Everything that a training's result depends on, but for the data and the seed.

    `phases` change the batches on the way, each from its start to the next one's.
    `backbone` is "vgg19"; "random" for trials that need no downloaded weights;
    "alexnet" for LPIPS of I_compltd in place of Eq. 4, without Eq. 5; or None for
    networks that learn without one.
    """

    network: NetworkRecipe = field(default_factory=NetworkRecipe)
    data: DataRecipe = field(default_factory=DataRecipe)
    losses: LossRecipe = field(default_factory=LossRecipe)
    optimiser: OptimiserRecipe = field(default_factory=OptimiserRecipe)
    schedule: Schedule = field(default_factory=Schedule)
    phases: tuple[Phase, ...] = ()
    backbone: str | None = "vgg19"


PAPER = Recipe()
RELEASED = Recipe(
    network=NetworkRecipe(composite=True, padding="released"),
    data=DataRecipe(augment=True, free_form_variant="released"),
    losses=RELEASED_LOSSES,
    optimiser=OptimiserRecipe(order="released", clip=3.0),
    schedule=Schedule(flat=11, decay=89),
)
DEMO = Recipe(
    network=NetworkRecipe(base_channels=16, composite=True, initialisation="identity"),
    data=DataRecipe(
        view="crop",
        image_size=128,
        batch_size=1,
        augment=True,
        free_form_variant="alternate",
    ),
    # Weights with which no term drowns the others (measured in book/15_total.md).
    losses=LossRecipe(adversarial_weight=0.01, style_weight=5.0, feature_size=None),
    optimiser=OptimiserRecipe(
        warm_up_lr=1e-3,
        generator_lr=5e-4,
        discriminator_lr=4e-4,
        betas=(0.9, 0.99),
        lr_warmup_steps=200,
        clip=1.0,
        ema_decay=0.998,
    ),
    schedule=Schedule(
        unit="steps",
        warm_up=18_000,
        flat=0,
        decay=6_000,
        shape="cosine",
        save_steps=1000,
    ),
    phases=(
        Phase(0.0, image_size=128, batch_size=1, recolour_probability=0.75),
        Phase(0.7, image_size=192, batch_size=1, recolour_probability=0.75),
        Phase(0.85, image_size=192, batch_size=1),
        Phase(0.92, image_size=256, batch_size=1),
    ),
)
SMOKE = replace(
    DEMO,
    network=replace(DEMO.network, base_channels=8),
    data=replace(DEMO.data, image_size=64),
    losses=LossRecipe(feature_size=None),
    optimiser=replace(DEMO.optimiser, lr_warmup_steps=5),
    schedule=replace(DEMO.schedule, warm_up=20, decay=20, save_steps=5),
    phases=(),
    backbone="random",
)
# An hour on one GPU. Many cheap steps beat few dear ones: width 32 and LPIPS.
GPU = Recipe(
    network=NetworkRecipe(base_channels=32, composite=True, initialisation="identity"),
    data=DataRecipe(
        view="crop", batch_size=8, augment=True, free_form_variant="alternate"
    ),
    losses=LossRecipe(
        adversarial_weight=0.02,
        perceptual_weight=1.0,
        style_weight=0.0,
        variation_weight=0.0,
        compared="completed",
    ),
    optimiser=OptimiserRecipe(
        warm_up_lr=1e-3,
        generator_lr=4e-4,
        discriminator_lr=4e-4,
        betas=(0.5, 0.99),
        lr_warmup_steps=200,
        clip=1.0,
        ema_decay=0.999,
    ),
    schedule=Schedule(
        unit="steps", warm_up=36_000, flat=9_000, decay=9_000, shape="cosine"
    ),
    backbone="alexnet",
)
# DeepFill's published settings. Only its schedule is not its own: DeepGIN's 110 epochs,
# without decay. The losses have no part in it, and there is no warm-up.
DEEPFILLV1 = Recipe(
    network=NetworkRecipe(variant="deepfillv1", base_channels=32, composite=True),
    data=DataRecipe(view="crop", image_size=256, batch_size=16),
    optimiser=OptimiserRecipe(
        generator_lr=1e-4, discriminator_lr=1e-4, betas=(0.5, 0.9)
    ),
    schedule=Schedule(warm_up=0, flat=110, decay=0),
    backbone=None,
)
DEEPFILLV2 = Recipe(
    network=NetworkRecipe(variant="deepfillv2", base_channels=48, composite=True),
    data=DataRecipe(view="crop", image_size=256, batch_size=16),
    optimiser=OptimiserRecipe(
        generator_lr=1e-4, discriminator_lr=1e-4, betas=(0.5, 0.999)
    ),
    schedule=Schedule(warm_up=0, flat=110, decay=0),
    backbone=None,
)
RECIPES = {
    "paper": PAPER,
    "released": RELEASED,
    "demo": DEMO,
    "smoke": SMOKE,
    "gpu": GPU,
    "deepfillv1": DEEPFILLV1,
    "deepfillv2": DEEPFILLV2,
}


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
    "losses.l1": _one_of(PAPER_OR_RELEASED),
    "losses.style": _one_of(PAPER_OR_RELEASED),
    "losses.variation": _one_of(PAPER_OR_RELEASED),
    "losses.hole_weight": _FROM_ZERO,
    "losses.adversarial_weight": _FROM_ZERO,
    "losses.perceptual_weight": _FROM_ZERO,
    "losses.style_weight": _FROM_ZERO,
    "losses.variation_weight": _FROM_ZERO,
    "losses.layer_weights": _FROM_ZERO,
    "losses.discriminator_factor": _FROM_ZERO,
    "losses.feature_size": Expected(lambda found: 16 <= found <= 4096, "16 to 4,096"),
    "optimiser.order": _one_of(ORDERS),
    "optimiser.warm_up_lr": _FROM_ZERO,
    "optimiser.generator_lr": _FROM_ZERO,
    "optimiser.discriminator_lr": _FROM_ZERO,
    "optimiser.betas": _FRACTION,
    "optimiser.lr_warmup_steps": _FROM_ZERO,
    "optimiser.clip": _POSITIVE,
    "optimiser.ema_decay": _FRACTION,
}


def check_recipe(recipe: Recipe) -> None:
    """Raise InputError for a value that a `Learner` cannot use; None is not looked at.

    Schedule and phases are checked by `gin.training.schedule`, the data by `gin.data.transforms`.
    """
    for path, (holds, words) in EXPECTED.items():
        found = attrgetter(path)(recipe)
        several = found if isinstance(found, tuple) else (found,)
        if not all(each is None or holds(each) for each in several):
            raise InputError(f"{path} is {found!r}; expected {words}")
    batches = [(phase.batch_size, phase.image_size) for phase in recipe.phases]
    for count, size in [(recipe.data.batch_size, recipe.data.image_size), *batches]:
        if count * size**2 > MOST_PIXELS:
            raise InputError(
                f"a batch of {count:,} photographs of {size:,} px; "
                f"expected at most {MOST_PIXELS:,} pixels in all"
            )
    if (layers := len(recipe.losses.layer_weights)) != len(LAYERS):
        raise InputError(
            f"losses.layer_weights has {layers} values; expected {len(LAYERS)}, one "
            "for each layer"
        )
