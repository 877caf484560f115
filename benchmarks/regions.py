"""Crops against the whole photograph, with and without the seam's correction.

The first table is of quality: photographs of 512 px as they are, and tiled by their
mirror images to 2,048 px, under holes of brushes and rectangles; means of PSNR,
LPIPS, the step across the border beyond the photograph's own (levels of 255), and
processor seconds. The second is of cost, for one photograph of 4,000 x 3,000 px:
processor seconds on one thread, and peak memory of a process of its own.

    python benchmarks/regions.py --photographs 10
    python benchmarks/regions.py --cost
"""

import argparse
import csv
import multiprocessing
import time
from pathlib import Path

import numpy as np
import torch
from _table import machine, peak_bytes, show
from PIL import Image, ImageDraw

from gin import Inpainter
from gin.inference import regions
from gin.vgg import lpips_metric

ROOT = Path(__file__).resolve().parents[1]
PHOTOGRAPHS = sorted((ROOT / "data" / "photos").glob("*.jpg"))
CONTEXTS = (1.5, 2.0, 3.0)
HOLES = {512: ("brush 30", "square 100", "square 200"), 2048: ("square 600",)}
LARGE = 4000, 3000  # width, height


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photographs", type=int, default=10)
    parser.add_argument("--contexts", type=float, nargs="*", default=CONTEXTS)
    parser.add_argument("--sizes", type=int, nargs="+", default=[*HOLES])
    parser.add_argument("--out", type=Path, help="the first table as .csv, too")
    parser.add_argument("--cost", action="store_true", help="the second table alone")
    options = parser.parse_args()
    print(machine(), "\n")
    if options.cost:
        show(["hole", "region", "seam", "s", "peak GB"], costs())
        return
    step = max(1, len(PHOTOGRAPHS) // options.photographs)
    paths = PHOTOGRAPHS[::step][: options.photographs]
    inpaint = Inpainter.from_pretrained(device="cpu", precision="float32")
    lpips = lpips_metric()
    rows = [["size, hole", "region", "seam", "PSNR", "LPIPS", "step", "s"]]
    for size in options.sizes:
        for hole in HOLES[size]:
            rows += quality(inpaint, lpips, paths, size, hole, options.contexts)
    show(rows[0], rows[1:])
    if options.out:
        with options.out.open("w", newline="") as file:
            csv.writer(file).writerows(rows)


def quality(inpaint, lpips, paths, size, hole, contexts) -> list[list[str]]:
    """A row for each region and seam: the means over the photographs."""
    ways = [("whole", 2.0), *(("auto", context) for context in contexts)]
    rows = []
    for region, regions.CONTEXT in ways:
        for seam in ("none", "harmonic"):
            found = []
            for number, path in enumerate(paths):
                photo, mask = tiled(path, size), draw(hole, size, number)
                started = time.process_time()
                done = inpaint(photo, mask, region=region, seam=seam)
                seconds = time.process_time() - started
                found.append((*measure(done, photo, mask, lpips), seconds))
            psnr, distance, jump, seconds = np.mean(found, axis=0)
            name = region if region == "whole" else f"auto x {regions.CONTEXT:g}"
            numbers = f"{psnr:.2f}", f"{distance:.4f}", f"{jump:+.1f}", f"{seconds:.2f}"
            rows.append([f"{size}, {hole}", name, seam, *numbers])
    return rows


def measure(done, photo, mask, lpips) -> tuple[float, float, float]:
    """PSNR (dB), LPIPS and the step at the border beyond the photograph's."""
    a, b = (torch.from_numpy(np.array(x)).permute(2, 0, 1)[None] for x in (done, photo))
    y, x = (slice(max(0, at.min() - 32), at.max() + 33) for at in np.nonzero(mask))
    near = ((picture[..., y, x].float() / 255) for picture in (a, b))
    mse = float((a.double() - b.double()).square().mean())
    jump = step(done, mask) - step(photo, mask)
    return 10 * np.log10(255**2 / mse), float(lpips(*near)), jump


def step(picture, mask) -> float:
    """Mean difference of a known and a missing neighbour, in levels."""
    values, steps = np.asarray(picture, np.float32), []
    for axis in (0, 1):
        across = np.diff(mask.astype(int), axis=axis) != 0
        steps.append(np.abs(np.diff(values, axis=axis))[across].ravel())
    return float(np.concatenate(steps).mean())


def tiled(path: Path, size: int) -> Image.Image:
    """A photograph of 512 px, and its mirror images beside it up to `size`."""
    values = np.asarray(Image.open(path).convert("RGB").resize((512, 512)))
    room = (0, size - 512)
    return Image.fromarray(np.pad(values, (room, room, (0, 0)), mode="symmetric"))


def draw(hole: str, size: int, seed: int) -> np.ndarray:
    """A stroke of four segments and that width, or a square of that side."""
    kind, width = hole.split()[0], int(hole.split()[1])
    rng = np.random.default_rng(seed)
    picture = Image.new("L", (size, size))
    pencil = ImageDraw.Draw(picture)
    if kind == "square":
        left, top = rng.integers(size - width, size=2).tolist()
        box = (left, top, left + width - 1, top + width - 1)
        pencil.rectangle(box, fill=1)
    else:
        place = rng.uniform(60, size - 60, 2)
        points = [tuple(place)]
        for angle in rng.uniform(0, 2 * np.pi, 4):
            towards = 1.5 * width * np.array([np.cos(angle), np.sin(angle)])
            place = np.clip(place + towards, 30, size - 30)
            points.append(tuple(place))
        pencil.line(points, fill=1, width=width, joint="curve")
    return np.asarray(picture).copy()


def costs() -> list[list[str]]:
    rows = []
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for side in (0, 200, 600, 1500):
            for region, seam in (("whole", "none"), ("auto", "none"), (None, None)):
                if region and not side:
                    continue
                seconds, peak = pool.apply(cost, (side, region or "auto", seam))
                names = region or "auto", seam or "harmonic"
                rows.append([f"{side} px", *names, f"{seconds:.2f}", f"{peak:.2f}"])
    return rows


def cost(side: int, region: str, seam: str | None) -> tuple[float, float]:
    """Processor seconds of one completion on one thread, and peak memory in GB."""
    torch.set_num_threads(1)
    inpaint = Inpainter.from_pretrained(device="cpu", precision="float32")
    photo = Image.open(PHOTOGRAPHS[0]).convert("RGB").resize(LARGE)
    mask = np.zeros(LARGE[::-1], np.uint8)
    mask[700 : 700 + side, 900 : 900 + side] = 1
    started = time.process_time()
    if side:
        inpaint(photo, mask, region=region, seam=seam)
    seconds = time.process_time() - started
    return seconds, peak_bytes() / 1e9


if __name__ == "__main__":
    main()
