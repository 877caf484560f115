"""The text of `gin info`: versions, hardware, weights and parameter counts."""

import platform
from collections.abc import Iterable, Iterator
from importlib.metadata import version

import torch
from torch import nn

from gin.discriminator import Discriminators
from gin.errors import InputError, printable
from gin.generator import VARIANTS, DeepGIN
from gin.utils import devices
from gin.weights import checkpoints

PAPER_WIDTH = 64
PACKAGES = ("torchvision", "numpy", "pillow")
Row = tuple[str, object]


def describe(weights: str | None) -> Iterator[str]:
    """Yield the lines of `gin info`, by default about the shipped weights.

    Raises InputError if the named `weights` cannot be loaded; missing shipped weights
    only give a line.
    """
    yield from _table(_system())
    yield ""
    try:
        yield from _table(_weights(weights))
    except InputError as error:
        if weights is not None:
            raise
        yield f"weights  none: {error}"
    yield ""
    yield f"trainable parameters at base width {PAPER_WIDTH} (Table 1)"
    yield from _table(_sizes())


def _system() -> Iterator[Row]:
    yield "gin", version("deepgin-book")
    yield "Python", platform.python_version()
    yield "torch", torch.__version__  # names the build, unlike the package's version
    for package in PACKAGES:
        yield package, version(package)
    device = devices.choose_device()
    gpu = f" ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else ""
    yield "device", f"{device}{gpu}"
    yield "precision", devices.choose_precision(device)
    yield "threads", torch.get_num_threads()
    yield "CPU capability", torch.backends.cpu.get_cpu_capability()


def _weights(weights: str | None) -> Iterator[Row]:
    path = checkpoints.locate(weights)
    net = checkpoints.network(path)
    yield "weights", path
    yield "variant", net.variant
    yield "base width", net.base_channels
    yield "composite", "as released" if net.composite else "as the paper writes it"
    yield "parameters", f"{_count(net):,}"
    notes = checkpoints.notes(path)
    yield from ((key, notes[key]) for key in sorted(notes) if key != "gin")


def _sizes() -> Iterator[Row]:
    with torch.device("meta"):  # shapes without memory
        for variant in VARIANTS:
            yield variant, f"{_count(DeepGIN(variant, PAPER_WIDTH)):>12,}"
        both = Discriminators(PAPER_WIDTH)
        yield "the two discriminators", f"{_count(both):>12,}"


def _count(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters() if p.requires_grad)


def _table(rows: Iterable[Row]) -> list[str]:
    rows = list(rows)
    width = max(len(name) for name, _ in rows)
    return [printable(f"{name:<{width}}  {value}") for name, value in rows]
