"""Hyper-parameters of a training as typed dataclasses, and recipes by name.

Taught in book/17_warm_up.md.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

from gin.errors import InputError

LAYERS = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
PaperOrReleased = Literal["paper", "released"]
PAPER_OR_RELEASED = get_args(PaperOrReleased)
INITIALISATIONS = ("paper", "identity")
MAX_BASE_CHANNELS = 1024  # the paper has 64
MIN_IMAGE_SIZE = 16  # px: the generator's stride
MAX_BATCH_PIXELS = 2**30


@dataclass(frozen=True)
class NetworkRecipe:
    """The networks and their initialisation (paper, section 4.1 and Table 1)."""

    #: one of `gin.VARIANTS`, or "deepfillv1" or "deepfillv2", for which only
    #: `base_channels` can be chosen
    variant: str = "SPDResBlk-MSSA-BP"
    base_channels: int = 64  #: the base width, 64 in the paper
    #: whether known pixels are pasted before G2 and before back projection, as released
    composite: bool = False
    #: of the discriminators, see `gin.Discriminators`
    padding: PaperOrReleased = "paper"
    #: of the generators: "paper" or "identity" (see `gin.initialisation`), or a weights
    #: file that `gin.save` wrote. The discriminators have PyTorch's default
    #: initialisation.
    initialisation: str = "paper"


@dataclass(frozen=True)
class LossRecipe:
    """The weights of Eq. 1 and Eq. 7, and where paper and released code differ.

    The defaults are those of section 5.1. Most of a main step's time goes into the
    network phi of Eqs. 4 and 5. Cheaper are a smaller `feature_size`, `compared`
    "completed", trailing `layer_weights` of 0, and `Recipe.backbone` "alexnet".
    """

    hole_weight: float = 5.0  #: lambda_hole of Eq. 1.
    adversarial_weight: float = 0.001  #: of the generators' hinge loss in Eq. 7.
    #: of Eq. 4 in Eq. 7; at 0 the term is not computed.
    perceptual_weight: float = 0.05
    style_weight: float = 80.0  #: of Eq. 5 in Eq. 7; at 0 the term is not computed.
    variation_weight: float = 0.1  #: of Eq. 6 in Eq. 7.
    l1: PaperOrReleased = "paper"  #: the variant of Eq. 1, see `gin.losses.l1_loss`.
    #: the variant of Eq. 5, see `gin.losses.style_loss`.
    style: PaperOrReleased = "paper"
    #: the variant of Eq. 6, see `gin.losses.total_variation`.
    variation: PaperOrReleased = "paper"
    #: of the five VGG layers, in Eq. 4 and in Eq. 5. Layers after the last weight above
    #: 0 are not computed.
    layer_weights: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0, 1.0)
    discriminator_factor: float = 1.0  #: multiplies Eq. 3.
    #: "convolution", before the ReLU, or "released", see `gin.vgg.Features`
    layer_outputs: Literal["convolution", "released"] = "convolution"
    #: the side in px to which images are resized for phi; None keeps their size (the
    #: paper does not say)
    feature_size: int | None = 224
    #: the images in Eqs. 4 and 5: "both" I_out and I_compltd (paper), or "completed",
    #: I_compltd alone.
    compared: Literal["both", "completed"] = "both"

    @property
    def layers(self) -> int:
        """The number of VGG's layers up to the last one with a weight above 0."""
        weighted = [n for n, weight in enumerate(self.layer_weights, 1) if weight]
        return max(weighted, default=1)


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
    """How photographs become batches (paper, section 5.1)."""

    #: "phase" resizes to twice `image_size`, whatever the aspect ratio, and takes one
    #: of the four phases of stride 2; "crop" cuts out a square at a random position and
    #: scale
    view: Literal["phase", "crop"] = "phase"
    image_size: int = 256  #: side of a sample in px
    #: photographs in a batch of one process; each of them has three masks
    batch_size: int = 4
    #: rotate by a random multiple of 90 degrees and flip at random, as released
    augment: bool = False
    #: of `gin.masks.free_form`; "alternate" takes both in turn
    free_form_variant: Literal["paper", "released", "alternate"] = "paper"


@dataclass(frozen=True)
class Phase:
    """Batches of another size, from a fraction of the training on."""

    start: float  #: the fraction of the training, from 0, below 1
    image_size: int  #: takes the place of `DataRecipe.image_size`
    batch_size: int  #: takes the place of `DataRecipe.batch_size`
    #: of `gin.data.transforms.recolour`, for each photograph
    recolour_probability: float = 0.0


