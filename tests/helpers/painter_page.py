"""Painting like a person: the painter's stage, and what a stroke has to cover."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

Point = tuple[float, float]

PAINTER = Path(__file__).parents[2] / "gin" / "ui" / "painter"
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Painter</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"><link rel="stylesheet" href="painter.css">
</head><body><main></main><script type="module">
import { createMaskEditor } from "./editor.js";
import * as masks from "./mask.js";
Object.assign(window, { masks, editors: [], changes: [] });
window.create = async (options = {}) => {
  const place = document.createElement("section");
  document.querySelector("main").append(place);
  const usual = { image: "photo.png", onChange: (mask) => changes.push(mask) };
  const editor = createMaskEditor(place, { ...usual, ...options });
  editors.push(editor);
  await editor.ready;
};
window.isLoaded = true;
</script></body></html>
"""


def write_page(folder: Path) -> None:
    """Write a page that can create painters, and what it loads, but no photograph."""
    for path in (PAINTER / "painter.css", *PAINTER.glob("*.js")):
        shutil.copy(path, folder)
    (folder / "index.html").write_text(PAGE, encoding="utf-8")


class Stage:
    """One painter on a page; points are (x, y) in px of its photograph."""

    def __init__(self, page: Any, size: tuple[int, int], number: int = 0) -> None:
        self.page, self.size = page, size
        self.root = page.locator(".gin-painter").nth(number)
        self.stage = self.root.locator(".gin-painter-stage")

    def _place(self) -> tuple[float, float, float]:
        """The photograph's corner and scale on the page while all of it is shown."""
        box = self.stage.bounding_box()
        width, height = self.size
        scale = min(box["width"] / width, box["height"] / height)
        left = box["x"] + (box["width"] - width * scale) / 2
        return left, box["y"] + (box["height"] - height * scale) / 2, scale

    def at(self, point: Point) -> Point:
        """Where a point lies on the page; browsers press at whole CSS px only."""
        left, top, scale = self._place()
        return round(left + point[0] * scale), round(top + point[1] * scale)

    def near(self, *points: Point) -> list[Point]:
        """The points of the photograph that are pressed for `points`."""
        left, top, scale = self._place()
        places = [self.at(point) for point in points]
        return [((x - left) / scale, (y - top) / scale) for x, y in places]

    def choose(self, name: str) -> None:
        self.root.get_by_role("button", name=name, exact=True).click()

    def drag(self, *points: Point) -> None:
        """Press at the first point, pass the others, release at the last."""
        mouse = self.page.mouse
        mouse.move(*self.at(points[0]))
        mouse.down()
        for point in points[1:]:
            mouse.move(*self.at(point))
        mouse.up()

    @property
    def brush(self) -> int:
        return int(self.root.locator("output").inner_text().split()[0])

    def brush_of(self, remainder: int) -> int:
        """Make the brush odd (1) or even (0), and tell its size."""
        self.stage.focus()
        while self.brush % 2 != remainder:
            self.page.keyboard.press("[")
        return self.brush

    @property
    def missing(self) -> str:
        return self.root.locator(".gin-painter-facts").inner_text()

    @property
    def status(self) -> str:
        return self.root.get_by_role("status").inner_text()


def stroked(size: tuple[int, int], points: Sequence[Point], brush: int) -> np.ndarray:
    """The pixels whose centres lie within half a brush of the line through `points`.

    An odd brush moves from pixel centre to pixel centre, an even one on corners.
    """
    shift = 0.5 if brush % 2 else 0.0
    snapped = [np.floor(np.add(p, 0.5 - shift)) + shift for p in points]
    x, y = np.meshgrid(np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5)
    centres = np.stack([x, y], axis=-1)
    covered = np.zeros(x.shape, bool)
    for a, b in zip(snapped, [*snapped[1:], snapped[-1]], strict=True):
        length = max(float(((b - a) ** 2).sum()), 1e-9)
        along = np.clip((centres - a) @ (b - a) / length, 0, 1)
        nearest = a + along[..., None] * (b - a)
        covered |= np.hypot(*(centres - nearest).transpose(2, 0, 1)) <= brush / 2
    return covered.astype(np.uint8)


def boxed(size: tuple[int, int], a: Point, b: Point) -> np.ndarray:
    """The pixels from that under `a` to that under `b`."""
    mask = np.zeros(size[::-1], np.uint8)
    left, right = sorted((int(a[0]), int(b[0])))
    top, bottom = sorted((int(a[1]), int(b[1])))
    mask[top : bottom + 1, left : right + 1] = 1
    return mask
