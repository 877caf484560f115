"""DeepGIN's shipped weights against the classical methods, on the same masks.

Each photograph is brought to --size with Pillow's box filter and masked by each kind
of mask, a function of the seed, the photograph's name and the kind. A completion
keeps the known pixels and is 8 bits deep before it is measured: PSNR over the whole
image (RGB), and the mean absolute error inside the hole in per cent of the range.

    python benchmarks/completion.py --data data/photos
"""

import argparse
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from _table import machine, show
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio
from skimage.restoration import inpaint_biharmonic
from tqdm import tqdm

from gin import Inpainter, mask_sets, masks
from gin.sources import find_photographs

Method = Callable[[np.ndarray, np.ndarray], np.ndarray]  # (H, W, 3), (H, W) uint8


def mean_colour(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return np.broadcast_to(image[mask == 0].mean(axis=0), image.shape)


def telea(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return cv2.inpaint(image, mask, 3, cv2.INPAINT_TELEA)


def navier_stokes(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return cv2.inpaint(image, mask, 3, cv2.INPAINT_NS)


def biharmonic(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return 255 * inpaint_biharmonic(image, mask, channel_axis=-1)


@cache
def inpainter(weights: str | None) -> Inpainter:
    return Inpainter.from_pretrained(weights)


def deepgin(weights: str | None, ensemble: bool) -> Method:
    def method(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        photograph = Image.fromarray(image)
        return np.asarray(inpainter(weights)(photograph, mask, ensemble=ensemble))

    return method


def score(method: Method, image: np.ndarray, mask: np.ndarray) -> tuple[float, float]:
    """PSNR in dB and the mean absolute error inside the hole in per cent."""
    hidden = image.copy()
    hidden[mask == 1] = 255  # no method sees what it should guess
    filled = np.asarray(method(hidden, mask), np.float64).clip(0, 255).round()
    completed = np.where(mask[..., None] == 1, filled, image).astype(np.uint8)
    error = np.abs(completed.astype(float) - image)[mask == 1].mean()
    return peak_signal_noise_ratio(image, completed), 100 * error / 255


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="data/photos")
    parser.add_argument("--weights", help="default: the shipped ones")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--methods", nargs="+", help="default: all")
    options = parser.parse_args()
    methods: dict[str, Method] = {
        "DeepGIN": deepgin(options.weights, ensemble=False),
        "DeepGIN, ensemble": deepgin(options.weights, ensemble=True),
        "mean colour": mean_colour,
        "OpenCV Telea": telea,
        "OpenCV Navier-Stokes": navier_stokes,
        "scikit-image biharmonic": biharmonic,
    }
    chosen = {name: methods[name] for name in options.methods or methods}
    photographs = find_photographs(options.data)
    columns = [f"{kind} {unit}" for kind in masks.KINDS for unit in ("dB", "%")]
    rows = []
    for name, method in chosen.items():
        started = time.perf_counter()
        scores = np.array(
            [
                [score(method, *pair(path, kind, options)) for kind in masks.KINDS]
                for path in tqdm(photographs, desc=name, disable=None)
            ]
        )  # (photographs, kinds, 2)
        seconds = (time.perf_counter() - started) / scores[..., 0].size
        cells = [f"{value:.2f}" for value in scores.mean(axis=0).flat]
        rows.append([name, *cells, f"{seconds:.2f}"])
    print(machine())
    print(f"{len(photographs)} photographs at {options.size} px, seed {options.seed}\n")
    show(["method", *columns, "s/image"], rows)


def pair(
    path: Path, kind: str, options: argparse.Namespace
) -> tuple[np.ndarray, np.ndarray]:
    """A photograph (H, W, 3) and its seeded mask (H, W), both uint8."""
    size = (options.size, options.size)
    with Image.open(path) as photograph:
        image = np.asarray(photograph.convert("RGB").resize(size, Image.Resampling.BOX))
    return image, mask_sets.draw(options.seed, path.name, kind, size)


if __name__ == "__main__":
    main()
