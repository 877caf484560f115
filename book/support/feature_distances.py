"""Damage of equal L1, distances in VGG's features, and pictures found by descent.

Used in book/12_perceptual.md, book/13_style.md and in their solutions.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from support import figures
from support.figures import Drawing, Table
from support.loss_pictures import loss_network
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from gin import DeepGIN
from gin.losses import perceptual_loss
from gin.recipes import LAYERS

Network = Callable[[Tensor], Sequence[Tensor]]
TINT = torch.tensor([1.0, 0.0, -1.0]).reshape(1, 3, 1, 1)


def _noise(x: Tensor) -> Tensor:
    return torch.randn(x.shape, generator=torch.Generator().manual_seed(0))


DAMAGES: dict[str, Callable[[Tensor, float], Tensor]] = {
    "blur": lambda x, amount: gaussian_blur(x, 41, amount),
    "noise": lambda x, amount: x + amount * _noise(x),
    "colour": lambda x, amount: x + amount * TINT,
    "brightness": lambda x, amount: x + amount,
}


def l1(one: Tensor, other: Tensor) -> float:
    """The mean absolute difference."""
    return float((one - other).abs().mean())


def damaged(x: Tensor, damage: str, wanted: float) -> Tensor:
    """`x` with so much damage that its L1 is `wanted`, found by bisection."""
    low, high = 0.001, 10.0
    for _ in range(24):
        middle = (low + high) / 2
        y = DAMAGES[damage](x, middle).clamp(0, 1)
        low, high = (low, middle) if l1(y, x) > wanted else (middle, high)
    return y


def five_damages(x: Tensor) -> dict[str, Tensor]:
    """`x` shifted by 3 px, and with four damages of the same L1."""
    shifted = F.pad(x, (3, 0, 0, 0), "replicate")[..., :-3]
    wanted = l1(shifted, x)
    return {"shift": shifted} | {d: damaged(x, d, wanted) for d in DAMAGES}


@torch.no_grad()
def distances(network: Network, *pictures: Tensor) -> list[list[float]]:
    """The mean distance of every other picture from the first, in each layer."""
    true, *others = [network(x) for x in pictures]
    return [[l1(a, b) for a, b in zip(maps, true, strict=True)] for maps in others]


def damage_distances(
    network: Network, pairs: Sequence[tuple[Tensor, Mapping[str, Tensor]]]
) -> dict[str, np.ndarray]:
    """Damage -> (photographs, layers): `distances` of each photograph's damages."""
    values = [distances(network, x, *five.values()) for x, five in pairs]
    by_damage = np.array(values).swapaxes(0, 1)
    return dict(zip(pairs[0][1], by_damage, strict=True))


def distance_table(found: Mapping[str, np.ndarray]) -> Table:
    """The means over photographs, a column for each layer and for their sum."""
    means = {damage: values.mean(axis=0) for damage, values in found.items()}
    return Table(
        ["same L1", *LAYERS, "Eq. 4"],
        [
            (damage, *(f"{v:.2f}" for v in (*mean, mean.sum())))
            for damage, mean in means.items()
        ],
    )


def seen_sizes(places: Sequence[int]) -> list[int]:
    """Side in px of the receptive field at the first convolution of each block.

    `places` are torchvision's indices of the convolutions.
    """
    side, step, last, sides = 1, 1, -3, []
    for place in places:
        first, last = place - last == 3, place
        if first and place:  # a pooling: one step more, and twice the step
            side, step = side + step, 2 * step
        side += 2 * step
        if first:
            sides.append(side)
    return sides


@torch.no_grad()
def layer_table(network: Network, x: Tensor, places: Sequence[int]) -> Table:
    """Shape, number of elements and receptive field of each layer's map of `x`."""
    maps, sees = network(x), seen_sizes(places)
    return Table(
        ["layer", f"C x H x W at {x.shape[-1]} px", "N", "receptive field (px)"],
        [
            (name, " x ".join(map(str, m.shape[1:])), f"{m.numel():,}", f"{side}")
            for name, m, side in zip(LAYERS, maps, sees, strict=True)
        ],
    )


@torch.no_grad()
def strongest_maps(network: Network, x: Tensor, count: int = 4) -> Drawing:
    """The channels of each layer that vary most over `x`, after a ReLU."""
    drawn = {}
    for name, layer in zip(LAYERS, network(x), strict=True):
        strong = layer[0].flatten(1).std(dim=1).topk(count).indices
        maps = layer[0, strong].relu().numpy()
        drawn[name] = [figures.heat(a, a.max() + 1e-6) for a in maps]
    return figures.grid(drawn, [f"channel {k + 1}" for k in range(count)])


def descend(
    loss: Callable[[Tensor], Tensor],
    start: Tensor,
    steps: int,
    lr: float = 0.08,
    betas: tuple[float, float] = (0.9, 0.99),
) -> Tensor:
    """The picture that Adam finds from `start`, kept in [0, 1]."""
    x = start.clone().requires_grad_()
    adam = torch.optim.Adam([x], lr, betas=betas)
    fade = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
    for _ in range(steps):
        adam.zero_grad()
        loss(x).backward()
        adam.step()
        fade.step()
        x.data.clamp_(0, 1)
    return x.detach()


def contrast(x: Tensor) -> float:
    """The mean difference of a pixel from its right neighbour, in per cent."""
    return 100 * float(x.diff(dim=-1).abs().mean())


@torch.no_grad()
def completions(net: DeepGIN, image: Tensor, mask: Tensor) -> list[Tensor]:
    """I_out and I_compltd, the pictures that Eqs. 4 and 5 compare."""
    done = net(image, mask)
    return [done.out, done.completed]


@torch.no_grad()
def both_sums(
    pictures: Sequence[Tensor],
    true: Tensor,
    how: tuple[str, int | None],
    weights: Sequence[float],
) -> float:
    """Eq. 4, with the layers' outputs and the size of phi's pictures in `how`."""
    phi = loss_network(*how)
    wanted = phi(true)
    return sum(float(perceptual_loss(phi(y), wanted, weights)) for y in pictures)
