"""The two stages of section 5.1: warm-up, then generators against discriminators.

The loop is in plain sight; Lightning Fabric brings the device, the precision and the
other processes. Taught in book/16_warm_up.md.
"""

import itertools
import json
import math
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed
from lightning_fabric import Fabric
from torch import Tensor

from gin.baselines.deepfill.training import LEARNERS
from gin.data.loader import batches, on_device
from gin.data.shards import Shards
from gin.data.sources import Source, open_source
from gin.data.unreadable import Readable, add_bad, read_bad, write_bad
from gin.data.unreadable import check as check_photographs
from gin.errors import InputError, Interrupted
from gin.generator import DeepGIN
from gin.recipes import Recipe, check_recipe
from gin.training.hardware import Hardware, _workers, launch
from gin.training.learner import Learner, phi
from gin.training.progress import EVERY, Report, Validation
from gin.training.recipe_files import current_state, flat, write_recipe
from gin.training.run_folder import RECIPE, RunFolder
from gin.training.schedule import Clock, Timetable
from gin.training.stopping import NOTICED_EVERY, Finite, Stop, signals_held
from gin.utils.devices import compiles
from gin.utils.files import locked
from gin.weights.imagenet import Backbone, load_backbone

SAVE_SECONDS = 300
VALIDATED = 4  # batches
KEEP_BYTES = 2**30  # of decoded photographs


def train(
    recipe: Recipe,
    data: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    seed: int = 0,
    resume: bool = False,
    hardware: Hardware = Hardware(),
    root: str | os.PathLike[str] | None = None,
    skip_bad: bool = False,
    backbone: str | os.PathLike[str] | None = None,
    max_steps: int | None = None,
    max_hours: float | None = None,
) -> DeepGIN:
    """Train on the photographs that `data` names; everything goes into `out`.

    Args:
        recipe: what to learn, and how.
        data, root: see `gin.data.sources.open_source`.
        out: see `gin.training.run_folder.RunFolder`.
        seed: of the first weights, every batch and every mask.
        resume: go on with the run in `out`.
        hardware: where.
        skip_bad: leave out photographs that cannot be read, and list them.
        backbone: weights for phi, see `gin.weights.imagenet.load_backbone`.
        max_steps, max_hours: stop there, in this run of the program alone.

    Returns the averaged network, in evaluation mode.

    Raises, in the first process (the others, told by it, just end):
        InputError: an argument, the recipe, the photographs or `out` cannot be used.
        FloatingPointError: the loss is not finite; the last checkpoint stays.
        Interrupted: SIGTERM, Ctrl-C or a limit; a checkpoint is written.
    """
    if max_hours is not None and not 0 < max_hours < math.inf:
        raise InputError(f"max_hours is {max_hours}; expected a number above 0")
    folder = RunFolder(Path(out))
    folder.check(resume)
    fabric = launch(hardware)
    run = Run(recipe, folder, fabric, seed, hardware)
    run.open(data, root, skip_bad, resume)
    run.build(backbone)
    with run.locked(resume):
        run.enter(resume)
        try:
            run.loop(max_steps, max_hours)
        except (Interrupted, FloatingPointError):
            if not fabric.is_global_zero:
                # Fabric kills the first process as soon as another one fails.
                raise SystemExit from None
            raise
    return run.learner.average.eval()


