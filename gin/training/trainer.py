"""The two stages of section 5.1: warm-up, then generators against discriminators.

Lightning Fabric handles the device, the precision and the processes. Taught in
book/17_warm_up.md.
"""

import itertools
import json
import math
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import torch.distributed
from lightning_fabric import Fabric

from gin.data.loader import Batch, batches, on_device
from gin.data.shards import Shards
from gin.data.sources import Source, open_source
from gin.data.unreadable import Readable, add_bad, check, read_bad, write_bad
from gin.errors import InputError, Interrupted, input_error
from gin.generator import DeepGIN
from gin.recipes import MAX_SEED, Recipe, check_recipe
from gin.training.hardware import Hardware, count_workers, launch, uses_compile
from gin.training.learner import Learner, Losses, phi
from gin.training.processes import Processes
from gin.training.progress import EVERY, Report, Validation
from gin.training.recipe_files import current_state, flat, write_recipe
from gin.training.run_folder import RECIPE, RunFolder, SavingThread
from gin.training.schedule import Clock, Timetable, check_order
from gin.training.stopping import NOTICED_EVERY, Finite, Stop, signals_held
from gin.utils.files import StrPath, locked
from gin.weights.imagenet import Backbone, load_backbone

SAVE_SECONDS = 300
VALIDATION_BATCHES = 4
KEEP_BYTES = 2**30  # of decoded photographs


def train(
    recipe: Recipe,
    data: StrPath,
    out: StrPath,
    *,
    seed: int = 0,
    resume: bool = False,
    hardware: Hardware | None = None,
    root: StrPath | None = None,
    skip_bad: bool = False,
    backbone: StrPath | None = None,
    validation: StrPath | None = None,
    max_steps: int | None = None,
    max_hours: float | None = None,
    learner: type[Learner] = Learner,
) -> DeepGIN:
    """Train on the photographs that `data` names and write the run to `out`.

    Returns the averaged network, in evaluation mode.

    Args:
        recipe: the network, the losses and the schedule.
        data: see `gin.data.sources.open_source`, as for `root`.
        out: see `gin.training.run_folder.RunFolder`.
        seed: of the first weights, the batches and the masks.
        resume: continue the run in `out`.
        hardware: device, precision and processes; None chooses by the machine.
        root: the folder of the photographs, also of those for the validation.
        skip_bad: leave out photographs that cannot be read, and list them.
        backbone: weights for phi, see `gin.weights.imagenet.load_backbone`.
        validation: photographs, as `data`, that the validation error is measured on;
            None for those of `data`, under other views and masks.
        max_steps: stop after this many steps of this call.
        max_hours: stop after this many hours of this call.
        learner: the class that trains the recipe's variant.

    Raises:
        InputError: an argument, the recipe, the photographs or `out` cannot be used.
        FloatingPointError: the loss is not finite; the last checkpoint stays.
        Interrupted: SIGTERM, Ctrl-C or a limit; a checkpoint is written.
        SystemExit: in the other processes, when the first one raises one of these.
    """
    if max_hours is not None and not 0 < max_hours < math.inf:
        raise InputError(f"max_hours is {max_hours}; expected a number above 0")
    if max_steps is not None and max_steps < 1:
        raise InputError(f"max_steps is {max_steps}; expected 1 or more")
    if not 0 <= seed <= MAX_SEED:
        raise InputError(f"seed is {seed}; expected 0 to {MAX_SEED}")
    folder, hardware = RunFolder(Path(out)), hardware or Hardware()
    folder.check(resume)
    fabric = launch(hardware)
    skipped = folder.skipped if resume else None
    source = open_photographs(recipe, data, root, fabric, skip_bad, skipped)
    held_out = _open(validation, root, fabric) if validation is not None else None
    timetable = Timetable(recipe, len(source))
    weights = _load_backbone(recipe, backbone, fabric)
    features = phi(weights, recipe.losses) if weights else None
    compiled = uses_compile(hardware, fabric.device)
    run = Run(
        recipe,
        seed,
        folder,
        fabric,
        source,
        held_out,
        timetable,
        learner(recipe, seed, features, fabric, compiled),
        backbone=weights.name if weights else "none",
        workers=count_workers(hardware, fabric.device),
    )
    with ExitStack() as stack:

        def lock() -> None:
            stack.enter_context(locked(folder.path))
            folder.check(resume)  # again: another training may have written meanwhile
            folder.mend()

        Processes(fabric).on_first(lock)
        run.start(resume)
        try:
            run.loop(max_steps, max_hours)
        except (Interrupted, FloatingPointError):
            if not fabric.is_global_zero:
                # Fabric kills the first process as soon as another one fails.
                raise SystemExit from None
            raise
    return run.learner.average.eval()


