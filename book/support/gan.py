"""A generative adversarial network on one number, small enough to be trained in a cell.

The data are normally distributed. The generator is x = b + a z with z from N(0, 1), so
its distribution is known: N(b, a). The discriminator is a network of three layers.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np
import torch
from support import figures
from support.svg import Diagram
from torch import Tensor, nn

TARGET = (2.0, 0.5)  # mean and standard deviation of the data


def real(count: int) -> Tensor:
    """`count` samples of the data: (count, 1)."""
    mean, deviation = TARGET
    return mean + deviation * torch.randn(count, 1)


def generator(mean: float = -2.0, deviation: float = 1.0) -> nn.Linear:
    """x = mean + deviation * z, both of which are learned."""
    linear = nn.Linear(1, 1)
    with torch.no_grad():
        linear.weight.fill_(deviation)
        linear.bias.fill_(mean)
    return linear


def distribution(generator: nn.Linear) -> tuple[float, float]:
    """Mean and standard deviation of what a generator makes."""
    return generator.bias.item(), abs(generator.weight.item())


def discriminator(width: int = 16) -> nn.Sequential:
    """(B, 1) -> (B, 1), any real number."""
    slope = nn.LeakyReLU(0.2)
    return nn.Sequential(
        *(nn.Linear(1, width), slope),
        *(nn.Linear(width, width), slope),
        nn.Linear(width, 1),
    )


def adam(net: nn.Module, lr: float) -> torch.optim.Adam:
    """Adam with the paper's momentum of 0.5."""
    return torch.optim.Adam(net.parameters(), lr, betas=(0.5, 0.999))


def density(x: Tensor, mean: float, deviation: float) -> Tensor:
    """The density of N(mean, deviation) at `x`."""
    z = (x - mean) / max(deviation, 1e-3)
    return (-0.5 * z.square()).exp() / (max(deviation, 1e-3) * math.sqrt(2 * math.pi))


def fit(
    loss: Callable[[Tensor, Tensor], Tensor], fixed: tuple[float, float], x: Tensor
) -> Tensor:
    """The outputs at `x` of a discriminator trained against a fixed generator."""
    torch.manual_seed(0)
    g, d = generator(*fixed), discriminator()
    adam = torch.optim.Adam(d.parameters(), 1e-2)
    for _ in range(400):
        fake = g(torch.randn(256, 1)).detach()
        adam.zero_grad()
        loss(d(real(256)), d(fake)).backward()
        adam.step()
    return d(x).detach()


def densities(paths: Mapping[str, np.ndarray], step: int) -> figures.Drawing:
    """The data's density and that of each path's generator after `step` steps."""
    x = torch.linspace(-5, 5, 201)
    graphs = {}
    for name, path in paths.items():
        mean, deviation = path[step - 1, :2]
        made = density(x, mean, deviation)
        graphs[name] = {
            "data": (x.tolist(), density(x, *TARGET).tolist()),
            "generated": (x.tolist(), made.tolist()),
        }
    return figures.panels(graphs, "x", limits=(0, 1.2))


def game() -> Diagram:
    """Generator and discriminator with the ways of the data and of the gradients."""
    drawing = Diagram(
        "Generator and discriminator",
        "The generator G turns noise z into a picture. The discriminator D sees real "
        "and generated pictures. Its own loss changes D alone; the generator's loss "
        "sends a gradient through D back to G.",
        214,
    )
    drawing.text(22, 60, "noise z", "small")
    drawing.arrow((44, 60), (62, 60))
    drawing.labelled(90, 60, 52, 36, "G", "green")
    drawing.arrow((118, 56), (150, 56))
    drawing.arrow((150, 66), (120, 66), kind="orange dotted")
    drawing.picture(172, 60, 40)
    drawing.text(172, 30, "generated")
    drawing.picture(172, 136, 40)
    drawing.text(172, 166, "real")
    drawing.arrow((194, 62), (226, 88))
    drawing.arrow((222, 97), (192, 73), kind="orange dotted")
    drawing.arrow((194, 134), (226, 110))
    drawing.labelled(254, 98, 52, 36, "D", "blue")
    drawing.arrow((282, 92), (310, 68))
    drawing.arrow((312, 76), (284, 100), kind="orange dotted")
    drawing.labelled(344, 60, 68, 24, "loss of G", "orange")
    drawing.arrow((282, 106), (310, 130))
    drawing.arrow((308, 138), (276, 118), kind="orange dotted")
    drawing.labelled(344, 138, 68, 24, "loss of D", "orange")
    drawing.line((40, 198), (70, 198))
    drawing.text(76, 198, "forward", "small", "start")
    drawing.line((150, 198), (180, 198), kind="orange dotted")
    drawing.text(186, 198, "gradient, backward", "small", "start")
    return drawing
