"""The page without a kernel: what it loads, how soon it is ready, how fast it fills.

Drives chapter 23's scripts in Chromium, on the site that the tests build, from this
machine. Ready: the page is there, the network loaded and started.

    python benchmarks/static_page.py

Needs the extra `test` and Chromium, and says so where they are missing.
"""

import argparse
import base64
import gzip
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "helpers"))

from _table import machine, show
from browser import chromium, served, why_not
from in_browser import build

from gin import Inpainter

ROOT = Path(__file__).resolve().parents[1]
PHOTO = ROOT / "data" / "photos" / "monuments_colosseum.jpg"
LOAD = """async () => {
  const { Model } = await import("../_static/inpaint/model.js");
  const manifest = await (await fetch("../_static/inpaint/manifest.json")).json();
  window.network = new Model();
  return window.network.load(manifest, () => {});
}"""
RUN = """async ({ pixels, side, runs }) => {
  const { complete } = await import("../_static/inpaint/completion.js");
  const data = Uint8ClampedArray.from(atob(pixels), (letter) => letter.charCodeAt(0));
  const mask = new Uint8Array(side * side).fill(1, side * side / 4, side * side / 2);
  const run = (...part) => window.network.run(...part);
  const times = [];
  let done;
  for (let i = 0; i <= runs; i++) {
    const began = performance.now();
    done = await complete({ data, width: side, height: side }, mask, run);
    times.push(performance.now() - began);
  }
  return { times: times.slice(1), data: Array.from(done.data) };
}"""


def measure(page: Any, side: int, runs: int) -> list[str]:
    """A row: the median time, and how far the picture is from torch's."""
    photo = Image.open(PHOTO).convert("RGB").resize((side, side))
    pixels = base64.b64encode(photo.convert("RGBA").tobytes()).decode()
    found = page.evaluate(RUN, {"pixels": pixels, "side": side, "runs": runs})
    mask = np.zeros(side * side, np.uint8)
    mask[side * side // 4 : side * side // 2] = 1
    inpaint = Inpainter.from_pretrained(device="cpu", precision="float32")
    expected = np.asarray(
        inpaint(photo, mask.reshape(side, side), region="whole")
    ).astype(int)
    ours = np.array(found["data"]).reshape(side, side, 4)[..., :3]
    gap = np.abs(ours - expected)
    median = f"{statistics.median(found['times']):.0f}"
    return [f"{side} x {side}", median, f"{gap.max()}", f"{(gap > 0).sum()}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    if reason := why_not():
        sys.exit(f"no browser to measure in: {reason}")
    loaded: set[str] = set()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build(folder)
        with served(folder) as address, chromium() as browser:
            page = browser.new_page()
            page.context.on("request", lambda request: loaded.add(request.url))
            started = time.perf_counter()
            page.goto(f"{address}book/page.html")
            provider = page.evaluate(LOAD)
            ready = time.perf_counter() - started
            rows = [measure(page, side, options.runs) for side in (256, 512)]
        files = [folder / url.removeprefix(address) for url in sorted(loaded)]
        files = [path for path in files if path.is_file()]
        sizes = [path.stat().st_size for path in files]
        packed = [len(gzip.compress(path.read_bytes(), 6)) for path in files]
    print(machine(), f"\n{provider}, ready after {ready:.1f} s;", end=" ")
    print(f"{sum(sizes) / 1e6:.1f} MB, {sum(packed) / 1e6:.1f} MB with gzip", "\n")
    show(["photograph", "ms", "levels off", "values off"], rows)


if __name__ == "__main__":
    main()