@dataclass(frozen=True)
class OptimiserRecipe:
    """The settings of Adam (paper, section 5.1) and the order of the two updates."""

    warm_up_lr: float = 1e-4  #: learning rate of the generators in the warm-up stage
    generator_lr: float = 1e-4  #: learning rate of the generators in the main stage
    discriminator_lr: float = 4e-4  #: learning rate of the discriminators
    betas: tuple[float, float] = (0.5, 0.999)  #: Adam's decay rates
    #: steps over which the learning rates rise linearly at the start of each stage
    lr_warmup_steps: int = 0
    #: "paper" updates the discriminators first, and their new maps enter the
    #: generators' loss; "released" updates the generators first, and both losses have
    #: the same completed images
    order: PaperOrReleased = "paper"
    #: maximum norm of the gradient at the generators' update, None for no maximum. As
    #: released, the norm includes the discriminators' gradient.
    clip: float | None = None
    #: decay of the exponential moving average of the generators' weights, None for no
    #: average
    ema_decay: float | None = None


@dataclass(frozen=True)
class Schedule:
    """The lengths of the warm-up stage and of the main stage (paper, section 5.1)."""

    unit: Literal["epochs", "steps"] = "epochs"  #: of `warm_up`, `flat` and `decay`
    warm_up: int = 10  #: length of the warm-up stage
    flat: int = 10  #: length of the main stage's first part, at constant learning rates
    decay: int = 90  #: length of its second part, in which the learning rates fall to 0
    shape: Literal["linear", "cosine"] = "linear"  #: of the learning rates' fall
    #: steps from one validation and checkpoint to the next; None stands for every five
    #: minutes
    save_steps: int | None = None


@dataclass(frozen=True)
class Recipe:
    """Everything that the result of a training depends on, except data and seed."""

    network: NetworkRecipe = field(default_factory=NetworkRecipe)  #: the networks
    data: DataRecipe = field(default_factory=DataRecipe)  #: the batches
    losses: LossRecipe = field(default_factory=LossRecipe)  #: the loss terms
    #: Adam and the order of updates
    optimiser: OptimiserRecipe = field(default_factory=OptimiserRecipe)
    schedule: Schedule = field(default_factory=Schedule)  #: the lengths of the stages
    #: batches of other sizes, each from its start to the next one's
    phases: tuple[Phase, ...] = ()
    #: the network phi. "vgg19" is the paper's; "alexnet" puts LPIPS of I_compltd in
    #: place of Eq. 4 and has no Eq. 5; "random", VGG-19 with random weights, needs no
    #: download; None has neither Eq. 4 nor Eq. 5.
    backbone: Literal["vgg19", "alexnet", "random"] | None = "vgg19"


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
    # Weights that give all terms gradients of like size (book/15_total.md).
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
# For an hour on one GPU: width 32 and LPIPS make a step cheap.
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
        # On an H100 in bf16 the loss was not finite with 1e-3 and a clip of 1.
        warm_up_lr=5e-4,
        generator_lr=2e-4,
        discriminator_lr=4e-4,
        betas=(0.5, 0.99),
        lr_warmup_steps=300,
        clip=0.5,
        ema_decay=0.999,
    ),
    schedule=Schedule(
        unit="steps", warm_up=36_000, flat=9_000, decay=9_000, shape="cosine"
    ),
    backbone="alexnet",
)
# DeepFill's published settings, but for the schedule: DeepGIN's 110 epochs, without
# decay and without a warm-up stage. DeepFill's learner has its own losses.
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
    """A condition on a value, and its wording in the error message."""

    holds: Callable[[Any], bool]
    words: str


