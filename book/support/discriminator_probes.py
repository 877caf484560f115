"""What chapter 9 measures of the discriminators."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from support import figures, probes
from torch import Tensor, nn

from gin import losses, masks
from gin.discriminator import Discriminators
from gin.generator import composite

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
    header = ["padding", "maps of D1 and D2", "1st place on the picture", "2nd", "3rd"]
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


def completions(size: int = 64) -> tuple[Tensor, Tensor, Tensor, list[str]]:
    """Every second photograph, small, with seeded masks and the warm-up's result."""
    photos = sorted((probes.DATA / "photos").glob("*.jpg"))[::2]
    names = [path.stem for path in photos]
    images = probes.photographs(names, size)
    drawn = [
        masks.rectangular(size, size, np.random.default_rng(n))
        for n in range(len(names))
    ]
    mask = torch.from_numpy(np.stack(drawn))[:, None].float()
    done = probes.completed(probes.load("warm-up"), images, mask)
    return images, mask, done.completed.clamp(0, 1), names


def trained_discriminators(
    condition: Tensor, image: Tensor, filled: Tensor, steps: int
) -> Discriminators:
    """Small discriminators after some steps of Eq. 3 on these photographs."""
    torch.manual_seed(0)
    discriminators = Discriminators(base_channels=8)
    adam = torch.optim.Adam(discriminators.parameters(), 2e-3, (0.5, 0.999))
    for _ in range(steps):
        pair = (discriminators(condition, picture) for picture in (image, filled))
        loss = losses.discriminator_loss(*pair)
        adam.zero_grad()
        loss.backward()
        adam.step()
    return discriminators.eval()


@torch.no_grad()
def told_apart(
    discriminators: Discriminators,
    condition: Tensor,
    pair: tuple[Tensor, Tensor],
    mask: Tensor,
) -> tuple[float, float, Tensor]:
    """D1 on photographs less completions, in holes; Eq. 3; the map of differences."""
    true, made = (discriminators(condition, picture) for picture in pair)
    size = true[0].shape[-1]
    inside = F.interpolate(mask, size, mode="area")[:, 0] > 0.99
    difference = true[0].mean(1) - made[0].mean(1)
    gap = float(difference[inside].mean())
    return gap, float(losses.discriminator_loss(true, made)), difference


def condition_experiment(
    images: Tensor, mask: Tensor, filled: Tensor, steps: int
) -> dict[tuple[str, str], tuple[float, float, Tensor]]:
    """`told_apart` with and without I_in, on the photographs learnt from and on new.

    Every second photograph is learnt from. Without the condition, I_in is grey.
    """
    masked = composite(torch.ones_like(images), images, mask)
    conditions = {"with I_in": masked, "without": torch.full_like(masked, 0.5)}
    parts = {"seen": slice(0, None, 2), "new": slice(1, None, 2)}
    results = {}
    for name, condition in conditions.items():
        seen = (part[parts["seen"]] for part in (condition, images, filled))
        trained = trained_discriminators(*seen, steps=steps)
        for which, part in parts.items():
            pair = images[part], filled[part]
            results[name, which] = told_apart(
                trained, condition[part], pair, mask[part]
            )
    return results


def condition_table(
    results: Mapping[tuple[str, str], tuple[float, float, Tensor]],
) -> figures.Table:
    """`condition_experiment`, a line for each."""
    rows = [
        (f"{name}, {which} photographs", f"{gap:.2f}", f"{loss:.2f}")
        for (name, which), (gap, loss, _) in results.items()
    ]
    return figures.Table(["discriminators", "gap in the hole", "Eq. 3"], rows)


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


def condition_figure(
    results: Mapping[tuple[str, str], tuple[float, float, Tensor]],
    mask: Tensor,
    filled: Tensor,
    names: Sequence[str],
) -> figures.Drawing:
    """Three new photographs: completion, mask, D1's differences (dark at 1)."""
    lines: dict[str, list[figures.Picture]] = {}
    for n in (2, 5, 6):
        at = 2 * n + 1
        maps = [
            figures.heat(results[name, "new"][2][n].numpy(), 1.0)
            for name in ("with I_in", "without")
        ]
        lines[names[at].split("_")[1]] = [filled[at], mask[at], *maps]
    return figures.grid(lines, ["completed", "mask", "with I_in", "without"])
