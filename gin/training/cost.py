"""What a training step costs, counted without computing anything.

The trainer's own step runs on tensors that have shapes but no values, so that the
count follows whatever the step does.

Taught in book/17_main_stage.md.
"""

import weakref
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry
from torch.utils.hooks import RemovableHandle

from gin.evaluation.metrics import Lpips
from gin.masks import KINDS
from gin.recipes import Recipe
from gin.training.learner import Learner, phi
from gin.vgg import Features
from gin.weights.imagenet import load_backbone

STAGES = ("warm-up", "main")
PARTS = ("generators", "discriminators", "features", "losses", "optimiser")


class Step(NamedTuple):
    """A step with `batch_size` photographs of `image_size` px, under three masks."""

    stage: str
    image_size: int
    batch_size: int

    @property
    def images(self) -> int:
        return self.batch_size * len(KINDS)


@dataclass(frozen=True)
class Cost:
    """Of a step: floating-point operations by part, and the peak memory in bytes.

    A multiplication and an addition are two operations; only convolutions,
    attention and matrix products count.
    """

    parts: dict[str, float]
    memory: int

    @property
    def operations(self) -> float:
        return sum(self.parts.values())

    def of(self, name: str) -> float:
        """The operations of one of `PARTS`, forward and backward."""
        found = (v for part, v in self.parts.items() if part.split(",")[0] == name)
        return sum(found)


