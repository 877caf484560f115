"""The folder of a training: its checkpoints and its weights.

Every file is written whole or not at all. Taught in book/17_warm_up.md.
"""

import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from copy import deepcopy
from pathlib import Path
from typing import Any, BinaryIO
from zipfile import ZipFile

import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only

from gin.errors import InputError
from gin.generator import DeepGIN
from gin.utils.files import atomic, check_regular, remove_partial
from gin.weights.checkpoints import save

KEPT = 3
RECIPE = "recipe.yaml"
WEIGHTS, BEST = "weights.safetensors", "best.safetensors"
STATE = {"learner", "random", "clock", "best", "seconds"}  # in every checkpoint


class RunFolder:
    """`recipe.yaml`, `skipped.csv`, `checkpoints/`, `log/` and two files of weights.

    `skipped.csv` lists the photographs that cannot be read. `weights.safetensors` holds
    the newest weights, `best.safetensors` those with the least error in the holes of
    the validation batches; both are averaged if the recipe has an average.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = path / "checkpoints"
        self.log = path / "log"
        self.skipped = path / "skipped.csv"

    def saved(self) -> list[Path]:
        """Return the paths of the checkpoints, oldest first."""
        return sorted(self.checkpoints.glob("step-*.pt"))

    def check(self, resume: bool) -> None:
        """Raise InputError without a run to resume, or if one would be overwritten.

        A run that was killed before its first checkpoint can be resumed, too. A recipe,
        weights or a checkpoint counts as a run.
        """
        recipe = self.path / RECIPE
        parts = [recipe, self.path / WEIGHTS, self.path / BEST, *self.saved()]
        started = [path for path in parts if path.exists()]
        if resume and not started:
            raise InputError(f"{self.path}: there is no run to resume")
        if resume and recipe not in started:
            raise InputError(f"{recipe}: no such file; expected the recipe of the run")
        if not resume and started:
            raise InputError(
                f"{self.path}: holds a run already ({started[0].name}); resume it or "
                "name another folder"
            )

    def mend(self) -> None:
        """Remove half-written files and rename checkpoints that cannot be read.

        The latter are named on stderr. Raises InputError if no checkpoint can be read.
        The folder must be `locked`.
        """
        remove_partial(self.path)
        remove_partial(self.checkpoints)
        bad: dict[Path, InputError] = {}
        for path in reversed(self.saved()):
            try:
                read_checkpoint(path)
            except InputError as error:
                bad[path] = error
            else:
                return _set_aside(bad, path)
        if bad:
            newest = next(iter(bad.values()))
            raise InputError(f"{newest}; no other checkpoint of the run can be read")
        return None

    def save(self, state: dict[str, Any], steps: int) -> None:
        """Write a checkpoint, then remove all but the newest three."""
        with (
            atomic(self.checkpoints / f"step-{steps:09d}.pt") as temporary,
            temporary.open("wb") as file,
        ):
            _save(state, file)
        for old in self.saved()[:-KEPT]:
            old.unlink()

    def load(self) -> dict[str, Any]:
        """Read the newest checkpoint. Raises InputError if it cannot be read."""
        return read_checkpoint(self.saved()[-1])

    def save_weights(self, net: DeepGIN, notes: dict[str, str], best: bool) -> None:
        """Write `net` as the newest weights, and if `best` as the best ones."""
        for name in (WEIGHTS, BEST) if best else (WEIGHTS,):
            save(net, self.path / name, notes=notes)


class SavingThread(ThreadPoolExecutor):
    """Writes a snapshot of the training in a thread, one at a time."""

    def __init__(self) -> None:
        super().__init__(max_workers=1, thread_name_prefix="saving")
        self._last: Future[None] | None = None

    def save(
        self, write: Callable[[DeepGIN, dict[str, Any]], None], net: DeepGIN, state: Any
    ) -> None:
        """Call `write` with copies of `net` and `state`, once the previous call ended.

        Raises what the previous call raised.
        """
        self.wait()
        copies = tree_map_only(Tensor, lambda t: t.detach().to("cpu", copy=True), state)
        self._last = super().submit(write, deepcopy(net), copies)

    def wait(self) -> None:
        """Wait for the previous call to end. Raises what it raised."""
        if self._last is not None:
            self._last.result()


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read the state that `RunFolder.save` wrote; its tensors are on the CPU.

    Compares every record's CRC-32, which torch writes but does not verify. Raises
    InputError if one differs, or for another file.
    """
    check_regular(path)
    try:
        with ZipFile(path) as archive:
            if record := archive.testzip():
                raise ValueError(f"the checksum of {record} differs")
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever damaged bytes make of two decoders
        reason = " ".join(str(error).split("\n")[:1])
        raise InputError(f"{path}: cannot be read ({reason})") from error
    if not isinstance(state, dict) or not state.keys() >= STATE:
        raise InputError(f"{path}: expected a checkpoint of a training")
    return state


def _save(state: dict[str, Any], file: BinaryIO) -> None:
    try:
        torch.save(state, file)
    except RuntimeError as error:  # what torch makes of a full disk
        raise error.__context__ or error from None


def _set_aside(bad: dict[Path, InputError], good: Path) -> None:
    for path, error in bad.items():
        kept = path.replace(path.with_name(f"{path.name}.bad"))
        print(
            f"gin: {error}; kept as {kept.name}, going on from {good.name}",
            file=sys.stderr,
        )
