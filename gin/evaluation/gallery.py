"""An evaluation to look at: its worst, median and best completions, side by side."""

from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import numpy as np
from PIL import Image
from tqdm import tqdm

from gin.baselines.interface import HIDDEN, complete
from gin.errors import Unavailable
from gin.evaluation.evaluator import Evaluation
from gin.evaluation.metrics import METRICS
from gin.evaluation.protocol import Cell
from gin.evaluation.report import EVERY, heading, metrics, table, title
from gin.evaluation.store import HOLE
from gin.masks import load_mask
from gin.utils.images import write_png

LONGEST = 512  # px: what is larger is shown smaller
STYLE = """\
:root { color-scheme: light dark; --ink: #1d1d1f; --soft: #5c5c66; --paper: #fbfbfa;
  --line: #d9d9d6; --link: #0b5a8a; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e9e9e6; --soft: #a5a5ad; --paper: #161618; --line: #3a3a3f;
    --link: #7cc0ee; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 1400px; color: var(--ink);
  background: var(--paper); font: 16px/1.5 system-ui, sans-serif; }
h1, h2, h3, p { overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; margin: 0 0 .5rem; }
h2 { font-size: 1.25rem; margin: 3rem 0 0; padding-top: 1rem;
  border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
h3 span, figcaption span { color: var(--soft); font-weight: normal; }
a { color: var(--link); }
nav ul { columns: 18rem; padding-left: 1.2rem; }
.case { display: grid; gap: .75rem;
  grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); }
figure { margin: 0; }
img { display: block; width: 100%; height: auto; border: 1px solid var(--line); }
figcaption { font-size: .85rem; line-height: 1.35; padding-top: .3rem;
  overflow-wrap: anywhere; }
figcaption span { display: block; font-variant-numeric: tabular-nums; }
@media (min-width: 900px) {
  .case { grid-template-columns: repeat(auto-fill, minmax(190px, 1fr)); }
}
"""


class Case(NamedTuple):
    """A photograph to show: "worst", say, and its place in the dataset."""

    label: str
    place: int


class Shown(NamedTuple):
    """A picture under a title, with what is said beneath it."""

    title: str
    words: str
    pixels: np.ndarray


class Page:
    """The page of an evaluation; `write` makes its pictures anew."""

    def __init__(self, evaluation: Evaluation) -> None:
        self.evaluation = evaluation
        self.folder = evaluation.folder.path
        self.short = [n for n in ("PSNR", "LPIPS") if n in metrics(evaluation)]
        self.methods = evaluation.present()

    def html(self) -> str:
        """The page, which lies beside the evaluation's folder; writes the pictures."""
        cells = self.evaluation.plan.cells() if self.methods else []
        sections = [
            self._section(number, cell)
            for number, cell in enumerate(
                tqdm(cells, desc="pictures", leave=False, disable=None)
            )
        ]
        links = "".join(
            f'<li><a href="#g{number}">{_name(cell)}</a></li>'
            for number, cell in enumerate(cells)
        )
        return (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>Evaluation</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n"
            f"<h1>Worst, median and best completions</h1>\n<p>{self._lead()}</p>\n"
            f"<nav><ul>{links}</ul></nav>\n{''.join(sections)}</body>\n</html>\n"
        )

    def _lead(self) -> str:
        if not self.methods:
            return "No method was available."
        return (
            f"By the {self.rank()} of {escape(self.methods[0].name)}. A click shows a "
            f"picture alone. Seed {self.evaluation.plan.seed}; the means are in "
            f"{_link(self.folder.with_name(self.folder.name + '.md'))}."
        )

    def rank(self) -> str:
        """The metric that says what is worst."""
        return self.short[-1]

    def cases(self, cell: Cell) -> list[Case]:
        """The worst, the median and the best photograph; fewer where there are."""
        values = table(
            self.evaluation, [cell.group], self.methods[0].name, self.rank()
        )[0]
        order = np.argsort(values, kind="stable").tolist()
        if METRICS[self.rank()].better == "lower":
            order.reverse()
        half = order[len(order) // 2]
        places = {"worst": order[0], "median": half, "best": order[-1]}
        labels = {place: label for label, place in reversed(places.items())}
        return [Case(labels[place], place) for place in dict.fromkeys(places.values())]

    def _section(self, number: int, cell: Cell) -> str:
        parts = [f'<section id="g{number}">\n<h2>{_name(cell)}</h2>\n']
        for case in self.cases(cell):
            name = cell.dataset.source.name(case.place)
            hole = self._value(cell, name, self.methods[0].name, HOLE)
            parts.append(
                f"<h3>{case.label.capitalize()} <span>{escape(name)}, "
                f"{100 * hole:.0f} % missing</span></h3>\n"
                f'<div class="case">\n{self._figures(cell, case)}</div>\n'
            )
        return "".join([*parts, "</section>\n"])

    def _figures(self, cell: Cell, case: Case) -> str:
        place = self.folder.joinpath("pictures", *cell.group, case.label)
        figures = []
        for number, shown in enumerate(self._shown(cell, case.place)):
            path = place / f"{number:02}-{shown.title}.png"
            picture = Image.fromarray(shown.pixels)
            picture.thumbnail((LONGEST, LONGEST), Image.Resampling.BOX)
            write_png(picture, path)
            url = quote(path.relative_to(self.folder.parent).as_posix())
            figures.append(
                f'<figure><a href="{url}"><img src="{url}" loading="lazy" '
                f'width="{picture.width}" height="{picture.height}" '
                f'alt="{escape(shown.title)}: {escape(_name(cell))}"></a>'
                f"<figcaption>{escape(shown.title)}<span>{shown.words}</span>"
                "</figcaption></figure>\n"
            )
        return "".join(figures)

    def _shown(self, cell: Cell, index: int) -> Iterator[Shown]:
        """The masked photograph, every method's completion, the photograph."""
        names = cell.dataset.names()
        image = cell.dataset.read(index, cell.size)
        mask = load_mask(self.evaluation.folder.masks(cell.group, names)[index])
        hole = mask[..., np.newaxis] == 1
        yield Shown("masked", "", np.where(hole, np.uint8(HIDDEN), image))
        for candidate in self.methods:
            try:
                filled = complete(candidate.method, image, mask)
            except Unavailable:  # it was, when it was measured
                continue
            words = self._words(cell, names[index], candidate.name)
            yield Shown(candidate.name, words, np.where(hole, filled, image))
        yield Shown("original", "", image)

    def _words(self, cell: Cell, photograph: str, method: str) -> str:
        said = []
        for metric in self.short:
            unit, _, digits = EVERY[metric]
            value = self._value(cell, photograph, method, metric)
            said.append(f"{metric} {value:.{digits}f} {unit}".strip())
        return "<br>".join(said)

    def _value(self, cell: Cell, photograph: str, method: str, metric: str) -> float:
        return self.evaluation.values[cell.group, photograph, method][metric]


def _name(cell: Cell) -> str:
    """A group in words, for HTML."""
    return escape(f"{heading(cell.group)}, {title(cell.group.masks)}")


def _link(path: Path) -> str:
    return f'<a href="{quote(path.name)}">{escape(path.name)}</a>'