class Run:
    """One training: what is fixed (recipe, data, networks) and the clock."""

    source: Source | Shards
    learner: Learner
    timetable: Timetable

    def __init__(
        self,
        recipe: Recipe,
        folder: RunFolder,
        fabric: Fabric,
        seed: int,
        hardware: Hardware,
    ) -> None:
        self.recipe, self.folder, self.fabric = recipe, folder, fabric
        self.seed, self.hardware = seed, hardware
        self.clock, self.best = Clock(), float("inf")
        self._spent, self._started = 0.0, time.monotonic()

    @property
    def seconds(self) -> float:
        """Time spent in this run, earlier parts of it included."""
        return self._spent + time.monotonic() - self._started

    def open(
        self,
        data: str | os.PathLike[str],
        root: str | os.PathLike[str] | None,
        skip_bad: bool,
        resume: bool,
    ) -> None:
        """Find the photographs, and those among them that cannot be read."""
        check_recipe(self.recipe)
        source = open_source(data, root)
        if isinstance(source, Shards):
            if self.recipe.phases:
                raise InputError(f"{data}: phases need photographs in any order")
            self.source = replace(source, skip_bad=skip_bad)
        elif resume and self.folder.skipped.exists():
            self.source = Readable(source, read_bad(self.folder.skipped))
        else:
            self.source = check_photographs(source, skip_bad, KEEP_BYTES)
        self.timetable = Timetable(self.recipe, len(self.source))

    def build(self, backbone: str | os.PathLike[str] | None) -> None:
        """The networks, on their device."""
        found = self._backbone(backbone)
        self.backbone = found.name if found else "none"
        features = None if found is None else phi(found, self.recipe.losses)
        compiled = self.hardware.compiled
        if compiled is None:
            device = self.fabric.device
            compiled = device.type == "cuda" and compiles(device)
        kind = LEARNERS.get(self.recipe.network.variant, Learner)
        self.learner = kind(self.recipe, self.seed, features, self.fabric, compiled)

    def _backbone(self, path: str | os.PathLike[str] | None) -> Backbone | None:
        schedule, name = self.recipe.schedule, self.recipe.backbone
        if name is None or not schedule.flat + schedule.decay:
            return None
        if name == "random":
            return load_backbone("vgg19", path or "random")
        with self.fabric.rank_zero_first():  # it may have to be fetched
            return load_backbone(name, path)

    @contextmanager
    def locked(self, resume: bool) -> Iterator[None]:
        """Hold the folder, by the first process, and check it again.

        Raises InputError there if another training has it, or had it meanwhile.
        """
        refused = ""
        with ExitStack() as held:
            if self.fabric.is_global_zero:
                try:
                    held.enter_context(locked(self.folder.path))
                    self.folder.check(resume)
                    self.folder.mend()
                except InputError as error:
                    refused = str(error)
            if refused := self.fabric.broadcast(refused):
                raise InputError(refused) if self.fabric.is_global_zero else SystemExit
            yield

    def enter(self, resume: bool) -> None:
        """Begin, or go on from the newest checkpoint if there is one."""
        if resume and self.folder.found():
            self.restore()
        elif self.fabric.is_global_zero:
            self.begin()

    def begin(self) -> None:
        """Write what a resumed run goes by; with the recipe it counts as begun."""
        if isinstance(self.source, Readable) and self.source.bad:
            write_bad(self.source.bad, self.folder.skipped)
        write_recipe(self.recipe, self.folder.path / RECIPE)

    def restore(self) -> None:
        """Go on from the newest checkpoint; InputError if it is another run's."""
        state = current_state(self.folder.load())
        for name, here in self._identity().items():
            if state.get(name) != here:
                raise InputError(
                    f"{self.folder.path}: was started with {name} {state.get(name)!r}; "
                    f"found {here!r}, expected the same to go on"
                )
        try:
            self._take_over(state)
        except Exception as error:  # whatever torch makes of other contents
            reason = " ".join(str(error).split())
            raise InputError(
                f"{self.folder.found()[-1]}: does not fit the run's recipe ({reason})"
            ) from error

    def _take_over(self, state: dict[str, Any]) -> None:
        self.learner.load_state_dict(state["learner"])
        torch.set_rng_state(state["random"])
        self.clock = Clock(*map(int, state["clock"]))
        self.best, self._spent = float(state["best"]), float(state["seconds"])
        self._started = time.monotonic()

    def _identity(self) -> dict[str, Any]:
        """What must be the same when a run goes on."""
        return {
            **flat(self.recipe),
            "seed": self.seed,
            "photographs": self._fingerprint(),
            "weights of phi": self.backbone,
            "processes": self.fabric.world_size,
        }

    def _fingerprint(self) -> str:
        if isinstance(self.source, Shards):
            return f"{len(self.source)} in {len(self.source.urls)} shards"
        return self.source.fingerprint()

    def loop(self, max_steps: int | None, max_hours: float | None) -> None:
        """Step after step, until the schedule, a signal or a limit ends it."""
        if self.timetable.finished(self.clock):
            return
        fabric, learner, folder = self.fabric, self.learner, self.folder
        validation = self._validation()
        progress = self.timetable.progress(self.clock)
        report = Report(folder.log, self.clock.steps, progress, fabric.is_global_zero)
        stop, finite = Stop(fabric, max_steps, max_hours), Finite(learner.weights())
        on_cpu = self.fabric.device.type == "cpu"
        saved = time.monotonic()
        with report, stop:
            for batch in self._batches():
                terms = self._step(*on_device(batch, fabric.device))
                if batch.bad:
                    add_bad(batch.bad, folder.skipped)
                count = len(batch.images) * fabric.world_size
                self.clock = self.timetable.after(self.clock, count)
                steps = self.clock.steps
                learner.follow(steps)
                finite.note(terms, steps)
                progress = self.timetable.progress(self.clock)
                report.step(terms, self.learner.copies * count, steps, progress)

                stopped = stop.after_step()
                done = self.timetable.finished(self.clock)
                due = done or steps % self.recipe.schedule.save_steps == 0
                # The clocks of processes differ, so all of them look here.
                looking = steps % NOTICED_EVERY == 0
                late = looking and time.monotonic() - saved > SAVE_SECONDS
                if due or stopped or looking or on_cpu:
                    finite.check()
                if due or stopped or steps % EVERY == 0:
                    report.point(learner.lr, steps)
                if due:
                    self._validate(validation, report)
                elif stopped and fabric.is_global_zero:
                    folder.save_weights(learner.average, self._notes(), best=False)
                if due or stopped or late:
                    self._save()
                    saved = time.monotonic()
                if done:
                    return
                if stopped:
                    raise Interrupted(stop.reason, steps, stop.code)

    def _step(self, image: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """The step of the stage that the clock says; its terms over all processes."""
        factor = self.timetable.factor(self.clock)
        if self.timetable.warming_up(self.clock):
            terms = self.learner.warm_up_step(image, mask, factor)
        else:
            terms = self.learner.main_step(image, mask, factor)
        if self.fabric.world_size == 1:
            return terms
        # Fabric's own all_reduce would wait for all processes, at every step.
        means = torch.stack(list(terms.values())) / self.fabric.world_size
        torch.distributed.all_reduce(means)
        return dict(zip(terms, means, strict=True))

    def _batches(self) -> Iterator[Any]:
        fabric, hardware = self.fabric, self.hardware
        rank, world = fabric.global_rank, fabric.world_size
        streamed = isinstance(self.source, Shards)
        keys = self.timetable.keys(self.clock, rank, world)
        made = batches(
            self.source,
            self.recipe.data,
            self.seed,
            first=self.clock.photographs,
            rank=rank,
            world=world,
            workers=_workers(hardware, fabric.device),
            pin=fabric.device.type == "cuda",
            chosen=None if streamed else keys,
        )
        with signals_held():  # from the workers, which start now
            first = next(made)
        return itertools.chain([first], made)

    def _validation(self) -> Validation | None:
        """Batches of other views and masks than the training's; first process only."""
        if not self.fabric.is_global_zero:
            return None
        drawn = batches(self.source, self.recipe.data, self.seed + 1)
        first = itertools.islice(drawn, VALIDATED)
        return Validation([on_device(batch, self.fabric.device) for batch in first])

    def _validate(self, validation: Validation | None, report: Report) -> None:
        if validation is None:
            return
        error, sheet = validation(self.learner.average)
        report.validation(error, sheet, self.clock.steps)
        better = error < self.best
        self.best = min(error, self.best)
        self.folder.save_weights(self.learner.average, self._notes(), better)

    def _save(self) -> None:
        """A checkpoint that `restore` goes on from, by the first process alone."""
        if not self.fabric.is_global_zero:
            return
        state = {
            **self._identity(),
            "learner": self.learner.state_dict(),
            "random": torch.get_rng_state(),
            "clock": [*self.clock],
            "best": self.best,
            "seconds": self.seconds,
        }
        self.folder.save(state, self.clock.steps)

    def _notes(self) -> dict[str, str]:
        return {
            "recipe": json.dumps(asdict(self.recipe)),
            "seed": str(self.seed),
            "steps": str(self.clock.steps),
            "warm-up steps": str(self.clock.warm_up_steps),
            "images": str(self.learner.copies * self.clock.photographs),
            "minutes": f"{self.seconds / 60:.0f}",
            "backbone": self.backbone,
        }
