"""Two initialisations of the generators. Taught in book/17_warm_up.md."""

from torch import nn

from gin.attention import SelfAttention
from gin.blocks import ResidualBlock, SPDBlock


def small_initialisation(net: nn.Module, scale: float = 0.1) -> None:
    """Initialise every convolution by Kaiming (fan in) x `scale`, with bias 0.

    Paper, section 5.1, after ESRGAN. The signal almost vanishes over about thirty
    layers without normalisation, so the training takes many steps.
    """
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            _kaiming(module, scale=scale)


def identity_initialisation(net: nn.Module) -> None:
    """Initialise for short trainings: grey holes, residual blocks near the identity.

    Not in the paper. Every convolution has Kaiming's initialisation for the slope of
    the leaky ReLU. The last convolution of a residual block is scaled by 0.1, attention
    adds 0, the RGB outputs are near 0.5, and alpha of back projection is near 0.1.
    """
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            _kaiming(module, slope=0.2)
    for name, module in net.named_modules():
        if isinstance(module, SPDBlock):
            _kaiming(module.fusion, slope=0.2, scale=0.1)
        elif isinstance(module, ResidualBlock):
            _kaiming(module.second, slope=0.2, scale=0.1)
        elif isinstance(module, SelfAttention):
            _kaiming(module.theta, slope=0.2, scale=0.3)
            _kaiming(module.phi, slope=0.2, scale=0.3)
            nn.init.zeros_(module.project.weight)
        elif isinstance(module, nn.Conv2d) and name.endswith(("rgb", "low_res.1")):
            _kaiming(module, slope=0.2, scale=0.1, bias=0.5)
        elif isinstance(module, nn.Conv2d) and name.endswith("alpha"):
            _kaiming(module, slope=0.2, bias=-2.0)


def _kaiming(
    layer: nn.Conv2d, slope: float = 0.0, scale: float = 1.0, bias: float = 0.0
) -> None:
    nn.init.kaiming_normal_(layer.weight, a=slope)
    layer.weight.data.mul_(scale)
    if layer.bias is not None:
        nn.init.constant_(layer.bias, bias)