def open_photographs(
    recipe: Recipe,
    data: StrPath,
    root: StrPath | None,
    fabric: Fabric,
    skip_bad: bool,
    skipped: Path | None = None,
) -> Source | Shards:
    """Open the photographs and leave out those that cannot be read.

    One process of each machine opens them first, because torchvision may have to
    download them. The first process of all decodes them once, unless the table
    `skipped` of an earlier start exists. Arguments and errors as for `train`.
    """
    check_recipe(recipe)
    source = _open(data, root, fabric)
    check_order(recipe, source)
    if isinstance(source, Shards):
        return replace(source, skip_bad=skip_bad)
    if skipped is not None and skipped.exists():
        return Readable(source, read_bad(skipped))
    return Processes(fabric).on_first(lambda: check(source, skip_bad, KEEP_BYTES))


def _open(spec: StrPath, root: StrPath | None, fabric: Fabric) -> Source | Shards:
    with fabric.rank_zero_first(local=True):
        return open_source(spec, root)


def _load_backbone(
    recipe: Recipe, path: StrPath | None, fabric: Fabric
) -> Backbone | None:
    schedule, name = recipe.schedule, recipe.backbone
    if name is None or not schedule.flat + schedule.decay:
        return None
    if name == "random":
        return load_backbone("vgg19", path or "random")
    with fabric.rank_zero_first():  # it may have to be downloaded
        return load_backbone(name, path)


