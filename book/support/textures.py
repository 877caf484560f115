"""Shuffled photographs, and holes filled by the style loss alone.

Used in book/13_style.md and in its solutions.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from support import figures
from support.figures import Drawing, Table
from support.loss_pictures import photograph
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from gin.losses import gram_matrices, perceptual_loss, style_loss
from gin.recipes import LAYERS
from gin.vgg import Features

ONES = (1.0,) * len(LAYERS)


def shuffled(image: Tensor, patch: int, seed: int = 0) -> Tensor:
    """The patches of `image` in random order; `patch` divides its size."""
    columns = F.unfold(image, patch, stride=patch)  # (1, 3 p p, n n)
    mix = torch.Generator().manual_seed(seed)
    order = torch.randperm(columns.shape[2], generator=mix)
    return F.fold(columns[..., order], image.shape[-1], patch, stride=patch)


def style(maps: Sequence[Tensor], true: Sequence[Tensor]) -> Tensor:
    """One of the two sums of Eq. 5, by `gin.losses`."""
    return style_loss(gram_matrices(maps), gram_matrices(true), ONES)


def changes(image: Tensor, other: Tensor, patches: Sequence[int]) -> dict[str, Tensor]:
    """Pictures to compare with `image`: shuffled, mirrored, blurred, flat, `other`."""
    flat = image.mean(dim=(2, 3), keepdim=True).expand_as(image)
    return {f"shuffled, {p} px": shuffled(image, p) for p in patches} | {
        "mirrored": image.flip(3),
        "blurred": gaussian_blur(image, 17, 2.0),
        "one colour": flat,
        "another photograph": other,
    }


@torch.no_grad()
def three_losses(
    phi: Features, image: Tensor, pictures: Mapping[str, Tensor]
) -> dict[str, tuple[float, float, float]]:
    """Name -> (L1, Eq. 4, Eq. 5), one sum each of Eqs. 4 and 5."""
    true, found = phi(image), {}
    for name, y in pictures.items():
        maps = phi(y)
        l1 = float((y - image).abs().mean())
        perceptual = float(perceptual_loss(maps, true, ONES))
        found[name] = l1, perceptual, float(style(maps, true))
    return found


def check_sums() -> None:
    """Assert the layers' weights, and that three images in a row share their truth."""
    generator = torch.Generator().manual_seed(0)
    weights, channels = (0.25, 3.0), (3, 5)
    true, maps = (
        [torch.rand(batch, c, 4, 6, generator=generator) for c in channels]
        for batch in (2, 6)
    )
    eq_4 = eq_5 = 0.0
    for weight, layer, truth in zip(weights, maps, true, strict=True):
        for n in range(6):
            one, its_truth = layer[n : n + 1], truth[n // 3 : n // 3 + 1]
            a, b = gram_matrices([one, its_truth])
            eq_4 += weight * float((one - its_truth).abs().mean()) / 6
            eq_5 += weight * float((a - b).abs().mean()) / 6
    found = style_loss(gram_matrices(maps), gram_matrices(true), weights)
    assert abs(float(found) - eq_5) < 1e-6
    assert abs(float(perceptual_loss(maps, true, weights)) - eq_4) < 1e-6
    layer = maps[0].requires_grad_()
    (theirs,) = gram_matrices([layer])
    ours = torch.einsum("bchw, bdhw -> bcd", layer, layer) / layer[0].numel()
    both = (torch.autograd.grad(g.cos().sum(), layer) for g in (ours, theirs))
    assert torch.allclose(*(gradient for (gradient,) in both), atol=1e-6)


def losses_table(found: Mapping[str, tuple[float, float, float]]) -> Table:
    """`three_losses` as a table."""
    rows = [
        (name, f"{100 * l1:.1f}", f"{perceptual:.1f}", f"{texture:.3f}")
        for name, (l1, perceptual, texture) in found.items()
    ]
    return Table(["compared with gravel", "L1 (%)", "Eq. 4", "Eq. 5"], rows)


def gram_figure(pictures: Mapping[str, Sequence[Tensor]]) -> Drawing:
    """The magnitudes of each picture's Gram matrix at conv2_1."""
    second = [gram_matrices(maps)[1][0].abs() for maps in pictures.values()]
    drawn = [figures.heat(g.numpy(), float(g.quantile(0.99))) for g in second]
    return figures.row(drawn, list(pictures), per_line=4)


def doubling_table(phi: Features, image: Tensor) -> tuple[list[float], Table]:
    """The Gram matrix of two copies side by side, as a multiple of that of one."""
    with torch.no_grad():
        one, two = phi(image), phi(torch.cat([image, image], dim=3))
    ratios = [
        float(b.norm() / a.norm())
        for a, b in zip(gram_matrices(one), gram_matrices(two), strict=True)
    ]
    sizes = [b[0].numel() / a[0].numel() for a, b in zip(one, two, strict=True)]
    rows = [
        (name, f"{ratio:.2f}", f"{ratio * size:.2f}")
        for name, ratio, size in zip(LAYERS, ratios, sizes, strict=True)
    ]
    return ratios, Table(["two copies : one", "Eq. 5", "not divided"], rows)


def window(name: str, left: int) -> Tensor:
    """80 x 80 px out of the photograph at 256 px."""
    return photograph(name, 256)[..., 96:176, left : left + 80]


def middle_hole() -> Tensor:
    """A square hole of 28 px in a window."""
    mask = torch.zeros(1, 1, 80, 80)
    mask[..., 26:54, 26:54] = 1
    return mask


def mean_filled(image: Tensor, mask: Tensor) -> Tensor:
    """`image` with the mean colour of its known pixels in the hole."""
    known = (image * (1 - mask)).sum((2, 3), keepdim=True) / (1 - mask).sum()
    return torch.where(mask > 0, known, image)
