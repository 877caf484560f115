"""How much the gradient of a loss differs from photograph to photograph.

    python benchmarks/gradient_noise.py --photographs 40 --backbone AlexNet.safetensors

For each photograph, under its three masks, the gradient of the generators' weights.
`length of the mean` is the norm of the mean gradient; `noise` is the variance, summed
over the weights; `noise scale` is the number of photographs in a batch whose noise is
as large as the squared length of the true gradient (McCandlish et al., 2018,
arXiv:1812.06162). It has no value if that length cannot be told from 0 with so many
photographs.
"""

import argparse
import sys
from dataclasses import replace
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _table import machine, show

from gin import losses
from gin.data.loader import batches, on_device
from gin.data.sources import open_source
from gin.generator import DeepGIN
from gin.recipes import GPU, PAPER_OR_RELEASED
from gin.vgg import Lpips, lpips_metric
from gin.weights.checkpoints import load

ROOT = Path(__file__).resolve().parents[1]


class Gradients:
    """Sums over photographs of the gradients of one loss."""

    def __init__(self) -> None:
        self.count, self.total, self.squares = 0, torch.zeros(()), 0.0

    def add(self, gradient: Tensor) -> None:
        self.count += 1
        self.total = self.total + gradient
        self.squares += float(gradient.square().sum())

    def row(self) -> list[str]:
        """Length of the mean, noise and noise scale."""
        length = float(self.total.square().sum()) / self.count**2
        noise = (self.squares - self.count * length) / (self.count - 1)
        true = length - noise / self.count  # without bias
        scale = f"{noise / true:.0f}" if true > 0 else "-"
        return [f"{length**0.5:.3f}", f"{noise:.3g}", scale]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default=str(ROOT / "data" / "photos"))
    parser.add_argument(
        "--weights", default=str(ROOT / "data" / "weights" / "deepgin.safetensors")
    )
    parser.add_argument("--photographs", type=int, default=40)
    parser.add_argument("--backbone", help="AlexNet's weights, a file")
    options = parser.parse_args()
    net, distance = load(options.weights), lpips_metric(options.backbone)
    weights, recipe = list(net.parameters()), replace(GPU.data, batch_size=1)
    made = batches(open_source(options.data), recipe, seed=0)
    sums: dict[str, Gradients] = {}
    for batch in islice(made, options.photographs):
        for name, loss in terms(net, distance, *on_device(batch, "cpu")).items():
            parts = torch.autograd.grad(loss, weights, retain_graph=True)
            gradient = torch.cat([part.flatten() for part in parts])
            sums.setdefault(name, Gradients()).add(gradient)
    print(machine())
    print(f"{options.photographs} photographs, {Path(options.weights).name}\n")
    header = ["loss", "length of the mean", "noise", "noise scale"]
    show(header, [[name, *each.row()] for name, each in sums.items()])


def terms(
    net: DeepGIN, distance: Lpips, image: Tensor, mask: Tensor
) -> dict[str, Tensor]:
    """Each loss of a batch, by its name."""
    done = net(image, mask)
    found = {
        f"Eq. 1, {variant}": losses.reconstruction_loss(
            done, image, mask, GPU.losses.hole_weight, variant
        )
        for variant in PAPER_OR_RELEASED
    }
    return {**found, "LPIPS": distance.distances(image, done.completed).mean()}


if __name__ == "__main__":
    main()
