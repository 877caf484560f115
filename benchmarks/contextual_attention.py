"""Contextual attention and DeepFill's generators: milliseconds and peak memory.

On one core, and the time is the processor's, so other programs disturb it little.
Every row has a process of its own, so that its peak is its own: what the process grew
by while it ran. "counted" are the bytes of the tensors alive at once, beside the
weights and the inputs. "backward" is a forward pass and the gradients.

    python benchmarks/contextual_attention.py
"""

import argparse
import multiprocessing
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _table import machine, peak_bytes, show

from gin.baselines import DeepFillV1, DeepFillV2
from gin.baselines.deepfill.contextual_attention import contextual_attention
from gin.training.cost import Counts

CASES = {
    "attention of v1 (128 channels, fused)": (DeepFillV1, True, False),
    "attention of v2 (96 channels)": (DeepFillV2, True, False),
    "attention of v1, backward": (DeepFillV1, True, True),
    "attention of v2, backward": (DeepFillV2, True, True),
    "DeepFillv1": (DeepFillV1, False, False),
    "DeepFillv2": (DeepFillV2, False, False),
}


def measure(name: str, side: int, batch: int, repeats: int) -> tuple[float, int, int]:
    """Milliseconds (the best of `repeats`), the peak and the bytes counted."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model, attention, backward = CASES[name]
    net = model().requires_grad_(False)
    mask = torch.zeros(batch, 1, side, side)
    mask[..., side // 4 : -side // 4, side // 4 : -side // 4] = 1
    image = torch.rand(batch, 3, side, side)
    features = net.refinement.before_attention[-1].conv.in_channels
    x = torch.rand(batch, features, side // 4, side // 4, requires_grad=backward)

    def run() -> None:
        if not attention:
            net(image, mask)
            return
        found: Tensor = contextual_attention(x, mask, net.fused)
        if backward:
            found.sum().backward()

    before = peak_bytes()
    seconds = min(timed(run) for _ in range(repeats))
    grown = peak_bytes() - before
    x.grad = None
    with FakeTensorMode(allow_non_fake_inputs=True), Counts() as memory:
        run()
    return 1000 * seconds, grown, memory.peak


def timed(run: Callable[[], None]) -> float:
    started = time.process_time()
    run()
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--side", type=int, default=256, help="of the images, in px")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cases", choices=CASES, nargs="+", default=list(CASES))
    options = parser.parse_args()
    rows = []
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for name in options.cases:
            given = (name, options.side, options.batch, options.repeats)
            milliseconds, grown, counted = pool.apply(measure, given)
            rows.append(
                [
                    name,
                    f"{milliseconds:,.0f}",
                    f"{grown / 2**20:,.0f}",
                    f"{counted / 2**20:,.0f}",
                ]
            )
    torch.set_num_threads(1)
    print(machine())
    print(f"{options.side} px, batch {options.batch}, float32 on one core\n")
    show(["what", "ms", "peak MB", "counted MB"], rows)


if __name__ == "__main__":
    main()
