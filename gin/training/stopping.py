"""Signals, limits and divergence end a training before its schedule does."""

import math
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Self

import torch
from lightning_fabric import Fabric
from torch import Tensor

NOTICED_EVERY = 10  # steps, because waiting for a GPU or a process costs time
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


class Stop(ExitStack):
    """Notes Ctrl-C and SIGTERM while it is open, and checks the limits.

    All processes of `fabric` stop after the same step. None stands for no limit.
    """

    def __init__(
        self, fabric: Fabric, max_steps: int | None, max_hours: float | None
    ) -> None:
        super().__init__()
        self.fabric, self.max_steps = fabric, max_steps
        self.ends = math.inf if max_hours is None else 3600 * max_hours
        self.begun, self.taken, self.code = time.monotonic(), 0, 0
        self.reason = ""

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in CODES:
                before = signal.signal(number, self._received)
                self.callback(signal.signal, number, before)
        return super().__enter__()

    def _received(self, number: int, frame: FrameType | None) -> None:
        received = signal.Signals(number)
        self.reason, self.code = received.name, CODES[received]

    def after_step(self) -> bool:
        """Return whether to stop now, the same in all processes.

        `reason` and `code`, the program's exit code, are then set.
        """
        self.taken += 1
        if self.max_steps is not None and self.taken >= self.max_steps:
            self.reason = self.reason or f"{self.max_steps} steps"
        if time.monotonic() - self.begun >= self.ends:
            self.reason = self.reason or f"{self.ends / 3600:g} hours"
        if self.fabric.world_size == 1:
            return bool(self.reason)
        if self.taken % NOTICED_EVERY and self.taken != self.max_steps:
            return False
        mine = torch.tensor(self.code if self.reason else -1)
        most = self.fabric.all_reduce(self.fabric.to_device(mine), reduce_op="max")
        assert isinstance(most, Tensor)
        # From the reduced value alone: a signal may have arrived since.
        if stopping := bool(most >= 0):
            self.reason = self.reason or "another process"
            self.code = int(most)
        return stopping


@contextmanager
def signals_held() -> Iterator[None]:
    """Block signals; processes that start in the block never receive them.

    SLURM sends SIGTERM to all processes, and a training needs those that make its
    batches to finish the step.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, CODES)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Finite:
    """Keeps the first step whose loss is not finite, without waiting for the device.

    The `weights` must be finite too; a finite loss can have infinite gradients.
    """

    def __init__(self, weights: Iterable[Tensor]) -> None:
        self.weights = list(weights)
        self.first, self.last = torch.tensor(math.inf), 0

    def note(self, terms: dict[str, Tensor], step: int) -> None:
        """Note the terms of a step, scalars on any device."""
        self.last = step
        total = torch.stack(list(terms.values())).sum()
        self.first = self.first.to(total.device)
        bad_step = torch.where(total.isfinite(), math.inf, float(step))
        self.first = torch.minimum(self.first, bad_step)

    def check(self) -> None:
        """Raise FloatingPointError if a loss or a weight is not finite."""
        if math.isfinite(first := self.first.item()):
            raise FloatingPointError(f"the loss is not finite at step {first:.0f}")
        norms = torch.stack(torch._foreach_norm(self.weights))
        if not norms.isfinite().all():
            raise FloatingPointError(
                f"the weights are not finite after step {self.last}"
            )
