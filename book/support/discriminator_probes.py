"""What chapter 9 measures of the discriminators."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from support import figures
from torch import Tensor, nn

from gin import masks
from gin.discriminator import Discriminators

STRIDES = (2, 2, 1, 1)
EXTENT = {1: 34, 2: 69}  # px of the patch that a value of D1, D2 depends on
# left, right, top, bottom of each layer
PADS = {
    "paper": (*2 * [(1, 1, 1, 1)], *2 * [(1, 2, 1, 2)]),
    "released": 4 * [(2, 2, 2, 2)],
}


def span(number: int, place: int, size: int = 256) -> slice:
    """The patch of a map's value along one axis, cut at the picture's border.

    Each layer of D1 begins its padding further to the left, by a cell of its own.
    """
    first = 4 * place - (1 + 2 + 4 + 4)
    first = first if number == 1 else 2 * first - 1
    return slice(max(first, 0), min(first + EXTENT[number], size))


def patch(number: int, y: float, x: float, size: int = 256) -> tuple[slice, slice]:
    """The patch around a place, (y, x) from 0 to 1."""
    cells = size // (4 * number)
    rows, columns = (span(number, int(part * cells), size) for part in (y, x))
    return rows, columns


def patches_picture(photo: np.ndarray, y: float, x: float) -> np.ndarray:
    """The photograph, pale but for the patch around a place: D1 left, D2 right."""
    shown = []
    for number in (1, 2):
        pale = 0.6 + 0.4 * photo
        rows, columns = patch(number, y, x, len(photo))
        pale[rows, columns] = photo[rows, columns]
        shown.append(pale)
    return np.concatenate(shown, axis=1)


def gradient_of_a_value(
    discriminator: nn.Module, number: int, place: int, size: int
) -> Tensor:
    """How a value of the map depends on each pixel of the candidate: (size, size)."""
    candidate = torch.rand(1, 3, size, size, requires_grad=True)
    pair = torch.cat([torch.rand(1, 3, size, size), candidate], dim=1)
    if number == 2:
        pair = F.avg_pool2d(pair, 3, 2, 1, count_include_pad=False)
    discriminator(pair)[0, :, place, place].abs().sum().backward()
    assert candidate.grad is not None
    return candidate.grad.abs().sum((0, 1))


def on_the_picture(padding: str, size: int) -> Tensor:
    """For each place of a row of D1's map, how much of its patch exists, in %."""
    ones, mean = torch.ones(1, 1, size), torch.full((1, 1, 4), 1 / 4)
    for (left, right, *_), stride in zip(PADS[padding], STRIDES, strict=True):
        ones = F.conv1d(F.pad(ones, (left, right)), mean, None, stride)
    return 100 * ones[0, 0]


def padding_table() -> figures.Table:
    """Maps and the border of both paddings at 256 px."""
    rows = []
    for padding in PADS:
        share = on_the_picture(padding, 256)
        whole = 100 * float((share > 99.9).float().mean()) ** 2
        half = len(on_the_picture(padding, 128))
        ring = [f"{float(share[place]):.0f} %" for place in (0, 1, 2)]
        maps = f"{len(share)} and {half} px"
        rows.append((padding, maps, *ring, f"{whole:.0f} %"))
    header = ["padding", "maps of D1 and D2", "1st, from the picture", "2nd", "3rd"]
    return figures.Table([*header, "patches wholly on it"], rows)


def largest_singular_value(weight: Tensor) -> float:
    """Of a kernel unfolded into a matrix, a row for each output channel."""
    return float(torch.linalg.matrix_norm(weight.flatten(1), 2))


@torch.no_grad()
def stretch(weight: Tensor, stride: int, size: int = 24, steps: int = 60) -> float:
    """The norm of a convolution on pictures of that size, by power iteration."""
    x = torch.rand(1, weight.shape[1], size, size).to(weight) - 0.4
    for _ in range(steps):
        x = x / x.norm()
        y = F.conv2d(x, weight, None, stride, padding=2)
        x = F.conv_transpose2d(y, weight, None, stride, padding=2)
    return float(x.norm().sqrt())


