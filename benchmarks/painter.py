"""The mask painter: from the pointer to the kernel, and frames while painting.

python benchmarks/painter.py

Needs the extra `test` and Chromium, and says so where they are missing.
"""

import math
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "helpers"))

from _table import machine, show
from browser import JupyterLab, chromium, served, why_not
from painter_lab import Lab, write_notebook
from painter_page import Stage, write_page

ROOT = Path(__file__).resolve().parents[1]
PHOTO = ROOT / "data" / "photos" / "sklearn_china.jpg"
STROKES = 50
SIZES = [(512, 512), (4000, 3000)]
FRAME = 1000 / 60  # ms

LISTEN = """() => {
  window.lifted = [];
  addEventListener("pointerup", () =>
    lifted.push(performance.timeOrigin + performance.now()), true);
}"""
ARRIVALS = """
import time
arrivals = []
_ = painter.observe(lambda _: arrivals.append(1000 * time.time()), "mask_bits")
"""
WATCH = """() => {
  window.frames = [];
  const next = (time) => {
    frames.push(time);
    window.loop = requestAnimationFrame(next);
  };
  next(performance.now());
}"""

SCRIBBLE = """async (points) => {
  const stage = document.querySelector(".gin-painter-stage");
  for (const [k, [clientX, clientY]] of points.entries()) {
    if (k % 4 === 0) await new Promise(requestAnimationFrame);
    const where = { clientX, clientY, pointerId: 1, pointerType: "mouse" };
    stage.dispatchEvent(new PointerEvent("pointermove", { ...where, buttons: 1 }));
  }
}"""


def to_the_kernel(browser: Any) -> list[list[str]]:
    """From pointer-up to the mask in the kernel, a row for each size."""
    with tempfile.TemporaryDirectory() as folder:
        Image.open(PHOTO).save(Path(folder) / "photo.png")
        write_notebook(Path(folder) / "painter.ipynb")
        with closing(JupyterLab(Path(folder))) as server:
            page = browser.new_page(viewport={"width": 1000, "height": 1500})
            lab = Lab(server, page, SIZES[0], "painter.ipynb")
            lab.ask("0", ARRIVALS)
            page.evaluate(LISTEN)
            rows = [strokes_of(lab, size) for size in SIZES]
            lab.client.stop_channels()
            page.close()
    return rows


def strokes_of(lab: Lab, size: tuple[int, int]) -> list[str]:
    lab.ask("0", f"painter.image = painter.image.resize({size}); arrivals.clear()")
    shown = lab.page.get_by_label(f"Photograph, {size[0]} by {size[1]} pixels")
    shown.first.wait_for()
    times = [one_stroke(lab, size, count) for count in range(STROKES)]
    what = f"pointer-up to mask in the kernel, {name(size)} (ms)"
    return [what, *ms(*np.percentile(times, [50, 95]))]


def one_stroke(lab: Lab, size: tuple[int, int], count: int) -> float:
    """ms that a stroke around the middle takes, at an angle of its own."""
    angle = 2 * math.pi * count / STROKES
    x, y = (
        size[0] * (0.5 + 0.4 * math.cos(angle)),
        size[1] * (0.5 + 0.4 * math.sin(angle)),
    )
    Stage(lab.page, size).drag((size[0] / 2, size[1] / 2), (x, y))
    while lab.ask("len(arrivals)") <= count:
        lab.page.wait_for_timeout(10)
    return lab.ask("arrivals[-1]") - lab.page.evaluate("lifted.at(-1)")


def frames(browser: Any, size: tuple[int, int]) -> list[list[str]]:
    """The time between frames on a page of its own, at rest and while painting."""
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as address:
        write_page(Path(folder))
        Image.open(PHOTO).resize(size).save(Path(folder) / "photo.png")
        page = browser.new_page(viewport={"width": 1000, "height": 800})
        page.goto(address)
        page.wait_for_function("window.isLoaded")
        page.evaluate("create()")
        stage = Stage(page, size)
        rows, points = [], spiral(stage, size)
        for way in ("at rest", "painting"):
            page.evaluate(WATCH)
            if way == "painting":
                scribble(page, points)
            else:
                page.wait_for_timeout(4000)
            page.evaluate("cancelAnimationFrame(loop)")
            rows.append(row_of_frames(way, size, page.evaluate("frames")))
        page.close()
    return rows


def spiral(stage: Stage, size: tuple[int, int]) -> list[list[float]]:
    """1,200 places on the page, from the photograph's middle outwards."""
    radius = np.linspace(0.05, 0.45, 1200)
    turn = 9 * radius * math.tau
    low, high = np.array(stage.at((0, 0))), np.array(stage.at(size))
    shares = 0.5 + radius[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    return (low + shares * (high - low)).tolist()


def scribble(page: Any, points: list[list[float]]) -> None:
    """All of the points in 300 frames, four moves in each, as a fast pen has them."""
    page.mouse.move(*points[0])
    page.mouse.down()
    page.evaluate(SCRIBBLE, points)
    page.mouse.up()


def row_of_frames(way: str, size: tuple[int, int], times: list[float]) -> list[str]:
    gaps = np.diff(times)
    dropped = int(np.maximum(0, np.rint(gaps / FRAME) - 1).sum())
    share = 100 * dropped / (dropped + len(gaps))
    what = f"frames, {way}, {name(size)}: ms apart; dropped {dropped} ({share:.1f} %)"
    return [what, *ms(*np.percentile(gaps, [50, 95]))]


def name(size: tuple[int, int]) -> str:
    return f"{size[0]:,} x {size[1]:,}"


def ms(*values: float) -> list[str]:
    return [f"{value:.1f}" for value in values]


if __name__ == "__main__":
    if reason := why_not():
        print(f"the painter is not measured: {reason}")
        sys.exit()
    print(machine())
    with chromium() as browser:
        rows = to_the_kernel(browser)
        rows += [row for size in SIZES for row in frames(browser, size)]
    show(["the painter", "median", "95th percentile"], rows)