class Rehearsal:
    """A learner with random weights, to be counted or timed.

    `timed` is the stage whose steps tell a machine's pace: the warm-up, or the main
    stage of networks that have no other, and take images of one size.

    Args:
        recipe: as for a training.
        fabric: the device and the precision.
        compiled: as for the learner; a compiled one cannot be counted.
        learner: the class of the recipe's variant.
    """

    def __init__(
        self,
        recipe: Recipe,
        fabric: Fabric,
        compiled: bool = False,
        learner: type[Learner] = Learner,
    ) -> None:
        self.fabric = fabric
        self.features: Features | Lpips | None = None
        if recipe.backbone and recipe.schedule.flat + recipe.schedule.decay:
            network = "vgg19" if recipe.backbone == "random" else recipe.backbone
            # Whose weights makes no difference here.
            self.features = phi(load_backbone(network, "random"), recipe.losses)
        self.timed = "warm-up" if learner.has_warm_up else "main"
        self.learner = learner(recipe, 0, self.features, fabric, compiled)

    def take(self, stage: str, image: Tensor, mask: Tensor) -> None:
        """One step of the learner."""
        warming_up = stage == "warm-up"
        step = self.learner.warm_up_step if warming_up else self.learner.main_step
        step(image, mask, 1.0)

    def look(self, image: Tensor) -> None:
        """A pass of phi, whichever it is."""
        if isinstance(self.features, Lpips):
            self.features(image, image)
        elif self.features is not None:
            self.features(image)

    def inputs(self, step: Step) -> tuple[Tensor, Tensor]:
        """Noise, and masks with a square hole: (3P, 3, H, W) and (3P, 1, H, W)."""
        side, device = step.image_size, self.fabric.device
        image = torch.rand(step.images, 3, side, side, device=device)
        mask = torch.zeros(step.images, 1, side, side, device=device)
        mask[..., side // 4 : -side // 4, side // 4 : -side // 4] = 1
        return image, mask

    def count(self, step: Step) -> Cost:
        """What `step` costs once the optimisers hold their moments.

        The memory is that of the tensors, weights included: neither the program
        itself nor a kernel's work space. Raises InputError for a side that the
        network cannot take.
        """
        self._forget()
        try:
            with FakeTensorMode(allow_non_fake_inputs=True) as mode, Tally() as tally:
                held = [mode.from_tensor(tensor) for tensor in self._tensors()]
                tally.note(held)
                self._fill(step.stage)
                image, mask = self.inputs(step)
                tally.peak, tally.operations = tally.live, 0
                with Parts(self, lambda: tally.operations) as parts:
                    self.take(step.stage, image, mask)
        finally:
            self._forget()
        return Cost(dict(parts.counted), tally.peak)

    def _tensors(self) -> list[Tensor]:
        learner = self.learner
        modules = [learner.net, learner.discriminators]
        if learner.average is not learner.net:
            modules.append(learner.average)
        if self.features is not None:
            modules.append(self.features)
        return [t for m in modules for t in (*m.parameters(), *m.buffers())]

    def _fill(self, stage: str) -> None:
        """Gradients and moments, as an earlier step would have left them."""
        adams = [self.learner.adam_g]
        if stage == "main":
            adams.append(self.learner.adam_d)
        for adam in adams:
            for parameter in adam.param_groups[0]["params"]:
                parameter.grad = torch.zeros_like(parameter)
            adam.step()

    def _forget(self) -> None:
        for adam in (self.learner.adam_g, self.learner.adam_d):
            adam.zero_grad()
            adam.state.clear()


class Tally(TorchDispatchMode):
    """Counts operations, and the bytes of the storages that are alive."""

    def __init__(self) -> None:
        super().__init__()
        self.operations, self.live, self.peak = 0, 0, 0
        self._alive: dict[int, weakref.ref[torch.UntypedStorage]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func.overloadpacket)
        if formula is not None:
            self.operations += formula(*args, **(kwargs or {}), out_val=out)
        self.note(out)
        return out

    def note(self, tensors: Any) -> None:
        """Count the storages of `tensors`, however nested, until they are freed."""
        for tensor in tree_leaves(tensors):
            if isinstance(tensor, Tensor):
                self._note(tensor.untyped_storage())
        self.peak = max(self.peak, self.live)

    def _note(self, storage: torch.UntypedStorage) -> None:
        place, size = storage._cdata, storage.nbytes()
        if place in self._alive:
            return

        def free(_: object) -> None:
            self.live -= size
            del self._alive[place]

        self._alive[place] = weakref.ref(storage, free)
        self.live += size


class Parts(ExitStack):
    """Shares out among the parts of a step what `clock` counts meanwhile.

    The parts are `PARTS`, the first three as "generators, forward" and "generators,
    backward" and so on. Backward, the engine takes the nodes made last first, so the
    losses' come before the features', these before the discriminators', and the
    generators' last: a hook where each begins tells them apart. The generators must
    not be compiled, for hooks would be too.
    """

    def __init__(self, rehearsal: Rehearsal, clock: Callable[[], float]) -> None:
        super().__init__()
        self.clock, self._rehearsal = clock, rehearsal
        self.counted: defaultdict[str, float] = defaultdict(float)

    def __enter__(self) -> Self:
        learner, features = self._rehearsal.learner, self._rehearsal.features
        self._watch(learner.discriminators, "discriminators", lambda _: None)
        if features is not None:
            self._watch(features, "features", _last_map)
        self._watch(
            learner.net,
            "generators",
            lambda done: done.coarse if done.out is None else done.out,
        )
        first = next(learner.net.coarse.parameters())  # the last to get its gradient
        self._hold(
            first.register_post_accumulate_grad_hook(
                lambda _: self._mark("generators, backward")
            )
        )
        for adam, before in (
            (learner.adam_g, "optimiser"),  # clipping
            (learner.adam_d, "discriminators, backward"),
        ):
            self._hold(
                adam.register_step_pre_hook(lambda *_, n=before: self._mark(n)),
                adam.register_step_post_hook(lambda *_: self._mark("optimiser")),
            )
        self._at = self.clock()
        return super().__enter__()

    def _hold(self, *handles: RemovableHandle) -> None:
        """Hooks that are taken away at the end."""
        for handle in handles:
            self.callback(handle.remove)

    def _mark(self, name: str) -> None:
        now = self.clock()
        self.counted[name] += now - self._at
        self._at = now

    def _watch(
        self, module: nn.Module, name: str, deepest: Callable[[Any], Tensor | None]
    ) -> None:
        """`deepest`: of the module's outputs, the one whose gradient comes first."""

        def before(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            self._mark("losses")
            *others, image = inputs
            if image.requires_grad:
                image = image.view_as(image)  # a node of its own
                image.register_hook(lambda _: self._mark(f"{name}, backward"))
            return (*others, image)

        def after(_: nn.Module, inputs: Any, outputs: Any) -> None:
            self._mark(f"{name}, forward")
            out = deepest(outputs)
            if out is not None and out.requires_grad:
                out.register_hook(lambda _: self._mark("losses"))

        self._hold(
            module.register_forward_pre_hook(before),
            module.register_forward_hook(after),
        )


def _last_map(found: list[Tensor] | Tensor) -> Tensor:
    """Of phi's maps; LPIPS has one value an image."""
    return found if isinstance(found, Tensor) else found[-1]
