"""Processes that share a list of items; each takes every N-th one."""

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from gin.errors import InputError

if TYPE_CHECKING:
    import torch
    from lightning_fabric import Fabric

T = TypeVar("T")
STARTED = "WORLD_SIZE", "SLURM_STEP_NUM_TASKS"  # set by torchrun and by srun


@dataclass(frozen=True)
class Processes:
    """This process and the others; `fabric` is None where there are no others."""

    fabric: "Fabric | None" = None

    @classmethod
    def launch(cls, devices: int, device: str | None) -> "Processes":
        """Start `devices` processes, or join those that torchrun or SLURM started.

        Returns in each process once all have called it. Several processes need
        lightning-fabric, from the extra `train`. Raises InputError as
        `gin.training.hardware.launch` does.
        """
        if devices == 1 and all(os.environ.get(name, "1") == "1" for name in STARTED):
            return cls()
        from gin.training.hardware import Hardware, launch

        fabric = launch(Hardware(device, devices, precision="float32"))
        fabric.barrier()
        return cls(fabric)

    @property
    def first(self) -> bool:
        """Whether this is the process that reports."""
        return self.fabric is None or self.fabric.is_global_zero

    @property
    def part(self) -> int | None:
        """The number of this process; None where it is alone."""
        return None if self.fabric is None else self.fabric.global_rank

    def on_first(self, function: Callable[[], T]) -> T:
        """The result of `function`, called in the first process, in every process.

        The others wait as long as it takes, and get a pickled copy. If it raises
        InputError, the first process raises that and the others raise SystemExit.
        """
        if self.fabric is None:
            return function()
        result: Any = None
        with self.fabric.rank_zero_first():
            if self.first:
                try:
                    result = function()
                except InputError as error:
                    result = error
        result = self.fabric.broadcast(result)
        if isinstance(result, InputError):
            raise result if self.first else SystemExit
        return result

    def first_before_others(self) -> AbstractContextManager[None]:
        """In each machine, the first process runs the block before the others do.

        The block may download files, which the others then find.
        """
        if self.fabric is None:
            return nullcontext()
        return self.fabric.rank_zero_first(local=True)

    def device(self, device: str | None) -> "str | torch.device | None":
        """The device of this process; `device` where it is alone."""
        return device if self.fabric is None else self.fabric.device

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """The items of this process: every N-th of N processes."""
        if self.fabric is None:
            return items
        return items[self.fabric.global_rank :: self.fabric.world_size]

    def gather(self, value: T) -> list[T]:
        """The values of all processes, in their order."""
        if self.fabric is None:
            return [value]
        import torch.distributed

        values: list[T | None] = [None] * self.fabric.world_size
        torch.distributed.all_gather_object(values, value)
        return values  # type: ignore[return-value]
