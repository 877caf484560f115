"""Hyper-parameters of a training as typed dataclasses, and recipes by name.

Taught in book/17_warm_up.md.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    get_args,
    get_origin,
    get_type_hints,
)

from gin.errors import InputError

LAYERS = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
PaperOrReleased = Literal["paper", "released"]
PAPER_OR_RELEASED = get_args(PaperOrReleased)
INITIALISATIONS = ("paper", "identity")
MAX_BASE_CHANNELS = 1024  # the paper has 64
MIN_IMAGE_SIZE = 16  # px: the generator's stride
MAX_BATCH_PIXELS = 2**30
MAX_SEED = 2**64 - 1  # PyTorch's


class Expected(NamedTuple):
    """A condition on a value, and its wording in the error message."""

    holds: Callable[[Any], bool]
    words: str


_POSITIVE = Expected(lambda x: 0 < x < math.inf, "a number above 0")
_FROM_ZERO = Expected(lambda x: 0 <= x < math.inf, "a number from 0")
_FROM_ONE = Expected(lambda x: x >= 1, "a number from 1")
_FRACTION = Expected(lambda x: 0 <= x < 1, "a number from 0 to below 1")
_PROBABILITY = Expected(lambda x: 0 <= x <= 1, "a number from 0 to 1")
_SIZE = Expected(lambda x: x >= MIN_IMAGE_SIZE, f"{MIN_IMAGE_SIZE} px or more")
_WIDTH = Expected(lambda x: x <= MAX_BASE_CHANNELS, f"at most {MAX_BASE_CHANNELS:,}")
_FEATURE_SIZE = Expected(lambda x: 16 <= x <= 4096, "16 to 4,096")
_INITIALISATION = Expected(
    lambda x: x in INITIALISATIONS or x.endswith(".safetensors"),
    f"{', '.join(INITIALISATIONS)} or a file of weights, .safetensors",
)
Weight = Annotated[float, _FROM_ZERO]
Length = Annotated[int, _FROM_ZERO]
Count = Annotated[int, _FROM_ONE]
ImageSize = Annotated[int, _SIZE]


@dataclass(frozen=True)
class NetworkRecipe:
    """The networks and their initialisation (paper, section 4.1 and Table 1)."""

    #: one of `gin.VARIANTS`, or "deepfillv1" or "deepfillv2", for which only
    #: `base_channels` can be chosen
    variant: str = "SPDResBlk-MSSA-BP"
    base_channels: Annotated[int, _WIDTH] = 64  #: the base width, 64 in the paper
    #: whether known pixels are pasted before G2 and before back projection, as released
    composite: bool = False
    padding: PaperOrReleased = "paper"  #: of the discriminators: `gin.Discriminators`
    #: of the generators: "paper" or "identity" (see `gin.initialisation`), or a weights
    #: file that `gin.save` wrote; the discriminators have PyTorch's default
    initialisation: Annotated[str, _INITIALISATION] = "paper"


@dataclass(frozen=True)
class LossRecipe:
    """The weights of Eq. 1 and Eq. 7, and where paper and released code differ.

    The defaults are those of section 5.1. Most of a main step's time goes into the
    network phi of Eqs. 4 and 5. Cheaper are a smaller `feature_size`, `compared`
    "completed", trailing `layer_weights` of 0, and `Recipe.backbone` "alexnet".
    """

    hole_weight: Weight = 5.0  #: lambda_hole of Eq. 1
    adversarial_weight: Weight = 0.001  #: of the generators' hinge loss in Eq. 7
    perceptual_weight: Weight = 0.05  #: of Eq. 4; at 0 the term is not computed
    style_weight: Weight = 80.0  #: of Eq. 5; at 0 the term is not computed
    variation_weight: Weight = 0.1  #: of Eq. 6
    l1: PaperOrReleased = "paper"  #: the variant of Eq. 1, see `gin.losses.l1_loss`
    style: PaperOrReleased = "paper"  #: of Eq. 5, see `gin.losses.style_loss`
    variation: PaperOrReleased = "paper"  #: of Eq. 6: `gin.losses.total_variation`
    #: of the five VGG layers, in Eqs. 4 and 5; layers after the last weight above 0 are
    #: not computed
    layer_weights: Annotated[tuple[float, ...], _FROM_ZERO] = (1.0, 1.0, 1.0, 1.0, 1.0)
    discriminator_factor: Weight = 1.0  #: multiplies Eq. 3
    #: "convolution", before the ReLU, or "released", see `gin.vgg.Features`
    layer_outputs: Literal["convolution", "released"] = "convolution"
    #: side in px to which images are resized for phi; None keeps their size
    feature_size: Annotated[int | None, _FEATURE_SIZE] = 224
    #: the images in Eqs. 4 and 5: I_out and I_compltd (paper), or I_compltd alone
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
    #: of the four phases of stride 2; "crop" cuts a square of random position and scale
    view: Literal["phase", "crop"] = "phase"
    image_size: ImageSize = 256  #: side of a sample in px
    batch_size: Count = 4  #: photographs, each under three masks, of one process
    augment: bool = False  #: rotate by multiples of 90 degrees and flip, as released
    #: of `gin.masks.free_form`; "alternate" takes both in turn
    free_form_variant: Literal["paper", "released", "alternate"] = "paper"


@dataclass(frozen=True)
class Phase:
    """Batches of another size, from a fraction of the training on."""

    start: float  #: the fraction of the training, from 0, below 1
    image_size: ImageSize  #: takes the place of `DataRecipe.image_size`
    batch_size: Count  #: takes the place of `DataRecipe.batch_size`
    #: of `gin.data.transforms.recolour`
    recolour_probability: Annotated[float, _PROBABILITY] = 0.0


@dataclass(frozen=True)
class OptimiserRecipe:
    """The settings of Adam (paper, section 5.1) and the order of the two updates."""

    warm_up_lr: Weight = 1e-4  #: learning rate of the generators in the warm-up stage
    generator_lr: Weight = 1e-4  #: learning rate of the generators in the main stage
    discriminator_lr: Weight = 4e-4  #: learning rate of the discriminators
    betas: Annotated[tuple[float, float], _FRACTION] = (0.5, 0.999)  #: decay rates
    lr_warmup_steps: Length = 0  #: of a linear rise at the start of each stage
    #: "paper" updates the discriminators first, and their new maps enter the
    #: generators' loss; "released" updates the generators first, and both losses have
    #: the same completed images
    order: PaperOrReleased = "paper"
    #: maximum norm of the gradient at the generators' update, None for no maximum; as
    #: released, the norm includes the discriminators' gradient
    clip: Annotated[float | None, _POSITIVE] = None
    #: of the moving average of the generators' weights, None for no average
    ema_decay: Annotated[float | None, _FRACTION] = None


@dataclass(frozen=True)
class Schedule:
    """The lengths of the warm-up stage and of the main stage (paper, section 5.1)."""

    unit: Literal["epochs", "steps"] = "epochs"  #: of `warm_up`, `flat` and `decay`
    warm_up: Length = 10  #: the warm-up stage
    flat: Length = 10  #: the main stage's first part, at constant learning rates
    decay: Length = 90  #: its second part, in which the learning rates fall to 0
    shape: Literal["linear", "cosine"] = "linear"  #: of the learning rates' fall
    #: from one validation and checkpoint to the next; None for every five minutes
    save_steps: Annotated[int | None, _FROM_ONE] = None


@dataclass(frozen=True)
class Recipe:
    """Everything that the result of a training depends on, except data and seed."""

    network: NetworkRecipe = field(default_factory=NetworkRecipe)
    data: DataRecipe = field(default_factory=DataRecipe)
    losses: LossRecipe = field(default_factory=LossRecipe)
    optimiser: OptimiserRecipe = field(default_factory=OptimiserRecipe)
    schedule: Schedule = field(default_factory=Schedule)
    #: batches of other sizes, each from its start to the next one's
    phases: tuple[Phase, ...] = ()
    #: the network phi. "vgg19" is the paper's; "alexnet" puts LPIPS of I_compltd in
    #: place of Eq. 4 and has no Eq. 5; "random", VGG-19 with random weights, needs no
    #: download; None has neither Eq. 4 nor Eq. 5
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
    NetworkRecipe(base_channels=16, composite=True, initialisation="identity"),
    DataRecipe("crop", 128, 1, augment=True, free_form_variant="alternate"),
    # Weights that give all terms gradients of similar size (book/15_total.md).
    LossRecipe(adversarial_weight=0.01, style_weight=5.0, feature_size=None),
    OptimiserRecipe(
        warm_up_lr=1e-3,
        generator_lr=5e-4,
        discriminator_lr=4e-4,
        betas=(0.9, 0.99),
        lr_warmup_steps=200,
        clip=1.0,
        ema_decay=0.998,
    ),
    Schedule("steps", 18_000, 0, 6_000, shape="cosine", save_steps=1000),
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
    NetworkRecipe(base_channels=32, composite=True, initialisation="identity"),
    # With a batch size of 8, a fast GPU waits for the CPU.
    DataRecipe("crop", batch_size=16, augment=True, free_form_variant="alternate"),
    LossRecipe(
        adversarial_weight=0.01,
        perceptual_weight=0.6,
        style_weight=0.0,
        variation_weight=0.0,
        l1="released",  # weighs a hole by its area, as the PSNR of the picture does
        compared="completed",
    ),
    OptimiserRecipe(
        # On an H100 in bf16 the loss was not finite with 1e-3 and a clip of 1.
        warm_up_lr=5e-4,
        generator_lr=3e-4,
        discriminator_lr=4e-4,
        betas=(0.5, 0.99),
        lr_warmup_steps=300,
        clip=0.5,
        ema_decay=0.999,
    ),
    Schedule("steps", 18_000, 4_500, 4_500, shape="cosine"),
    backbone="alexnet",
)
# DeepFill's published settings, but for the schedule: DeepGIN's 110 epochs, without
# decay and without a warm-up stage. DeepFill's learner has its own losses.
DEEPFILLV1 = Recipe(
    NetworkRecipe("deepfillv1", base_channels=32, composite=True),
    DataRecipe("crop", image_size=256, batch_size=16),
    optimiser=OptimiserRecipe(discriminator_lr=1e-4, betas=(0.5, 0.9)),
    schedule=Schedule(warm_up=0, flat=110, decay=0),
    backbone=None,
)
DEEPFILLV2 = replace(
    DEEPFILLV1,
    network=NetworkRecipe("deepfillv2", base_channels=48, composite=True),
    optimiser=OptimiserRecipe(discriminator_lr=1e-4, betas=(0.5, 0.999)),
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


def check_recipe(recipe: Recipe) -> None:
    """Raise InputError for a value that no training can use.

    `network.variant` is checked where the networks are built.
    """
    for name in ("network", "data", "losses", "optimiser", "schedule"):
        check_section(name, getattr(recipe, name))
    for phase in recipe.phases:
        check_section("phases", phase)
    _check_value("backbone", recipe.backbone, get_type_hints(Recipe)["backbone"])
    if len(weights := recipe.losses.layer_weights) != len(LAYERS):
        raise InputError(
            f"losses.layer_weights has {len(weights)} values; expected {len(LAYERS)}, "
            "one for each layer"
        )
    schedule = recipe.schedule
    if not schedule.warm_up + schedule.flat + schedule.decay:
        raise InputError(
            "schedule.warm_up, flat and decay are 0; expected not all of them 0"
        )
    starts = [phase.start for phase in recipe.phases]
    if starts != sorted(starts) or any(not 0 <= start < 1 for start in starts):
        raise InputError(f"phases start at {starts}; expected rising from 0, below 1")
    batches: list[DataRecipe | Phase] = [recipe.data, *recipe.phases]
    for batch in batches:
        if batch.batch_size * batch.image_size**2 > MAX_BATCH_PIXELS:
            raise InputError(
                f"a batch of {batch.batch_size:,} photographs of "
                f"{batch.image_size:,} px; expected at most {MAX_BATCH_PIXELS:,} "
                "pixels in all"
            )


def check_section(name: str, section: Any) -> None:
    """Raise InputError for a value that its type excludes; None is not checked.

    `section` is a part of a recipe, as `recipe.data`, and `name` its field there.
    """
    for key, hint in get_type_hints(type(section), include_extras=True).items():
        _check_value(f"{name}.{key}", getattr(section, key), hint)


def _check_value(path: str, value: Any, hint: Any) -> None:
    """Check a value of a type `Annotated[..., Expected]` or `Literal[...]`."""
    types = (hint, *get_args(hint))
    expected = next((x for x in types if isinstance(x, Expected)), None)
    if choices := next((get_args(t) for t in types if get_origin(t) is Literal), ()):
        expected = Expected(lambda x: x in choices, " or ".join(choices))
    items = value if isinstance(value, tuple) else (value,)
    if expected and not all(x is None or expected.holds(x) for x in items):
        raise InputError(f"{path} is {value!r}; expected {expected.words}")
