"""What measures a completion: numbers, LPIPS, and Inception for FID and KID."""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from gin.devices import choose_device
from gin.distribution import SET_METRICS, Distribution, inception
from gin.downloads import Unavailable
from gin.errors import InputError
from gin.masks import Mask
from gin.metrics import Lpips, composite, lpips_metric, measure


@dataclass(frozen=True)
class Instruments:
    """The two networks that measure, or None; `missing` says why, for each metric."""

    lpips: Lpips | None = None
    inception: nn.Module | None = None
    missing: dict[str, str] = field(default_factory=dict)

    @classmethod
    def find(
        cls,
        backbone: str | None = None,
        inception_weights: str | None = None,
        device: str | None = None,
    ) -> "Instruments":
        """Both networks, on `device`, with weights from these files or from afar.

        Weights that are not named and not to be had leave a gap. Raises InputError
        for a named file that cannot be used.
        """
        where = choose_device(device)
        missing: dict[str, str] = {}
        lpips, network = None, None
        try:
            lpips = lpips_metric(backbone).to(where)
        except InputError as error:
            if backbone is not None:
                raise
            missing["LPIPS"] = str(error)
        try:
            network = inception(inception_weights).to(where)
        except Unavailable as error:
            if inception_weights is not None:
                raise
            missing |= dict.fromkeys(SET_METRICS, str(error))
        return cls(lpips, network, missing)

    def settings(self) -> dict[str, str]:
        """Whose weights measure, in words."""
        lpips = f"{self.lpips.name}, {self.lpips.source}" if self.lpips else "none"
        network = "Inception-v3" if self.inception else "none"
        return {"LPIPS": lpips, "FID and KID": network}

    def measure(
        self, filled: np.ndarray, image: np.ndarray, mask: Mask
    ) -> dict[str, float]:
        """The metrics of `gin.metrics.METRICS` that are to be had.

        filled and image (H, W, 3), mask (H, W), all uint8.
        """
        # One at a time: in a batch of another size, the last digits are others.
        found = measure(*_tensors(filled, image, mask), self.lpips)
        return {name: value.item() for name, value in found.items()}

    def add(
        self,
        distribution: Distribution,
        name: str,
        filled: np.ndarray,
        image: np.ndarray,
        mask: Mask,
    ) -> None:
        """Give Inception what `measure` measures."""
        parts = _tensors(filled, image, mask)
        distribution.update(composite(*parts), parts[1], [name])


def _tensors(
    filled: np.ndarray, image: np.ndarray, mask: Mask
) -> tuple[Tensor, Tensor, Tensor]:
    """(H, W, 3) twice and (H, W) -> (1, 3, H, W) twice and (1, 1, H, W), uint8."""
    one, two = (
        torch.from_numpy(np.array(part)).permute(2, 0, 1)[None]
        for part in (filled, image)
    )
    return one, two, torch.from_numpy(np.array(mask))[None, None]
