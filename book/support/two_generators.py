"""What chapter 5 measures of the coarse and of the refinement stage."""

from collections.abc import Callable, Mapping, Sequence

import torch
from support import figures, probes
from support.receptive_fields import extent, with_equal_weights
from torch import Tensor, nn

from gin.generator import Completion, composite

RINGS = ((1, 2), (3, 6), (7, 12), (13, 24), (25, 60))


def layer_table(layers: Mapping[str, nn.Module]) -> tuple[figures.Table, int]:
    """Output sizes at 256 px and parameters of a sequence; the parameters' sum."""
    rows, total, x = [], 0, torch.rand(1, 4, 256, 256, device="meta")
    for name, layer in layers.items():
        x = layer(x)
        parameters = probes.count(layer)
        total += parameters
        shape = f"{x.shape[2]} x {x.shape[3]} x {x.shape[1]}"
        rows.append((name, shape, f"{parameters:,}"))
    return figures.Table(["layer", "output", "parameters"], rows), total


def sharpness(picture: Tensor, images: Tensor, where: Tensor) -> float:
    """Steps between horizontal neighbours in `where`, in % of the photographs'."""
    both = (where[..., 1:] * where[..., :-1])[:, 0]
    steps = [float((p.diff().abs().mean(1) * both).sum()) for p in (picture, images)]
    return 100 * steps[0] / steps[1]


def by_depth(
    pictures: Mapping[str, Tensor], images: Tensor, mask: Tensor
) -> dict[str, list[tuple[float, float]]]:
    """Sharpness (%) and error (%) of each picture in each of `RINGS`."""
    steps = probes.depth(mask)
    rings = [((steps >= low) & (steps <= high)).float() for low, high in RINGS]

    def error(picture: Tensor, ring: Tensor) -> float:
        gap = (picture.clamp(0, 1) - images).abs() * ring
        return 100 * float(gap.sum() / (3 * ring.sum()))

    return {
        name: [(sharpness(p, images, ring), error(p, ring)) for ring in rings]
        for name, p in pictures.items()
    }


def depth_panels(
    measured: Mapping[str, Sequence[tuple[float, float]]],
) -> figures.Drawing:
    """`by_depth` as two graphs over the middle of each ring."""
    middles = [(low + high) / 2 for low, high in RINGS]
    titles = "sharpness (% of the photograph's)", "error (% of the scale)"
    return figures.panels(
        {
            title: {
                name: (middles, [values[part] for values in rings])
                for name, rings in measured.items()
            }
            for part, title in enumerate(titles)
        },
        "depth (px)",
    )


def measured_field(stage: nn.Module, width: int) -> int:
    """The widest field of eight neighbouring output columns, by gradients.

    The stage takes pictures and masks; a strip of 16 px by `width` suffices, since
    the kernels are square.
    """
    with_equal_weights(stage, 0.02).double()
    widest = 0
    for column in range(width // 2, width // 2 + 8):
        strip = torch.ones(1, 3, 16, width, dtype=torch.double, requires_grad=True)
        stage(strip, torch.zeros_like(strip[:, :1]))[0, 0, 8, column].backward()
        assert strip.grad is not None
        widest = max(widest, extent(strip.grad[0, 0]))
    return widest


def other_sketches(images: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """Replacements for I_coarse: white, the known pixels' mean, the photograph."""
    known = (images * (1 - mask)).sum((2, 3), keepdim=True)
    mean = known / (1 - mask).sum((2, 3), keepdim=True)
    return {
        "white": torch.ones_like(images),
        "the known pixels' mean colour": mean.expand_as(images),
        "the photograph itself": images,
    }


def growing_holes(
    complete: Callable[[Tensor, Tensor], Completion],
    image: Tensor,
    sizes: Sequence[int],
) -> tuple[figures.Drawing, dict[int, tuple[float, float]]]:
    """Square holes: coarse above, completed below; the errors (%) of both."""
    pictures: list[list[Tensor]] = [[], []]
    errors = {}
    for size in sizes:
        hole = probes.square_mask(size)
        done = complete(image, hole)
        pair = composite(done.coarse, image, hole), done.completed
        for line, picture in zip(pictures, pair, strict=True):
            line.append(picture)
        first, last = (float(probes.hole_error(p, image, hole)) for p in pair)
        errors[size] = first, last
    titles = [f"{size} px: {errors[size][k]:.1f} %" for k in (0, 1) for size in sizes]
    return figures.row(pictures[0] + pictures[1], titles, max(2, len(sizes))), errors