_POSITIVE = Expected(lambda x: 0 < x < math.inf, "a number above 0")
_FROM_ZERO = Expected(lambda x: 0 <= x < math.inf, "a number from 0")
_FROM_ONE = Expected(lambda x: x >= 1, "a number from 1")
_FRACTION = Expected(lambda x: 0 <= x < 1, "from 0, below 1")
_SIZE = Expected(lambda x: x >= MIN_IMAGE_SIZE, f"{MIN_IMAGE_SIZE} px or more")
EXPECTED = {
    "network.initialisation": Expected(
        lambda x: x in INITIALISATIONS or x.endswith(".safetensors"),
        f"{', '.join(INITIALISATIONS)} or a file of weights, .safetensors",
    ),
    "network.base_channels": Expected(
        lambda x: x <= MAX_BASE_CHANNELS, f"at most {MAX_BASE_CHANNELS:,}"
    ),
    "data.image_size": _SIZE,
    "data.batch_size": _FROM_ONE,
    "losses.hole_weight": _FROM_ZERO,
    "losses.adversarial_weight": _FROM_ZERO,
    "losses.perceptual_weight": _FROM_ZERO,
    "losses.style_weight": _FROM_ZERO,
    "losses.variation_weight": _FROM_ZERO,
    "losses.layer_weights": _FROM_ZERO,
    "losses.discriminator_factor": _FROM_ZERO,
    "losses.feature_size": Expected(lambda x: 16 <= x <= 4096, "16 to 4,096"),
    "optimiser.warm_up_lr": _FROM_ZERO,
    "optimiser.generator_lr": _FROM_ZERO,
    "optimiser.discriminator_lr": _FROM_ZERO,
    "optimiser.betas": _FRACTION,
    "optimiser.lr_warmup_steps": _FROM_ZERO,
    "optimiser.clip": _POSITIVE,
    "optimiser.ema_decay": _FRACTION,
    "schedule.warm_up": _FROM_ZERO,
    "schedule.flat": _FROM_ZERO,
    "schedule.decay": _FROM_ZERO,
    "schedule.save_steps": _FROM_ONE,
    "phases.image_size": _SIZE,
    "phases.batch_size": _FROM_ONE,
}


def check_recipe(recipe: Recipe) -> None:
    """Raise InputError for a value that no training can use.

    `network.variant` is checked where the networks are built.
    """
    for name in ("network", "data", "losses", "optimiser", "schedule"):
        check_section(name, getattr(recipe, name))
    for phase in recipe.phases:
        check_section("phases", phase)
    _check_value("backbone", recipe.backbone, get_type_hints(Recipe)["backbone"])
    _check_layer_weights(recipe.losses.layer_weights)
    _check_lengths(recipe.schedule)
    _check_starts(recipe.phases)
    _check_pixels(recipe.data.batch_size, recipe.data.image_size)
    for phase in recipe.phases:
        _check_pixels(phase.batch_size, phase.image_size)


def check_section(name: str, section: Any) -> None:
    """Raise InputError for a value that its type or `EXPECTED` excludes.

    `section` is a part of a recipe, as `recipe.data`, and `name` its field there.
    None is not checked.
    """
    for key, hint in get_type_hints(type(section)).items():
        _check_value(f"{name}.{key}", getattr(section, key), hint)


def _check_value(path: str, value: Any, hint: Any) -> None:
    expected = EXPECTED.get(path)
    if choices := _choices(hint):
        expected = Expected(lambda x: x in choices, " or ".join(choices))
    items = value if isinstance(value, tuple) else (value,)
    if expected and not all(x is None or expected.holds(x) for x in items):
        raise InputError(f"{path} is {value!r}; expected {expected.words}")


def _choices(hint: Any) -> tuple[str, ...]:
    """The values of a type `Literal[...]` or `Literal[...] | None`, else none."""
    types = (hint, *get_args(hint))
    return next((get_args(t) for t in types if get_origin(t) is Literal), ())


def _check_layer_weights(weights: tuple[float, ...]) -> None:
    if len(weights) != len(LAYERS):
        raise InputError(
            f"losses.layer_weights has {len(weights)} values; expected {len(LAYERS)}, "
            "one for each layer"
        )


def _check_lengths(schedule: Schedule) -> None:
    if not schedule.warm_up + schedule.flat + schedule.decay:
        raise InputError(
            "schedule.warm_up, flat and decay are 0; expected not all of them 0"
        )


def _check_starts(phases: tuple[Phase, ...]) -> None:
    starts = [phase.start for phase in phases]
    if starts != sorted(starts) or any(not 0 <= start < 1 for start in starts):
        raise InputError(f"phases start at {starts}; expected rising from 0, below 1")


def _check_pixels(batch_size: int, image_size: int) -> None:
    if batch_size * image_size**2 > MAX_BATCH_PIXELS:
        raise InputError(
            f"a batch of {batch_size:,} photographs of {image_size:,} px; "
            f"expected at most {MAX_BATCH_PIXELS:,} pixels in all"
        )
