"""One step of the warm-up stage, and one of the main stage (paper, section 5.1).

Taught in book/18_main_stage.md.
"""

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.optim import Adam

from gin import losses
from gin.blocks import EdgePadding
from gin.discriminator import Discriminators
from gin.errors import InputError
from gin.generator import STRIDE, Completion, DeepGIN, composite
from gin.initialisation import identity_initialisation
from gin.masks import KINDS
from gin.recipes import LossRecipe, NetworkRecipe, Recipe, check_recipe
from gin.utils.devices import tune
from gin.vgg import LPIPS_MIN_SIDE, Features, Lpips
from gin.weights.checkpoints import configuration, load
from gin.weights.imagenet import Backbone

_STATES = ("net", "discriminators", "average", "adam_g", "adam_d")
Losses = dict[str, Tensor]  # name -> scalar


class Learner:
    """The networks, their optimisers and the moving average.

    `seed` is that of the first weights. `features` is phi of Eqs. 4 and 5, see `phi`,
    or None without a backbone or a main stage. `fabric` has the device, the precision
    and the other processes. If `compiled`, the networks and the losses go through
    `torch.compile`. Raises InputError if a value of the recipe cannot be used.
    """

    copies = len(KINDS)  # completions of a photograph in a step
    period = 1  # steps of the main stage after which the same updates repeat
    stride = STRIDE  # of image sizes in px

    def __init__(
        self,
        recipe: Recipe,
        seed: int,
        features: Features | Lpips | None,
        fabric: Fabric,
        compiled: bool = False,
    ) -> None:
        check_recipe(recipe)
        self._check_sizes(recipe, features)
        torch.manual_seed(seed)
        optimiser = recipe.optimiser
        self.recipe, self.seed, self.fabric = recipe, seed, fabric
        self.net, self.discriminators = self._networks()
        for module in (self.net, self.discriminators):
            module.to(memory_format=torch.channels_last)
        adam = partial(Adam, betas=optimiser.betas, fused=True)
        self.adam_g = adam(self.net.parameters(), optimiser.warm_up_lr)
        self.adam_d = adam(self.discriminators.parameters(), optimiser.discriminator_lr)
        tune(fabric.device)
        self._features = features
        if features is not None:
            fabric.to_device(features).to(memory_format=torch.channels_last)
        self._complete, self._step_g = fabric.setup(
            _maybe_compiled(self.net, compiled), self.adam_g
        )
        self._discriminators, self._step_d = fabric.setup(
            _maybe_compiled(self.discriminators, compiled), self.adam_d
        )
        self._terms = _maybe_compiled(self._generator_terms, compiled)
        self.average = self.net
        if optimiser.ema_decay is not None:
            self.average = deepcopy(self.net).requires_grad_(False)

    def _check_sizes(self, recipe: Recipe, features: Features | Lpips | None) -> None:
        smallest = LPIPS_MIN_SIDE if isinstance(features, Lpips) else 0
        for size in (recipe.data.image_size, *(p.image_size for p in recipe.phases)):
            if size % self.stride:
                raise InputError(
                    f"image_size is {size}; expected a multiple of {self.stride}"
                )
            if size < smallest:
                raise InputError(
                    f"image_size is {size}; expected {smallest} or more, as the "
                    "backbone alexnet needs"
                )

    def _networks(self) -> tuple[DeepGIN, Discriminators]:
        network = self.recipe.network
        return _start(network), Discriminators(network.base_channels, network.padding)

    def warm_up_step(self, image: Tensor, mask: Tensor, factor: float) -> Losses:
        """Update the generators with Eq. 1 alone. Returns the loss under its name.

        `image` is (3P, 3, H, W) in [0, 1], `mask` (3P, 1, H, W) of 0 and 1; `factor`
        multiplies the learning rate.
        """
        _set_lr(self.adam_g, factor * self.recipe.optimiser.warm_up_lr)
        done = self._complete(_channels_last(image), mask)
        recipe = self.recipe.losses
        loss = losses.reconstruction_loss(
            done, image, mask, recipe.hole_weight, recipe.l1
        )
        self._update_generators(loss)
        return {"l1": loss.detach()}

    def main_step(self, image: Tensor, mask: Tensor, factor: float) -> Losses:
        """Update the generators and the discriminators, in the recipe's order.

        Returns every term under its name.

        Arguments as for `warm_up_step`; each photograph occurs three times in a row.
        """
        self.set_lr(factor)
        image = _channels_last(image)
        masked = composite(torch.ones_like(image), image, mask)
        done = self._complete(image, mask)
        if self.recipe.optimiser.order == "paper":
            loss_d = self._discriminator_step(done, image, masked)
            terms = self._generator_step(done, image, mask, masked)
        else:
            terms = self._generator_step(done, image, mask, masked)
            loss_d = self._discriminator_step(done, image, masked)
        return {**terms, "discriminators": loss_d}

    def set_lr(self, factor: float) -> None:
        """Set the main stage's learning rates: the recipe's, times `factor`."""
        optimiser = self.recipe.optimiser
        _set_lr(self.adam_g, factor * optimiser.generator_lr)
        _set_lr(self.adam_d, factor * optimiser.discriminator_lr)

    def _generator_step(
        self, done: Completion, image: Tensor, mask: Tensor, masked: Tensor
    ) -> Losses:
        """Update the generators (Eqs. 2 and 4 to 7)."""
        together = self.recipe.optimiser.order == "released"
        self.discriminators.requires_grad_(together)
        with self.fabric.autocast():
            # Wrapped, the discriminators' gradients are averaged over the processes,
            # which clipping over both needs; else they need no gradient.
            maps = self._discriminators(masked, done.completed) if together else None
            terms = losses.Terms(**self._terms(done, image, mask, masked, maps))
        total = terms.total(self.recipe.losses)
        self.adam_d.zero_grad()
        self._update_generators(total, together)
        self.discriminators.requires_grad_(True)
        named = {name: term.detach() for name, term in terms._asdict().items()}
        return {**named, "total": total.detach()}

    def _discriminator_step(
        self, done: Completion, image: Tensor, masked: Tensor
    ) -> Tensor:
        """Update the discriminators (Eq. 3), with one pass for true and completed."""
        both = torch.cat([image, done.completed.detach()])
        maps = self._discriminators(torch.cat([masked, masked]), both)
        real, fake = zip(*(m.chunk(2) for m in maps), strict=True)
        factor = self.recipe.losses.discriminator_factor
        loss = losses.discriminator_loss(real, fake, factor)
        return self._update_discriminators(loss)

    def _generator_terms(
        self,
        done: Completion,
        image: Tensor,
        mask: Tensor,
        masked: Tensor,
        maps: tuple[Tensor, ...] | None = None,
    ) -> Losses:
        """All terms of Eq. 7; compiled, one graph with the networks they need.

        They are not `losses.Terms`, which torch 2.11 cannot return from a graph.
        """
        if maps is None:
            maps = self.discriminators(masked, done.completed)
        network, recipe, features = self._features, self.recipe.losses, None
        if network is None and self.recipe.backbone is not None:
            raise InputError("the main stage needs a backbone; found none")
        if isinstance(network, Features):
            features = self._compare(network, done, image)
        terms = losses.generator_terms(done, image, mask, features, maps, recipe)
        named = terms._asdict()
        if isinstance(network, Lpips):
            named["perceptual"] = network.distances(image, done.completed).mean()
        return named

    def _compare(
        self, network: Features, done: Completion, image: Tensor
    ) -> losses.Features:
        """Features of the images compared, and of I_gt once for each photograph."""
        both = self.recipe.losses.compared == "both"
        out = done.coarse if done.out is None else done.out
        fakes = [out, done.completed] if both else [done.completed]
        maps = network(torch.cat(fakes))
        parts = [layer.chunk(len(fakes)) for layer in maps]
        with torch.no_grad():
            true = network(image[:: len(KINDS)])
        return losses.Features(
            out=[part[0] for part in parts] if both else None,
            completed=[part[-1] for part in parts],
            true=true,
        )

    def _update_discriminators(self, loss: Tensor) -> Tensor:
        self.adam_d.zero_grad()
        self.fabric.backward(loss)
        self._step_d.step()
        return loss.detach()

    def _update_generators(self, loss: Tensor, together: bool = False) -> None:
        self.adam_g.zero_grad()
        self.fabric.backward(loss)
        clip = self.recipe.optimiser.clip
        if clip is not None:
            parameters = self.weights() if together else self.net.parameters()
            torch.nn.utils.clip_grad_norm_(parameters, clip)
        self._step_g.step()

    def follow(self, steps: int) -> None:
        """Move the average towards the weights after `steps` steps."""
        decay = self.recipe.optimiser.ema_decay
        if decay is None:
            return
        # A smaller decay at first, so that the first weights soon lose their share.
        decay = min(decay, (1 + steps) / (10 + steps))
        torch._foreach_lerp_(
            list(self.average.parameters()), list(self.net.parameters()), 1 - decay
        )

    @property
    def lr(self) -> float:
        """The generators' learning rate at the last step."""
        return self.adam_g.param_groups[0]["lr"]

    def weights(self) -> list[Tensor]:
        """The parameters of all networks."""
        return [*self.net.parameters(), *self.discriminators.parameters()]

    def state_dict(self) -> dict[str, Any]:
        """All that the coming steps depend on; tensors on the CPU or the device."""
        return {name: getattr(self, name).state_dict() for name in _STATES}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load what `state_dict` returned. Raises RuntimeError if it does not fit."""
        for name in _STATES:
            getattr(self, name).load_state_dict(state[name])


def phi(backbone: Backbone, recipe: LossRecipe) -> Features | Lpips:
    """The network that Eqs. 4 and 5 compare images with: VGG, or AlexNet in LPIPS."""
    if backbone.network == "alexnet":
        return Lpips(backbone)
    return Features(backbone, recipe.layer_outputs, recipe.feature_size, recipe.layers)


def _start(recipe: NetworkRecipe) -> DeepGIN:
    """The generators with their first weights."""
    net = DeepGIN(recipe.variant, recipe.base_channels, recipe.composite)
    if recipe.initialisation == "identity":
        identity_initialisation(net)
    elif recipe.initialisation != "paper":
        weights = load(recipe.initialisation)
        if (stored := configuration(weights)) != (expected := configuration(net)):
            raise InputError(
                f"{recipe.initialisation}: holds {stored}; expected {expected}, "
                "as the recipe's network"
            )
        net.load_state_dict(weights.state_dict())
    return net


def _channels_last(image: Tensor) -> Tensor:
    return image.contiguous(memory_format=torch.channels_last)


def _set_lr(adam: Adam, lr: float) -> None:
    for group in adam.param_groups:
        group["lr"] = lr


def _maybe_compiled(function: Callable[..., Any], compiled: bool) -> Any:
    if not compiled:
        return function
    # The same graph, without the time that dynamo takes to look into each padding.
    torch.compiler.allow_in_graph(EdgePadding)
    # A graph for each size: one for all would lose the choice of memory formats.
    return torch.compile(function, dynamic=False)
