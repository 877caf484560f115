"""ONNX files of three base widths: size, difference from torch, and speed.

The networks are untrained ones that fill holes with lively noise. Differences are
those of whole pictures of 256 px, between onnxruntime and torch with weights of 32
bits; 1 is white.

    python benchmarks/export.py
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from _table import machine, show

from gin import DeepGIN, masks
from gin.initialisation import identity_initialisation
from gin.weights.onnx_export import export

SIDE, RUNS = 256, 5


def milliseconds(run: Callable[[], object]) -> float:
    """The median of `RUNS`, after one to warm up."""
    times = []
    for _ in range(RUNS + 1):
        started = time.perf_counter()
        run()
        times.append(1000 * (time.perf_counter() - started))
    return statistics.median(times[1:])


@torch.inference_mode()
def measure(width: int, folder: Path) -> list[list[str]]:
    """A row for each of the two ways to store the weights."""
    # After gin, which switches its telemetry off.
    from onnxruntime import InferenceSession, SessionOptions

    torch.manual_seed(0)
    net = DeepGIN(base_channels=width, composite=True).eval()
    identity_initialisation(net)
    rng = np.random.default_rng(0)
    image = torch.rand(1, 3, SIDE, SIDE)
    mask = torch.from_numpy(masks.rectangular(SIDE, SIDE, rng)).float()[None, None]
    expected = net(image, mask).completed.numpy()
    in_torch = milliseconds(lambda: net(image, mask))
    feeds = {"image": image.numpy(), "mask": mask.numpy()}
    options = SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    rows = []
    for half in (False, True):
        written = export(net, folder / f"{width}-{half}.onnx", half)
        session = InferenceSession(written.path, options)
        (found,) = session.run(["completed"], feeds)
        difference = np.abs(found - expected).max()
        in_onnx = milliseconds(partial(session.run, ["completed"], feeds))
        name = f"{width}, {'16' if half else '32'} bits"
        figures = (f"{written.size / 1e6:.1f}", f"{difference:.1e}")
        rows.append([name, *figures, f"{in_onnx:.0f}", f"{in_torch:.0f}"])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 32, 64])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = [row for width in options.widths for row in measure(width, Path(folder))]
    print(machine(), "\n")
    show(["base width", "MB", "difference", "onnxruntime ms", "torch ms"], rows)


if __name__ == "__main__":
    main()