def normalised_layers() -> list[tuple[nn.Conv2d, float, float]]:
    """D1's layers, and their largest singular values when fresh and after 50 passes."""
    torch.manual_seed(0)
    layers = []
    for _, layer in Discriminators(base_channels=16).d1.layers:
        with torch.no_grad():
            fresh = largest_singular_value(layer.eval().weight)
            for _ in range(50):
                layer.train().weight  # noqa: B018 (one step of power iteration)
            later = largest_singular_value(layer.eval().weight)
        layers.append((layer, fresh, later))
    return layers


def stretch_table(
    layers: Sequence[tuple[nn.Conv2d, float, float]],
) -> tuple[figures.Table, list[float]]:
    """Kernel norms, norms on pictures and their bounds; the norms on pictures."""
    rows, norms = [], []
    for number, (layer, _, kernel) in enumerate(layers, 1):
        norms.append(stretch(layer.weight, layer.stride[0]))
        cells = f"{kernel:.2f}", f"{norms[-1]:.2f}", f"{4 / layer.stride[0]:.0f}"
        rows.append((f"{number}", *cells))
    rows.append(("all four", "", f"{np.prod(norms):.1f}", "64"))
    header = ["layer of D1", "of the kernel", "on pictures", "at most"]
    return figures.Table(header, rows), norms


def touching(mask: Tensor, number: int) -> Tensor:
    """(B, 1, H, W) -> (B,): the share of patches with missing pixels, square images."""
    size = mask.shape[-1]
    inside = torch.zeros(size // (4 * number), size)
    for place, row in enumerate(inside):
        row[span(number, place, size)] = 1
    return ((inside @ mask[:, 0] @ inside.T) > 0).float().mean((1, 2))


def hinge_floors(count: int = 20) -> dict[str, tuple[float, float, float]]:
    """By kind of mask: shares of patches that touch the hole, D1 and D2; Eq. 3's floor.

    Where nothing is missing, photograph and completion are equal and cost at least 2.
    """
    rng, floors = np.random.default_rng(0), {}
    for kind in masks.KINDS:
        drawn = [masks.make(kind, 256, 256, rng) for _ in range(count)]
        mask = torch.from_numpy(np.stack(drawn)).float()[:, None]
        one, other = (float(touching(mask, number).mean()) for number in (1, 2))
        floors[kind] = one, other, 2 * (1 - one) + 2 * (1 - other)
    return floors


def floors_table(floors: Mapping[str, tuple[float, float, float]]) -> figures.Table:
    """`hinge_floors`, a line for each kind."""
    rows = [
        (kind.replace("_", " "), f"{100 * d1:.0f} %", f"{100 * d2:.0f} %", f"{low:.2f}")
        for kind, (d1, d2, low) in floors.items()
    ]
    header = ["patches that touch the hole", "D1", "D2", "Eq. 3 is at least"]
    return figures.Table(header, rows)


def power_gaps(
    power: Callable[..., tuple[list[float], Tensor, Tensor]], steps: int = 60
) -> dict[str, list[float]]:
    """What `power` misses after each step, for a random and for a clear kernel."""
    torch.manual_seed(0)
    random = nn.Conv2d(32, 64, 4).weight.detach().flatten(1).double()
    u, s, v = torch.linalg.svd(random, full_matrices=False)
    s[0] = 2 * s[1]
    kernels = {"random kernel": random}
    kernels["first value twice the second"] = u @ torch.diag(s) @ v
    start = F.normalize(torch.randn(random.shape[1]).double(), dim=0)
    gaps = {}
    for name, kernel in kernels.items():
        exact = float(torch.linalg.svdvals(kernel)[0])
        gaps[name] = [exact - value for value in power(kernel, start, steps)[0]]
    return gaps
