"""Every figure of the book: one palette, thin frames, labels that survive print.

Needs matplotlib, which the extra `book` brings; nothing else in gin imports this
module. `python -m support.figures` draws the README's picture anew.
"""

import html
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from gin import masks
from gin.errors import InputError
from gin.inpainting import Inpainter
from gin.utils.images import open_picture

Picture = Image.Image | np.ndarray | Tensor
# Dark enough for white paper, apart for colour-blind eyes; lines differ in dashes too.
PALETTE = ("#0072B2", "#C44E00", "#00795A", "#8E4585", "#4D4D4D")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
INK = "#222222"
_WIDTH = 6.4  # inches
_STYLE = mpl.RcParams(
    {
        "axes.edgecolor": INK,
        "axes.grid": True,
        "axes.labelcolor": INK,
        "axes.labelsize": 11,
        "axes.linewidth": 0.6,
        "axes.titlesize": 11,
        "font.size": 10,
        "grid.color": "#DDDDDD",
        "text.color": INK,
    }
)


class Drawing(Figure):
    """A figure that a notebook shows where it is a cell's last expression."""

    def png(self, dpi: int) -> bytes:
        """The figure as a file, its margins cut off."""
        stream = io.BytesIO()
        self.savefig(stream, format="png", dpi=dpi, bbox_inches="tight")
        return stream.getvalue()

    def _repr_png_(self) -> bytes:
        return self.png(dpi=170)


