"""What the chapter on the network measures: the outputs of every layer, in order."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import torch
from torch import Tensor, nn

from gin.generator import DeepGIN

Value = TypeVar("Value")
# Names of the layers, as the chapter's tables have them -> paths in the generators.
_COARSE = {f"e{i + 1}": f"encoder.{i}" for i in range(4)}
_COARSE |= {f"m{i + 1}": f"middle.{i}" for i in range(6)}
_COARSE |= {f"d{i + 1}": f"decoder.{i}" for i in range(3)} | {"rgb": "rgb"}
_MIDDLE = ("m1", "m2", "m3", "a5", "m4", "m5", "m6")
_REFINEMENT = {f"e{i + 1}": f"encoder.{i}" for i in range(5)}
_REFINEMENT |= {name: f"middle.{i}" for i, name in enumerate(_MIDDLE)}
_REFINEMENT |= {"d1": "up1", "x4": "skip4", "d2": "up2", "x3": "skip3"}
_REFINEMENT |= {"d3": "up3", "d4": "up4", "rgb": "rgb"}


def layers(net: DeepGIN) -> Iterator[tuple[str, nn.Module]]:
    """Name and module of each layer, in the order in which a picture passes them."""
    for name, path in _COARSE.items():
        yield f"G1 {name}", net.coarse.get_submodule(path)
    for name, path in _REFINEMENT.items():
        yield f"G2 {name}", net.refinement.get_submodule(path)


def record(
    net: DeepGIN, image: Tensor, mask: Tensor, measure: Callable[[Tensor], Value]
) -> dict[str, Value]:
    """What `measure` gives for the output of every layer."""
    values: dict[nn.Module, Value] = {}

    def note(module: nn.Module, _: object, output: Tensor) -> None:
        values[module] = measure(output)

    hooks = [module.register_forward_hook(note) for _, module in layers(net)]
    with torch.no_grad():
        net(image, mask)
    for hook in hooks:
        hook.remove()
    return {name: values[module] for name, module in layers(net)}


def rms(output: Tensor) -> Tensor:
    """The root mean square over the channels of the first image: (h, w)."""
    return output[0].square().mean(dim=0).sqrt()