@dataclass
class Run:
    """One training: the photographs, the networks, the schedule and the clock.

    `folder` is `locked` from `start` on, `fabric` launched; the `timetable` is for as
    many photographs as `source` has, `held_out` the photographs for the validation,
    `backbone` the name of phi's weights, and `workers` processes make the batches of
    this one. The others are those of `train`.
    """

    recipe: Recipe
    seed: int
    folder: RunFolder
    fabric: Fabric
    source: Source | Shards
    held_out: Source | Shards | None
    timetable: Timetable
    learner: Learner
    backbone: str
    workers: int

    def __post_init__(self) -> None:
        self.clock, self.best = Clock(), float("inf")
        self._earlier_seconds, self._started = 0.0, time.monotonic()

    @property
    def seconds(self) -> float:
        """Time spent in this run, earlier parts of it included."""
        return self._earlier_seconds + time.monotonic() - self._started

    def start(self, resume: bool) -> None:
        """Continue from the newest checkpoint, or write what a resumed run reads."""
        if resume and self.folder.saved():
            self.restore()
        if not self.fabric.is_global_zero:
            return
        listed = resume and self.folder.skipped.exists()
        if isinstance(self.source, Readable) and not listed:
            write_bad(self.source.bad, self.folder.skipped)
        if not self.folder.saved():  # a folder with a recipe counts as a run
            write_recipe(self.recipe, self.folder.path / RECIPE)

    def restore(self) -> None:
        """Continue from the newest checkpoint; InputError if it is another run's."""
        state = current_state(self.folder.load())
        for name, here in self._identity.items():
            if state.get(name) != here:
                raise InputError(
                    f"{self.folder.path}: was started with {name} {state.get(name)!r}; "
                    f"found {here!r}, expected the same to resume"
                )
        what = f"{self.folder.saved()[-1]}: does not fit the run's recipe"
        with input_error(what, Exception):  # of many types, from torch
            self.learner.load_state_dict(state["learner"])
            torch.set_rng_state(state["random"])
            self.clock = Clock(*map(int, state["clock"]))
            self.best = float(state["best"])
            self._earlier_seconds = float(state["seconds"])
            self._started = time.monotonic()

    @cached_property  # the names of all photographs are hashed
    def _identity(self) -> dict[str, Any]:
        """What must be the same in a resumed run."""
        return {
            **flat(self.recipe),
            "seed": self.seed,
            "photographs": self.source.fingerprint(),
            "validation": self.held_out.fingerprint() if self.held_out else None,
            "weights of phi": self.backbone,
            "processes": self.fabric.world_size,
        }

    def loop(self, max_steps: int | None, max_hours: float | None) -> None:
        """Train until the schedule, a signal or a limit ends it."""
        if self.timetable.finished(self.clock):
            return
        fabric, learner = self.fabric, self.learner
        validation, log = self._validation(), self.folder.log
        progress = self.timetable.progress(self.clock)
        report = Report(log, self.clock.steps, progress, fabric.is_global_zero)
        stop, finite = Stop(fabric, max_steps, max_hours), Finite(learner.weights())
        on_cpu, last_save = fabric.device.type == "cpu", time.monotonic()
        every = self.recipe.schedule.save_steps
        with report, stop, SavingThread() as saving:
            for batch in self._batches():
                terms = self._step(batch)
                steps, progress = self.clock.steps, self.timetable.progress(self.clock)
                images = learner.copies * len(batch.images) * fabric.world_size
                report.step(terms, images, progress)
                finite.note(terms, steps)

                done, stopped = self.timetable.finished(self.clock), stop.after_step()
                checked = steps % NOTICED_EVERY == 0
                late = checked and time.monotonic() - last_save > SAVE_SECONDS
                validate = done or (late if every is None else steps % every == 0)
                save = validate or stopped or late
                if save or checked or on_cpu:
                    finite.check()
                if validate or stopped or steps % EVERY == 0:
                    report.point(learner.lr, steps)
                better = validate and self._validate(validation, report)
                if save:
                    self._save(better, saving)
                    last_save = time.monotonic()
                if done or stopped:
                    saving.wait()
                    fabric.barrier()  # the first process has saved
                if done:
                    return
                if stopped:
                    raise Interrupted(stop.reason, steps, stop.code)

    def _step(self, batch: Batch) -> Losses:
        """Take the step of the clock's stage; its terms, averaged over processes."""
        image, mask = on_device(batch, self.fabric.device)
        warming_up = self.timetable.warming_up(self.clock)
        take = self.learner.warm_up_step if warming_up else self.learner.main_step
        terms = take(image, mask, self.timetable.factor(self.clock))
        if batch.bad:
            add_bad(batch.bad, self.folder.skipped)
        photographs = len(batch.images) * self.fabric.world_size
        self.clock = self.timetable.after(self.clock, photographs)
        self.learner.follow(self.clock.steps)
        return self._mean(terms)

    def _mean(self, terms: Losses) -> Losses:
        if self.fabric.world_size == 1:
            return terms
        # Fabric's own all_reduce would wait for all processes, at every step.
        means = torch.stack(list(terms.values())) / self.fabric.world_size
        torch.distributed.all_reduce(means)
        return dict(zip(terms, means, strict=True))

    def _batches(self) -> Iterator[Batch]:
        """The batches from the clock on; their worker processes ignore signals."""
        rank, world = self.fabric.global_rank, self.fabric.world_size
        made = batches(
            self.source,
            self.recipe.data,
            self.seed,
            first=self.clock.photographs,
            rank=rank,
            world=world,
            workers=self.workers,
            pin=self.fabric.device.type == "cuda",
            chosen=self.timetable.keys(self.clock, rank, world),
        )
        with signals_held():
            first = next(made)
        return itertools.chain([first], made)

    def _validation(self) -> Validation | None:
        """The batches, of other views and masks than the training's; first process."""
        if not self.fabric.is_global_zero:
            return None
        source = self.held_out or self.source
        made = batches(source, self.recipe.data, self.seed + 1)
        first = itertools.islice(made, VALIDATION_BATCHES)
        return Validation([on_device(batch, self.fabric.device) for batch in first])

    def _validate(self, validation: Validation | None, report: Report) -> bool:
        """Whether the average has the least error so far; first process only."""
        if validation is None:
            return False
        error, sheet = validation(self.learner.average)
        report.validation(error, sheet, self.clock.steps)
        better = error < self.best
        self.best = min(error, self.best)
        return better

    def _save(self, best: bool, saving: SavingThread) -> None:
        """Write the weights, and a checkpoint for `restore`; first process only."""
        if not self.fabric.is_global_zero:
            return
        net, notes, steps = self.learner.average, self._notes(), self.clock.steps
        state = {
            **self._identity,
            "learner": self.learner.state_dict(),
            "random": torch.get_rng_state(),
            "clock": [*self.clock],
            "best": self.best,
            "seconds": self.seconds,
        }

        def write(net: DeepGIN, state: dict[str, Any]) -> None:
            self.folder.save_weights(net, notes, best)
            self.folder.save(state, steps)

        saving.save(write, net, state)

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