@dataclass(frozen=True)
class Table:
    """Rows of text that a notebook shows as a table.

    A column whose first cell begins with a digit holds numbers.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def _repr_html_(self) -> str:
        # The class makes the book's style sheet treat it as it treats pandas' tables.
        numbers = [cell[:1].isdigit() for cell in self.rows[0]]
        lines = [_line("th", self.header, numbers)]
        lines += [_line("td", row, numbers) for row in self.rows]
        return f'<table class="dataframe">{"".join(lines)}</table>'


def as_tensor(picture: Picture) -> Tensor:
    """Any picture that `as_rgb` takes as (1, 3, H, W) in [0, 1]."""
    return torch.from_numpy(as_rgb(picture)).permute(2, 0, 1)[None]


def as_rgb(picture: Picture) -> np.ndarray:
    """Any picture as float (H, W, 3) in [0, 1].

    A PIL image, a tensor ([1,] C, H, W), or an array (H, W[, C]), C being 1 or 3.
    Floats are cut off at 0 and 1. A mask shows what is missing in white, as mask
    files do. Raises InputError for other shapes.
    """
    if isinstance(picture, Image.Image):
        values = np.asarray(picture.convert("RGB"))
    elif isinstance(picture, Tensor):
        alone = picture[0] if picture.ndim == 4 and len(picture) == 1 else picture
        values = np.moveaxis(alone.detach().float().cpu().numpy(), 0, -1)
    else:
        values = picture if picture.ndim == 3 else picture[..., np.newaxis]
    if values.ndim != 3 or values.shape[2] not in (1, 3):
        raise InputError(
            f"a picture of shape {values.shape}; expected (height, width, 1 or 3)"
        )
    levels = 255 if values.dtype == np.uint8 and values.shape[2] == 3 else 1
    rgb = np.broadcast_to(values / levels, (*values.shape[:2], 3))
    return rgb.clip(0, 1).astype(np.float32)


def with_hole(image: Picture, mask: Picture) -> np.ndarray:
    """`image` with what `mask` says is missing painted white: float (H, W, 3)."""
    return np.where(as_rgb(mask) > 0.5, np.float32(1), as_rgb(image))


def heat(values: np.ndarray, high: float) -> np.ndarray:
    """(H, W) as colours (H, W, 3): pale at 0, dark at `high` and above."""
    colours: np.ndarray = mpl.colormaps["magma_r"]((values / high).clip(0, 1))
    return colours[..., :3]


def difference(one: Picture, other: Picture, high: float = 0.5) -> np.ndarray:
    """The absolute difference of two pictures, averaged over R, G and B, as heat."""
    return heat(np.abs(as_rgb(one) - as_rgb(other)).mean(axis=2), high)


def row(
    pictures: Sequence[Picture], titles: Sequence[str], per_line: int = 4
) -> Drawing:
    """Pictures side by side, each under its title; a new line after `per_line`."""
    columns = min(per_line, len(pictures))
    lines = -(-len(pictures) // columns)
    drawing, axes = _canvas(lines, columns, _WIDTH / columns * lines)
    for axis in axes.flat[len(pictures) :]:
        axis.remove()
    for axis, (picture, title) in zip(
        axes.flat, zip(pictures, titles, strict=True), strict=False
    ):
        _show(axis, picture)
        axis.set_title(title)
    return drawing


def grid(lines: Mapping[str, Sequence[Picture]], titles: Sequence[str]) -> Drawing:
    """A line of pictures for each name, which stands at its left, under `titles`."""
    columns = len(titles)
    drawing, axes = _canvas(len(lines), columns, _WIDTH / columns * len(lines))
    for line, (name, pictures) in zip(axes, lines.items(), strict=True):
        line[0].set_ylabel(name)
        for axis, picture in zip(line, pictures, strict=True):
            _show(axis, picture)
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title)
    return drawing


def lines(
    series: Mapping[str, Sequence[float]], across: str, up: str, log: bool = False
) -> Drawing:
    """One line for each name, values over 1, 2, 3 ...; `log` concerns the values."""
    drawing, axes = _canvas(1, 1, 3.2)
    axis = axes[0, 0]
    for (name, values), colour, dash in zip(
        series.items(), PALETTE, DASHES, strict=False
    ):
        places = range(1, len(values) + 1)
        axis.plot(places, values, color=colour, linestyle=dash, label=name)
    axis.set(xlabel=across, ylabel=up, yscale="log" if log else "linear")
    if len(series) > 1:
        drawing.legend(loc="outside upper center", ncols=len(series), frameon=False)
    return drawing


def curves(series: Mapping[str, Mapping[int, float]], columns: int = 2) -> Drawing:
    """A panel for each name, values over steps: every point, and a moving mean."""
    height = -(-len(series) // columns)
    drawing, axes = _canvas(height, columns, 1.9 * height, sharex=True)
    for axis in axes.flat[len(series) :]:
        axis.remove()
    for axis, (name, points) in zip(axes.flat, series.items(), strict=False):
        steps, values = list(points), np.array(list(points.values()))
        axis.plot(steps, values, color=PALETTE[4], linewidth=0.6, alpha=0.6)
        axis.plot(steps, _moving_mean(values), color=PALETTE[0])
        axis.set_title(name, loc="left")
    for axis in axes[-1]:
        axis.set_xlabel("step")
    return drawing


def panels(
    drawn: Mapping[str, Mapping[str, tuple[Sequence[float], Sequence[float]]]],
    across: str,
    dots: Sequence[str] = (),
    limits: tuple[float, float] | None = None,
) -> Drawing:
    """Graphs side by side, each under its title: a line for each name, y over x.

    A name has one colour in all of them; those in `dots` are points without a line.
    `limits` of y hold for every graph; without them each finds its own.
    """
    names = list(dict.fromkeys(name for graph in drawn.values() for name in graph))
    drawing, axes = _canvas(1, len(drawn), 3.2)
    for axis, (title, graph) in zip(axes[0], drawn.items(), strict=True):
        for name, (x, y) in graph.items():
            place = names.index(name)
            axis.plot(
                x,
                y,
                color=PALETTE[place],
                linestyle="none" if name in dots else DASHES[place],
                marker="os^Dv"[place] if name in dots else None,
                markersize=4,
            )
        axis.set_title(title)
        axis.set_xlabel(across)
        axis.set_ylim(limits)
    keys = [line for axis in axes[0] for line in axis.get_lines()]
    shown = dict(zip((n for g in drawn.values() for n in g), keys, strict=True))
    drawing.legend(
        handles=list(shown.values()),
        labels=list(shown),
        loc="outside upper center",
        ncols=3,
        frameon=False,
    )
    return drawing


def histograms(samples: Mapping[str, Sequence[float]], across: str) -> Drawing:
    """A histogram of percentages for each name, one below the other, with its mean."""
    drawing, axes = _canvas(len(samples), 1, 1.25 * len(samples), sharex=True)
    for axis, (name, values), colour in zip(
        axes[:, 0], samples.items(), PALETTE, strict=False
    ):
        mean = float(np.mean(values))
        axis.hist(values, bins=range(0, 101, 2), color=colour)
        axis.axvline(mean, color=INK, linestyle="--")
        axis.set_title(f"{name}: mean {mean:.1f} %", loc="left")
        axis.set(xlim=(0, 100), yticks=[])
    axes[-1, 0].set_xlabel(across)
    return drawing


def teaser(path: Path) -> None:
    """The README's picture: a photograph for each kind of mask, seeded, at 256 px."""
    photographs = Path(__file__).parents[2] / "data" / "photos"
    names = ("lomiri_aitzgorri", "erase_kingfisher", "erase_alpaca")
    inpaint = Inpainter.from_pretrained()
    drawn: dict[str, list[Picture]] = {}
    for name, kind in zip(names, masks.KINDS, strict=True):
        photo = open_picture(photographs / f"{name}.jpg").resize((256, 256))
        mask = masks.make(kind, 256, 256, np.random.default_rng(7))
        label = kind.replace("_", " ")
        drawn[label] = [with_hole(photo, mask), inpaint(photo, mask), photo]
    drawing = grid(drawn, ("masked", "completed", "original"))
    path.write_bytes(drawing.png(dpi=110))


def _moving_mean(values: np.ndarray) -> np.ndarray:
    """(N,) -> (N,): over an eighth of them, fewer at the ends."""
    reach = len(values) // 16
    return np.array(
        [
            values[max(0, place - reach) : place + reach + 1].mean()
            for place in range(len(values))
        ]
    )


def _line(tag: str, cells: Sequence[str], numbers: Sequence[bool]) -> str:
    """A table's line: text begins at the left, numbers end at the right."""
    inner = (
        f'<{tag} style="text-align: {"right" if number else "left"}">'
        f"{html.escape(cell)}</{tag}>"
        for cell, number in zip(cells, numbers, strict=True)
    )
    return f"<tr>{''.join(inner)}</tr>"


def _canvas(
    lines: int, columns: int, height: float, sharex: bool = False
) -> tuple[Drawing, np.ndarray]:
    with mpl.rc_context(_STYLE):
        drawing = Drawing(figsize=(_WIDTH, height), layout="constrained")
        return drawing, drawing.subplots(lines, columns, squeeze=False, sharex=sharex)


def _show(axis: Axes, picture: Picture) -> None:
    axis.imshow(as_rgb(picture))
    axis.set(xticks=[], yticks=[])
    axis.grid(visible=False)


if __name__ == "__main__":
    teaser(Path(__file__).parents[1] / "_static" / "teaser.png")
