"""What chapter 7 counts and switches off in G2."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from support import figures, probes
from support.attention_maps import attention_blocks
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from gin.generator import DeepGIN, Skip

# Name -> arguments of `switched_off`.
CUTS: dict[str, dict[str, Any]] = {
    "attention at 16 px": {"attention": (16,)},
    "attention at 32 px": {"attention": (32,)},
    "attention at 64 px": {"attention": (64,)},
    "path at 32 px": {"paths": (32,)},
    "path at 64 px": {"paths": (64,)},
    "all below 64 px": {"deep": True},
}


@contextmanager
def switched_off(
    net: DeepGIN,
    attention: Iterable[int] = (),
    paths: Iterable[int] = (),
    deep: bool = False,
) -> Iterator[None]:
    """Within the block, parts of G2 contribute nothing.

    Args:
        net: an MSSA network.
        attention: sizes of the blocks that return their input.
        paths: sizes (32, 64) of the skip connections that bring zeros.
        deep: whether everything that the decoder brings up to 64 px is zero.
    """
    g2 = net.refinement
    assert g2 is not None
    assert g2.skip4 is not None
    assert g2.skip3 is not None
    skips, blocks = {32: g2.skip4, 64: g2.skip3}, attention_blocks(net)
    silent: list[nn.Module] = [skips[size].attention for size in paths]
    silent += [g2.up2] if deep else []
    off = [blocks[size] for size in attention]
    with ExitStack() as stack:
        stack.enter_context(probes.replaced(off, probes.bypass))
        stack.enter_context(probes.replaced(silent, probes.silence))
        yield


def error_increases(
    net: DeepGIN, images: Tensor, masks: Mapping[str, Tensor]
) -> tuple[dict[str, float], dict[tuple[str, str], float]]:
    """Errors (%) by kind of mask; increases by cut of `CUTS` and kind."""
    errors, increases = {}, {}
    for kind, mask in masks.items():
        coarse = probes.completed(net, images, mask).coarse

        def error(coarse: Tensor = coarse, mask: Tensor = mask) -> float:
            out = probes.refined(net, coarse, images, mask)
            return float(probes.hole_error(out, images, mask).mean())

        errors[kind] = error()
        for name, parts in CUTS.items():
            with switched_off(net, **parts):
                increases[name, kind] = error() - errors[kind]
    return errors, increases


def cuts_table(
    errors: Mapping[str, float], increases: Mapping[tuple[str, str], float]
) -> figures.Table:
    """`error_increases` with a line for each cut."""
    rows = [("nothing: the error, %", *(f"{e:.2f}" for e in errors.values()))]
    for name in CUTS:
        rows.append((name, *(f"{increases[name, kind]:+.2f}" for kind in errors)))
    kinds = [kind.replace("_", " ") for kind in errors]
    return figures.Table(["switched off", *kinds], rows)


def attention_shares(size: int) -> dict[int, float]:
    """Each block's products in % of the paper's network for a picture of `size`."""
    channels = {16: 512, 32: 128, 64: 64}  # size of the map for 256 px
    with torch.device("meta"):
        net = DeepGIN()
        pair = torch.rand(1, 3, size, size), torch.rand(1, 1, size, size)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(*pair)
    counts = counter.get_flop_counts()["Global"]
    total = sum(counts.values())
    products = {
        place: 2 * (place * size // 256) ** 4 * width
        for place, width in channels.items()
    }
    assert sum(products.values()) == total - counts[torch.ops.aten.convolution]
    return {place: 100 * count / total for place, count in products.items()}


def shares_table(sizes: Sequence[int]) -> figures.Table:
    """`attention_shares`, and the finest block's matrix in float32."""
    rows = []
    for size in sizes:
        cells = [f"{share:.1f} %" for share in attention_shares(size).values()]
        matrix = 4 * (size // 4) ** 4 / 2**20
        rows.append((f"{size} px", *cells, f"{matrix:,.0f} MB"))
    header = ["picture", "at 1/16", "at 1/8", "at 1/4", "matrix at 1/4"]
    return figures.Table(header, rows)


def swapped(skip: Skip, encoded: Tensor, decoded: Tensor) -> Tensor:
    """`skip` with the two parts concatenated in the other order."""
    attended = skip.attention(skip.narrow(encoded))
    mixed: Tensor = skip.mix(torch.cat([attended, decoded], dim=1))
    return mixed


def changes_figure(
    results: Mapping[str, Tensor], image: Tensor, detail: slice
) -> figures.Drawing:
    """A detail under each switch, the photograph, and what changed from the first."""
    crop = (..., detail, detail)
    first = next(iter(results.values()))
    shown = [picture[crop] for picture in results.values()]
    changed = [figures.difference(p[crop], first[crop], 0.2) for p in results.values()]
    shown += [image[crop], *changed[1:]]
    titles = [*results, "photograph", *len(changed[1:]) * ["changed"]]
    return figures.row(shown, titles, per_line=len(results))
