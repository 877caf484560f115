"""How far a completed image is from the photograph."""

import warnings
from os import PathLike
from typing import Any

import torch
from torch import Tensor, nn

from gin.backbone_weights import Backbone, load_backbone
from gin.errors import InputError

# Place of a convolution in AlexNet's `features` -> its module in the package lpips.
_SLICES = {0: "slice1.0", 3: "slice2.3", 6: "slice3.6", 8: "slice4.8", 10: "slice5.10"}
LPIPS_SMALLEST = 31  # pixels a side: what AlexNet's strides and pools need


class Lpips(nn.Module):
    """LPIPS, version 0.1, on AlexNet (Zhang et al., 2018): 0 for equal images.

    Frozen, and computed in float32 whatever autocast says. `name` and `source` say
    whose weights AlexNet's are; the five heads are those in the package `lpips`.
    Raises InputError without that package, or for another backbone.
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        if backbone.network != "alexnet":
            raise InputError(f"backbone is {backbone.name}; expected AlexNet")
        self.name, self.source = backbone.name, backbone.source
        self.distance = _without_weights()
        state = {
            f"{module}.{kind}": backbone.state[f"features.{place}.{kind}"]
            for place, module in _SLICES.items()
            for kind in ("weight", "bias")
        }
        self.distance.net.load_state_dict(state)
        self.requires_grad_(False).eval()

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        """image, target (B, 3, H, W) in [0, 1], sides of 31 or more -> (B,)."""
        if image.shape != target.shape or min(image.shape[2:]) < LPIPS_SMALLEST:
            raise InputError(
                f"images are {tuple(image.shape)} and {tuple(target.shape)}; expected "
                f"equal shapes with sides of {LPIPS_SMALLEST} pixels or more"
            )
        with torch.autocast(image.device.type, enabled=False):
            # `normalize` maps [0, 1] to the [-1, 1] that the package computes in.
            distance = self.distance(image.float(), target.float(), normalize=True)
        return distance.flatten()


def lpips_metric(source: str | PathLike[str] | None = None) -> Lpips:
    """`Lpips` with AlexNet's weights from `source`, as `load_backbone` finds them."""
    return Lpips(load_backbone("alexnet", source))


def _without_weights() -> Any:
    """The package's metric with its own heads and a random AlexNet, no download."""
    try:
        import lpips
    except ImportError as error:
        raise InputError(
            f"LPIPS needs a package that is not installed ({error}); expected "
            'pip install "deepgin-book[train]"'
        ) from error
    # The AlexNet is replaced at once, so its making must not move the random state.
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchvision deprecates what lpips passes
        return lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
