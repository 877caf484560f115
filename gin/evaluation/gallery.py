"""The page of an evaluation: its worst, median and best completions, side by side."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jinja2 import Environment
from PIL import Image
from tqdm import tqdm

from gin.baselines.interface import HIDDEN, complete
from gin.errors import Unavailable
from gin.evaluation.evaluator import Evaluation
from gin.evaluation.metrics import METRICS
from gin.evaluation.protocol import Cell
from gin.evaluation.report import ALL_METRICS, MAIN_METRICS, heading, mask_title, table
from gin.evaluation.segmentation import colours
from gin.evaluation.store import HOLE
from gin.masks import load_mask
from gin.utils.image_writing import write_png

MAX_SIDE = 512  # px: larger pictures are shown smaller
TEMPLATE = Path(__file__).with_suffix(".html")


class Picture(NamedTuple):
    """A picture with a title and the lines of its caption."""

    title: str
    caption: list[str]
    pixels: np.ndarray


class Gallery:
    """The page of an evaluation."""

    def __init__(self, evaluation: Evaluation) -> None:
        self.evaluation = evaluation
        self.folder = evaluation.folder.path
        self.metrics = [n for n in MAIN_METRICS if n in evaluation.metrics()]
        self.methods = evaluation.methods()
        self.ranking_metric = "LPIPS" if "LPIPS" in self.metrics else "PSNR"

    def html(self) -> str:
        """The page, to be saved beside the evaluation's folder; writes the pictures."""
        cells = self.evaluation.protocol.cells() if self.methods else []
        bar = tqdm(cells, desc="pictures", leave=False, disable=None)
        template = Environment(autoescape=True, keep_trailing_newline=True).from_string(
            TEMPLATE.read_text("utf-8")
        )
        return template.render(
            method=self.methods[0].name if self.methods else "",
            metric=self.ranking_metric,
            seed=self.evaluation.protocol.seed,
            table=f"{self.folder.name}.md",
            sections=[self._section(cell) for cell in bar],
        )

    def cases(self, cell: Cell) -> list[tuple[str, int]]:
        """Label and number of the worst, median and best photograph, all different."""
        metric = self.ranking_metric
        values = table(self.evaluation, [cell.group], self.methods[0].name, metric)[0]
        order = np.argsort(values, kind="stable").tolist()
        if METRICS[metric].better == "lower":
            order.reverse()
        median = order[len(order) // 2]
        indices = {"worst": order[0], "median": median, "best": order[-1]}
        labels = {index: label for label, index in reversed(indices.items())}
        return [(labels[i], i) for i in dict.fromkeys(indices.values())]

    def _section(self, cell: Cell) -> dict[str, Any]:
        title = f"{heading(cell.group)}, {mask_title(cell.group.masks)}"
        cases = [self._case(cell, *case) for case in self.cases(cell)]
        return {"title": title, "cases": cases}

    def _case(self, cell: Cell, label: str, index: int) -> dict[str, Any]:
        photograph = cell.dataset.source.name(index)
        folder = self.folder.joinpath("pictures", *cell.group, label)
        return {
            "label": label,
            "photograph": photograph,
            "area": self._value(cell, photograph, self.methods[0].name, HOLE),
            "pictures": [
                self._write(picture, folder / f"{number:02}-{picture.title}.png")
                for number, picture in enumerate(self._pictures(cell, index))
            ],
        }

    def _write(self, picture: Picture, path: Path) -> dict[str, Any]:
        image = Image.fromarray(picture.pixels)
        image.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.BOX)
        write_png(image, path)
        return {
            "title": picture.title,
            "caption": picture.caption,
            "url": path.relative_to(self.folder.parent).as_posix(),
            "width": image.width,
            "height": image.height,
        }

    def _pictures(self, cell: Cell, index: int) -> Iterator[Picture]:
        """The masked photograph, the completions and the photograph, with classes."""
        names = cell.dataset.names()
        image = cell.dataset.read(index, cell.size)
        mask = load_mask(self.evaluation.folder.mask_paths(cell.group, names)[index])
        hole = mask[..., np.newaxis] == 1
        yield Picture("masked", [], np.where(hole, np.uint8(HIDDEN), image))
        for candidate in self.methods:
            try:
                filled = complete(candidate.method, image, mask)
            except Unavailable:  # it was available when it was measured
                continue
            caption = self._caption(cell, names[index], candidate.name)
            completed = np.where(hole, filled, image)
            yield Picture(candidate.name, caption, completed)
            yield from self._classes(candidate.name, completed)
        yield Picture("original", [], image)
        yield from self._classes("original", image)

    def _classes(self, title: str, image: np.ndarray) -> Iterator[Picture]:
        """The map of the classes of `image`, captioned with their names."""
        networks = self.evaluation.networks
        if networks.segmenter is None:
            return
        tensor = torch.from_numpy(np.array(image)).permute(2, 0, 1)[np.newaxis]
        classes = networks.label(tensor)[0].numpy()
        names = [networks.segmenter.classes[label] for label in np.unique(classes)]
        yield Picture(f"{title}, classes", names, colours(classes))

    def _caption(self, cell: Cell, photograph: str, method: str) -> list[str]:
        lines = []
        for metric in self.metrics:
            unit, _, digits = ALL_METRICS[metric]
            value = self._value(cell, photograph, method, metric)
            lines.append(f"{metric} {value:.{digits}f} {unit}".strip())
        return lines

    def _value(self, cell: Cell, photograph: str, method: str, metric: str) -> float:
        return self.evaluation.values[cell.group, photograph, method][metric]
