"""The paper's Tables 1 and 2, read from claims.yml, and what follows from them.

Used by book/20_table_1.md and book/21_table_2.md.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from support.claims import read_claims
from support.figures import Table

METRICS = ("PSNR", "SSIM", "L1 err. (%)", "FID", "LPIPS")
HIGHER = ("PSNR", "SSIM")  # better; the other metrics are better when lower
DIGITS = dict(zip(METRICS, (2, 3, 3, 3, 3), strict=True))
RIVALS = ("DeepFillv1", "DeepFillv2")
Rows = Mapping[str, Mapping[str, float]]


def table_1() -> dict[str, Mapping[str, float]]:
    """Variant -> its row of Table 1, in the paper's order."""
    return {
        claim.source.partition(", ")[2]: claim.paper
        for claim in read_claims()
        if claim.group == "Table 1"
    }


def table_2() -> dict[tuple[str, str, str], dict[str, Mapping[str, float]]]:
    """(dataset, masks, size) -> method -> its row of Table 2.

    The sizes are "OS" for the original size, and "256".
    """
    found: dict[tuple[str, str, str], dict[str, Mapping[str, float]]] = {}
    for claim in read_claims():
        if claim.group == "Table 2":
            _, dataset, masks, row = claim.source.split(", ")
            method, _, size = row.rstrip(")").partition(" (")
            found.setdefault((dataset, masks, size), {})[method] = claim.paper
    return found


def place(rows: Rows, name: str, metric: str) -> int:
    """The place of a row by a metric; 0 is the best."""
    ordered = sorted((row[metric] for row in rows.values()), reverse=metric in HIGHER)
    return ordered.index(rows[name][metric])


def shown_together(groups: Mapping[tuple[str, str, str], Rows]) -> Table:
    """Groups of rows below each other; a star marks the best of each group."""
    tables = [
        shown({f"{', '.join(group)}, {name}": row for name, row in rows.items()})
        for group, rows in groups.items()
    ]
    return Table(tables[0].header, [row for table in tables for row in table.rows])


def errors_and_limits(area: float) -> dict[str, tuple[float, float, float, float]]:
    """Row of Table 2 under rectangles -> its L1 error, and what `limits` allows."""
    return {
        f"{dataset}, {method} ({size})": (
            row["L1 err. (%)"],
            *limits(row["PSNR"], area),
        )
        for (dataset, masks, size), rows in table_2().items()
        if masks == "rectangles"
        for method, row in rows.items()
    }


def shown(rows: Rows, extra: Sequence[str] = ()) -> Table:
    """Rows as a table; a star marks the best value of a metric."""
    lines = []
    for name, row in rows.items():
        cells = [f"{row[metric]:.3f}" for metric in extra]
        for metric in METRICS:
            # With a no-break space: the star stays on the number's line.
            star = "" if place(rows, name, metric) else "\u00a0*"
            cells.append(f"{row[metric]:.{DIGITS[metric]}f}{star}")
        lines.append((name, *cells))
    return Table(["", *extra, *METRICS], lines)


def leads() -> list[float]:
    """DeepGIN's PSNR minus that of the better rival in each group of Table 2, dB."""
    return [
        rows["Ours"]["PSNR"] - max(rows[name]["PSNR"] for name in RIVALS)
        for rows in table_2().values()
    ]


def not_best() -> list[tuple[str, str, str, str, int]]:
    """(dataset, masks, size, metric, place) wherever DeepGIN is not the best."""
    return [
        (*group, metric, found)
        for group, rows in table_2().items()
        for metric in METRICS
        if (found := place(rows, "Ours", metric))
    ]


def limits(psnr: float, area: float) -> tuple[float, float, float]:
    """The largest mean error in % that a PSNR allows where known pixels are exact.

    Over the image, whatever the area of the hole; over the image, where `area` of it
    is missing; and inside that hole.
    """
    root = 100 * 10 ** (-psnr / 20)
    return root, root * area**0.5, root / area**0.5


def needed_spread(error: float, limit: float) -> float:
    """The deviation of PSNR in dB over photographs that lifts `limit` to `error`.

    For PSNRs that are distributed normally.
    """
    return 20 / np.log(10) * np.sqrt(2 * np.log(error / limit)).item()


def psnr_gain(variant: str, over: str) -> float:
    """How much more PSNR Table 1 gives a variant than another, in dB."""
    rows = table_1()
    return round(rows[variant]["PSNR"] - rows[over]["PSNR"], 2)
