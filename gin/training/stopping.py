"""When a training ends before its schedule does: signals, limits, divergence."""

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

NOTICED_EVERY = 10  # steps: asking a GPU or another process costs time
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


class Stop(ExitStack):
    """Watches for Ctrl-C and SIGTERM while it is open, and for this run's limits."""

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
        """Whether to stop now; all processes get the same answer."""
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
        # A signal may come just now: only what all processes know decides.
        if stopping := bool(most >= 0):
            self.reason = self.reason or "another process"
            self.code = int(most)
        return stopping


@contextmanager
def signals_held() -> Iterator[None]:
    """Signals wait till the end, and processes started meanwhile never get them.

    SLURM, say, sends SIGTERM to all processes: without those that make its batches
    a training could not finish the step.
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
    """Remembers the first step whose loss is not finite, without waiting for it.

    Args:
        weights: which must be finite too; a finite loss can spoil them.
    """

    def __init__(self, weights: Iterable[Tensor]) -> None:
        self.weights = list(weights)
        self.first, self.last = torch.tensor(math.inf), 0

    def note(self, terms: dict[str, Tensor], step: int) -> None:
        """Take in the terms of a step, scalars on any device."""
        self.last = step
        total = torch.stack(list(terms.values())).sum()
        self.first = self.first.to(total.device)
        here = torch.where(total.isfinite(), math.inf, float(step))
        self.first = torch.minimum(self.first, here)

    def check(self) -> None:
        """Raise FloatingPointError that names the step, if there was one."""
        if math.isfinite(first := self.first.item()):
            raise FloatingPointError(f"the loss is not finite at step {first:.0f}")
        norms = torch.stack(torch._foreach_norm(self.weights))
        if not norms.isfinite().all():
            raise FloatingPointError(
                f"the weights are not finite after step {self.last}"
            )
