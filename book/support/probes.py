"""Photographs, masks and hooks with which the chapters examine a network."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from support import figures, my_hole
from torch import Tensor, nn

import gin
from gin.data import mask_sets
from gin.generator import Completion, DeepGIN, composite
from gin.utils.images import open_picture

DATA = Path(__file__).parents[2] / "data"


def photographs(names: Sequence[str], size: int = 256) -> Tensor:
    """Photographs of data/photos by name: (B, 3, size, size) in [0, 1]."""
    loaded = []
    for name in names:
        photo = open_picture(DATA / "photos" / f"{name}.jpg").resize((size, size))
        loaded.append(figures.as_tensor(photo))
    return torch.cat(loaded)


def seeded_masks(kind: str, names: Sequence[str], seed: int = 5) -> Tensor:
    """A mask for each photograph, from the seed and its name: (B, 1, 256, 256)."""
    drawn = [mask_sets.draw(seed, name, kind, (256, 256)) for name in names]
    return torch.from_numpy(np.stack(drawn))[:, None].float()


def square_mask(size: int, image_size: int = 256) -> Tensor:
    """A centred square hole: (1, 1, image_size, image_size)."""
    mask = torch.zeros(1, 1, image_size, image_size)
    start = (image_size - size) // 2
    mask[..., start : start + size, start : start + size] = 1
    return mask


def load(name: str = "deepgin") -> DeepGIN:
    """The network of data/weights/NAME.safetensors, in evaluation mode."""
    return gin.load(DATA / "weights" / f"{name}.safetensors").eval()


def hole_error(picture: Tensor, image: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute error in each hole, in % of the scale: (B,)."""
    gap = (picture.clamp(0, 1) - image).abs() * mask
    return 100 * gap.sum((1, 2, 3)) / (3 * mask.sum((1, 2, 3)))


def depth(mask: Tensor) -> Tensor:
    """(B, 1, H, W) of 0 and 1 -> steps to the nearest known pixel, 0 outside."""
    steps = torch.zeros_like(mask)
    while mask.any():
        steps += mask
        mask = 1 - F.max_pool2d(1 - mask, 3, stride=1, padding=1)
    return steps


def count(module: nn.Module) -> int:
    """The number of parameters."""
    return sum(parameter.numel() for parameter in module.parameters())


def copy_weights(ours: nn.Module, theirs: nn.Module) -> nn.Module:
    """`ours` with the weights of `theirs`, which come in the same order."""
    weights = theirs.state_dict().values()
    ours.load_state_dict(dict(zip(ours.state_dict(), weights, strict=True)))
    return ours


@contextmanager
def replaced(
    modules: Iterable[nn.Module], output: Callable[[nn.Module, Any, Any], Any]
) -> Iterator[None]:
    """Within the block, each module returns output(module, inputs, its output)."""
    hooks = [module.register_forward_hook(output) for module in modules]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def recorded(modules: Mapping[Any, nn.Module]) -> Iterator[dict[Any, Any]]:
    """Within the block, note each module's first input and its output by name."""
    notes: dict[Any, Any] = {}

    def note(name: Any) -> Callable[..., None]:
        return lambda module, inputs, out: notes.update({name: (inputs[0], out)})

    hooks = [module.register_forward_hook(note(n)) for n, module in modules.items()]
    try:
        yield notes
    finally:
        for hook in hooks:
            hook.remove()


def bypass(module: nn.Module, inputs: Any, out: Any) -> Any:
    """For `replaced`: the module returns its first input."""
    return inputs[0]


def silence(module: nn.Module, inputs: Any, out: Any) -> Any:
    """For `replaced`: the module returns zeros."""
    return torch.zeros_like(out)


def tinted(
    picture: figures.Picture, strength: Tensor, place: tuple[float, float], width: int
) -> np.ndarray:
    """The pale picture, orange where `strength` (h, w) is high: (256, 256, 3).

    The colour is scaled to the largest strength. A blue square of `width` px marks the
    place, (y, x) from 0 to 1, on a grid of such squares.
    """
    enlarged = F.interpolate((strength / strength.max())[None, None], 256)
    a = figures.as_rgb(enlarged)
    pale = 0.45 + 0.55 * figures.as_rgb(picture).mean(axis=2, keepdims=True)
    shown = (1 - a) * pale + a * np.array([0.77, 0.31, 0])
    top, left = (int(part * 256) // width * width for part in place)
    shown[top : top + width, left : left + width] = (0, 0.45, 0.7)
    clipped: np.ndarray = shown.clip(0, 1)
    return clipped


@torch.no_grad()
def completed(net: DeepGIN, images: Tensor, mask: Tensor) -> Completion:
    """The network's outputs."""
    outputs: Completion = net(images, mask)
    return outputs


@torch.no_grad()
def refined(net: DeepGIN, sketch: Tensor, images: Tensor, mask: Tensor) -> Tensor:
    """I_out if G2 is given this coarse picture, with the known pixels pasted in."""

    def paste(picture: Tensor) -> Tensor:
        return composite(picture, images, mask)

    assert net.refinement is not None
    out: Tensor = net.refinement(paste(sketch), mask, paste)[0]
    return out


def own_hole(default: Tensor) -> Tensor:
    """The reader's hole of chapter 1 at the size of `default` (1, 1, H, W), or that."""
    mask = my_hole.load(default[0, 0].numpy().astype(np.uint8))
    return torch.from_numpy(mask)[None, None].float()
