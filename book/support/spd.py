"""Tables and figures of chapter 4, on the residual blocks."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from support import figures, probes
from support import receptive_fields as fields
from torch import Tensor, nn

import gin
from gin import masks
from gin.blocks import COARSE_RATES, REFINEMENT_RATES, ResidualBlock, SPDBlock
from gin.initialisation import identity_initialisation

RATES = {
    "standard": (1,),
    "dilated": (2,),
    "SPD, 4 rates (G2)": REFINEMENT_RATES,
    "SPD, 8 rates (G1)": COARSE_RATES,
}


def gin_block(name: str, channels: int) -> nn.Module:
    """The block of that name in `RATES`, from gin.blocks."""
    if name.startswith("SPD"):
        return SPDBlock(channels, RATES[name])
    return ResidualBlock(channels, dilation=RATES[name][0])


def hole_depths(number: int = 10) -> dict[str, Tensor]:
    """`probes.depth` of seeded masks of each kind: (number, 1, 256, 256)."""
    rng, depths = np.random.default_rng(0), {}
    for kind in masks.KINDS:
        drawn = [masks.make(kind, 256, 256, rng) for _ in range(number)]
        depths[kind] = probes.depth(torch.from_numpy(np.stack(drawn)).float()[:, None])
    return depths


def depth_figure(depths: Mapping[str, Tensor]) -> figures.Drawing:
    """The deepest hole of each kind, dark at 60 px, with quantiles over all of them."""
    shown, titles = [], []
    for kind, steps in depths.items():
        deepest = steps.amax((1, 2, 3)).argmax()
        shown.append(figures.heat(steps[deepest, 0].numpy(), 60))
        half = torch.quantile(steps[steps > 0][::50], 0.5)
        name = kind.replace("_", " ")
        titles.append(f"{name}\nhalf {half:.0f} px, all {steps.max():.0f} px")
    return figures.row(shown, titles)


def cost_table(built: type[nn.Module]) -> figures.Table:
    """Rates, parameters at 256 channels and field of each block of `RATES`."""
    rows = []
    for name, rates in RATES.items():
        width, _ = fields.receptive_field([(3, max(rates), 1), (3, 1, 1)])
        parameters = probes.count(built(256, rates))
        rows.append((name, str(sorted(rates))[1:-1], f"{parameters:,}", f"{width}"))
    return figures.Table(["block", "rates", "parameters", "field (cells)"], rows)


def taps_inside(rate: int, cells: int) -> float:
    """Share of the positions whose nine taps lie on a map of cells x cells, in %."""
    return 100 * max(0, 1 - 2 * rate / cells) ** 2


def coarse_stages() -> dict[str, nn.Module]:
    """G1 of base width 32 with each block, untrained, and the shipped one."""
    stages: dict[str, nn.Module] = {}
    for block in ("standard", "dilated", "SPD"):
        torch.manual_seed(0)
        short = "Std" if block == "standard" else block.capitalize()
        net = gin.DeepGIN(f"{short.replace('Spd', 'SPD')}ResBlk-MSSA", 32)
        identity_initialisation(net)
        stages[f"{block}, untrained"] = net.coarse
    return stages | {"SPD, trained": probes.load().coarse}


def effective_figure(shares: Mapping[str, Tensor]) -> figures.Drawing:
    """Effective receptive fields of the middle of a hole of 90 px, with numbers."""
    drawn = [fields.field_picture(share, (83, 172)) for share in shares.values()]
    titles = []
    for name, share in shares.items():
        curve = fields.within(share)
        half, known = int(np.searchsorted(curve, 50)) + 1, 100 - curve[44]
        titles.append(f"{name}\nhalf within {half} px, {known:.0f} % on known")
    return figures.row(drawn, titles, per_line=2)


def paths_grid() -> figures.Drawing:
    """One and two blocks of four lists of rates, by `receptive_fields.paths`."""
    shown: dict[str, Sequence[int]] = {"rate 1": (1,), "rate 8": (8,)}
    shown |= {"4 rates": REFINEMENT_RATES, "8 rates": COARSE_RATES}
    lines = {
        name: [fields.paths_picture(rates, blocks)[0] for rates in shown.values()]
        for blocks, name in ((1, "one block"), (2, "two blocks"))
    }
    return figures.grid(lines, list(shown))


def branch_inputs() -> dict[str, int]:
    """Parameters of SPDResBlk-MSSA at the paper's width, by what a branch reads."""
    with torch.device("meta"):
        total = probes.count(gin.DeepGIN("SPDResBlk-MSSA"))
    saved = 0
    for channels, rates in ((256, COARSE_RATES), (512, REFINEMENT_RATES)):
        saved += 6 * 9 * channels**2 * (len(rates) - 1) // len(rates)
    return {"all C channels": total, "C/n channels": total - saved}


@torch.no_grad()
def errors_without_rates(
    g1: nn.Module, images: Tensor, mask: Tensor
) -> tuple[float, dict[int, float]]:
    """G1's mean error in the holes (%), and its change with each rate silent."""
    white = torch.where(mask > 0, torch.ones_like(images), images)

    def error(silent: Sequence[nn.Module]) -> float:
        with probes.replaced(silent, probes.silence):
            return float(probes.hole_error(g1(white, mask), images, mask).mean())

    whole, changes = error([]), {}
    for rate in sorted(COARSE_RATES):
        branch = COARSE_RATES.index(rate)
        changes[rate] = error([b.branches[branch] for b in g1.middle]) - whole
    return whole, changes


def rates_table(whole: float, changes: Mapping[int, float]) -> figures.Table:
    """`errors_without_rates`, a line for each rate."""
    rows = [("all eight", f"{whole:.2f}", "")]
    for rate, change in changes.items():
        cells = f"{whole + change:.2f}", f"{change:+.2f}"
        rows.append((f"without rate {rate}", *cells))
    return figures.Table(["G1", "error in the hole (%)", "change"], rows)
