"""Which operators a computation calls, on tensors with or without values."""

from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode


class Calls(TorchDispatchMode):
    """The operators called, each with its first tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, Tensor]] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        tensors = [arg for arg in args if isinstance(arg, Tensor)]
        if tensors:
            self.found.append((func.overloadpacket.__name__, tensors[0]))
        return func(*args, **(kwargs or {}))

    def inputs(self, name: str) -> list[Tensor]:
        """The first tensor of each call of the operator `name`."""
        return [tensor for found, tensor in self.found if found == name]
