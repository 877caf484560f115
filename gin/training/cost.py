"""The operations and the memory of a training step, counted without computing it.

The learner's own step runs on tensors that have shapes and no values, so the count
includes everything that the step does. Taught in book/18_main_stage.md.
"""

import weakref
from typing import Any, NamedTuple

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from gin.recipes import Recipe
from gin.training.learner import Learner, phi
from gin.weights.imagenet import load_backbone

STAGES = ("warm-up", "main")


class Step(NamedTuple):
    """The stage, the image size in px and the number of images of a step.

    The images are the masked ones: three for each photograph of a batch.
    """

    stage: str
    image_size: int
    images: int


class Cost(NamedTuple):
    """The floating-point operations of a step and its peak memory in bytes.

    A multiplication and an addition are two operations; only convolutions, attention
    and matrix products count. The memory is that of the tensors, weights included,
    without the program and the work space of its kernels.
    """

    operations: int
    memory: int


def random_learner(
    recipe: Recipe,
    fabric: Fabric,
    learner_class: type[Learner] = Learner,
    compiled: bool = False,
) -> Learner:
    """A learner whose backbone has random weights: the cost does not depend on them.

    Raises InputError if a value of the recipe cannot be used.
    """
    features = None
    if recipe.backbone and recipe.schedule.flat + recipe.schedule.decay:
        network = "vgg19" if recipe.backbone == "random" else recipe.backbone
        features = phi(load_backbone(network, "random"), recipe.losses)
    return learner_class(recipe, 0, features, fabric, compiled)


def random_batch(step: Step, device: torch.device) -> tuple[Tensor, Tensor]:
    """Noise (B, 3, H, W) in [0, 1], and masks (B, 1, H, W) with a square hole."""
    size = step.image_size
    image = torch.rand(step.images, 3, size, size, device=device)
    mask = torch.zeros(step.images, 1, size, size, device=device)
    mask[..., size // 4 : -size // 4, size // 4 : -size // 4] = 1
    return image, mask


def take_step(learner: Learner, stage: str, image: Tensor, mask: Tensor) -> None:
    """One step of `stage` at the full learning rate."""
    take = learner.warm_up_step if stage == "warm-up" else learner.main_step
    take(image, mask, 1.0)


def step_cost(learner: Learner, step: Step) -> Cost:
    """The cost of `step` once the optimisers hold their moments.

    Where steps differ, it is the mean of their operations and the maximum of their
    memory. The learner must not be compiled; its weights stay as they are. Raises
    InputError if the network cannot take the image size.
    """
    _reset(learner)
    try:
        with FakeTensorMode(allow_non_fake_inputs=True) as mode, Counts() as counts:
            held = [mode.from_tensor(tensor) for tensor in _tensors(learner)]
            counts.add(held)
            _pretend_a_step(learner, step.stage)
            image, mask = random_batch(step, learner.fabric.device)
            counts.peak = counts.current
            for _ in range(learner.period):
                take_step(learner, step.stage, image, mask)
    finally:
        _reset(learner)
    return Cost(counts.operations // learner.period, counts.peak)


def _pretend_a_step(learner: Learner, stage: str) -> None:
    """Make the gradients and the moments that a step of `stage` leaves."""
    both = [learner.adam_g, learner.adam_d]
    for adam in [learner.adam_g] if stage == "warm-up" else both:
        for parameter in adam.param_groups[0]["params"]:
            parameter.grad = torch.zeros_like(parameter)
        adam.step()


def _tensors(learner: Learner) -> list[Tensor]:
    parts = learner.net, learner.discriminators, learner.average, learner._features
    return [t for m in parts if m is not None for t in (*m.parameters(), *m.buffers())]


def _reset(learner: Learner) -> None:
    for adam in (learner.adam_g, learner.adam_d):
        adam.zero_grad()
        adam.state.clear()


class Counts(TorchDispatchMode):
    """Counts operations, and the bytes of the tensors that operators return.

    `current` is the number of bytes allocated, `peak` its maximum so far; views take
    none. `operations` are those of `Cost`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.current = self.peak = self.operations = 0
        self._alive: dict[int, weakref.ref[torch.UntypedStorage]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Run the operator; count its results and its operations."""
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        self.add(out)
        if count := flop_registry.get(func._overloadpacket):
            self.operations += count(*args, **kwargs, out_val=out)
        return out

    def add(self, tensors: Any) -> None:
        """Count the storages of `tensors`, however nested, until they are freed."""
        for tensor in tree_leaves(tensors):
            if isinstance(tensor, Tensor):
                self._add(tensor.untyped_storage())
        self.peak = max(self.peak, self.current)

    def _add(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._alive:
            return

        def free(_: object) -> None:
            self.current -= size
            del self._alive[key]

        self._alive[key] = weakref.ref(storage, free)
        self.current += size
