"""The warm-up stage: both generators, the L1 loss alone (paper, section 5.1).

Taught in book/02_network.md.
"""

import itertools
import math
import os
import time
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from gin.checkpoints import save
from gin.data import Crops
from gin.errors import InputError
from gin.files import atomic
from gin.generator import DeepGIN
from gin.initialisation import identity_initialisation
from gin.losses import reconstruction_loss
from gin.recipes import WarmUpRecipe
from gin.released import read_state_dict

SAVE_EVERY_S = 300


class WarmUp:
    """The state of a run: the network, its moving average, the optimiser, the clock.

    Args:
        recipe: the hyper-parameters.
        hours: the budget; the rate and the crops follow the fraction used.
        seed: of the initial weights and of every batch.
    """

    def __init__(self, recipe: WarmUpRecipe, hours: float, seed: int) -> None:
        torch.manual_seed(seed)
        self.recipe, self.hours, self.seed = recipe, hours, seed
        self.net = DeepGIN(recipe.variant, recipe.base_channels, recipe.composite)
        identity_initialisation(self.net)
        self.net.to(memory_format=torch.channels_last)
        self.ema = deepcopy(self.net).requires_grad_(False)
        self.adam = torch.optim.Adam(
            self.net.parameters(), recipe.rate, recipe.betas, fused=True
        )
        self.steps = 0
        self.images = 0
        self._spent = 0.0
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Time spent in this run, earlier parts of it included."""
        return self._spent + time.monotonic() - self._started

    @property
    def progress(self) -> float:
        """The fraction of the budget used, 0 to 1."""
        return min(1.0, self.seconds / (3600 * self.hours))

    def rate(self) -> float:
        """The learning rate of the next step."""
        ramp = min(1.0, (self.steps + 1) / self.recipe.ramp_steps)
        late = (self.progress - self.recipe.decay_from) / (1 - self.recipe.decay_from)
        return self.recipe.rate * ramp * (1 + math.cos(math.pi * max(0.0, late))) / 2

    def step(self, image: Tensor, mask: Tensor) -> float:
        """One step of Adam; returns the loss. Raises if it is not finite."""
        for group in self.adam.param_groups:
            group["lr"] = self.rate()
        done = self.net(image.contiguous(memory_format=torch.channels_last), mask)
        loss = reconstruction_loss(done, image, mask, self.recipe.hole_weight)
        if not math.isfinite(loss.item()):
            raise FloatingPointError(f"the loss is {loss.item()} at step {self.steps}")
        self.adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), self.recipe.clip)
        self.adam.step()
        self.steps += 1
        self.images += len(image)
        self._average()
        return loss.item()

    def _average(self) -> None:
        # Early on a short memory, so that the first weights are soon forgotten.
        decay = min(self.recipe.ema_decay, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(
            list(self.ema.parameters()), list(self.net.parameters()), 1 - decay
        )

    def keys(self) -> Iterator[tuple[int, int, int, bool]]:
        """The coming batches' keys, until the budget is used."""
        for step in itertools.count(self.steps):
            used = self.progress
            if used >= 1:
                return
            _, side, photographs = max(c for c in self.recipe.crops if c[0] <= used)
            yield step, side, photographs, used < self.recipe.natural_from

    def save(self, out: Path) -> None:
        """`state.pt` to go on from, and the averaged weights; both atomic."""
        state = {
            **{f"net.{k}": v for k, v in self.net.state_dict().items()},
            **{f"ema.{k}": v for k, v in self.ema.state_dict().items()},
            **{
                f"adam.{i}.{k}": v
                for i, moments in self.adam.state_dict()["state"].items()
                for k, v in moments.items()
            },
            "clock": torch.tensor([self.steps, self.images, self.seconds]).double(),
        }
        with atomic(out / "state.pt") as temporary:
            torch.save(state, temporary)
        notes = {
            "recipe": str(self.recipe),
            "seed": str(self.seed),
            "steps": str(self.steps),
            "images": str(self.images),
            "minutes": f"{self.seconds / 60:.0f}",
        }
        save(self.ema, out / "weights.safetensors", half=True, notes=notes)

    def restore(self, out: Path) -> None:
        """Go on from `state.pt`. Raises InputError if it is not of this recipe."""
        state = read_state_dict(out / "state.pt")

        def under(prefix: str) -> dict[str, Tensor]:
            size = len(prefix)
            return {k[size:]: v for k, v in state.items() if k.startswith(prefix)}

        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in under("adam.").items():
            index, kind = name.split(".")
            moments.setdefault(int(index), {})[kind] = value
        try:
            self.net.load_state_dict(under("net."))
            self.ema.load_state_dict(under("ema."))
        except RuntimeError as error:
            raise InputError(
                f"{out / 'state.pt'}: written with another recipe; "
                "resume with the one that it was started with"
            ) from error
        groups = self.adam.state_dict()["param_groups"]
        self.adam.load_state_dict({"state": moments, "param_groups": groups})
        steps, images, self._spent = state["clock"].tolist()
        self.steps, self.images = int(steps), int(images)
        self._started = time.monotonic()


def train(
    recipe: WarmUpRecipe,
    data: str | os.PathLike[str],
    out: str | os.PathLike[str],
    hours: float,
    seed: int = 0,
    resume: bool = False,
) -> DeepGIN:
    """Train for `hours` on the photographs under `data`; results go to `out`.

    Returns the averaged network. `out` holds `weights.safetensors` and `state.pt`,
    renewed every five minutes; an interrupted run goes on with `resume`.

    Raises:
        InputError: no photographs, or `out` holds a run and `resume` is False.
    """
    out = Path(out)
    if (out / "state.pt").exists() != resume:
        raise InputError(
            f"{out}: there is no run to resume"
            if resume
            else f"{out}: holds a run already; resume it or name another folder"
        )
    run = WarmUp(recipe, hours, seed)
    if resume:
        run.restore(out)
    loader = DataLoader(
        Crops(data, seed), batch_size=None, sampler=run.keys(), num_workers=1
    )
    saved, smooth = run.seconds, math.nan
    bar_format = "{percentage:3.0f}%|{bar}| {postfix}"
    with tqdm(
        total=1, bar_format=bar_format, mininterval=1, miniters=0, disable=None
    ) as bar:
        for image, mask in loader:
            loss = run.step(image, mask)
            smooth = loss if math.isnan(smooth) else 0.99 * smooth + 0.01 * loss
            bar.set_postfix_str(
                f"step {run.steps}, {run.images} images, loss {smooth:.3f}, "
                f"{run.seconds / 60:.0f} of {60 * run.hours:.0f} min",
                refresh=False,
            )
            bar.update(run.progress - bar.n)
            if run.seconds - saved > SAVE_EVERY_S:
                run.save(out)
                saved = run.seconds
    run.save(out)
    return run.ema.eval()
