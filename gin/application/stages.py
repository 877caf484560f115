"""DeepGIN under watch: its progress, a way to stop it, and its coarse stage too."""

from collections.abc import Iterator
from typing import Any

from PIL import Image
from torch import Tensor, nn

from gin.application.controller import Watch
from gin.generator import Completion, DeepGIN
from gin.inpainting import SIDEWAYS, UPRIGHT, Inpainter
from gin.masks import Mask


class WatchedInpainter(Inpainter):
    """An Inpainter that ticks at each convolution and keeps the coarse stage."""

    def __init__(self, net: DeepGIN) -> None:
        super().__init__(net)
        layers = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d)]
        for layer in layers:
            layer.register_forward_hook(self._convolved)
        net.register_forward_hook(self._passed)
        self._layers = len(layers)
        self._watch = Watch()
        self._replay: Iterator[Tensor] | None = None

    def stages(
        self, photo: Image.Image, mask: Mask, ensemble: bool, watch: Watch
    ) -> dict[str, Image.Image]:
        """The photograph completed by each stage: "coarse", then "refined".

        The second is what `Inpainter` returns; the network runs once for both. Raises
        InputError as `Inpainter` does, and Cancelled if `watch` says so.
        """
        self._watch, self._done, self._images = watch, 0, 0
        self._coarse: list[Tensor] = []
        completed = self(photo, mask, ensemble=ensemble)
        if self.net.refinement is None:
            return {"coarse": completed}
        self._replay = iter(self._coarse)
        try:
            coarse = self(photo, mask, ensemble=ensemble)
        finally:
            self._replay = None
        return {"coarse": coarse, "refined": completed}

    def _ensemble(self, images: Tensor, masks: Tensor) -> Tensor:
        self._images = len(UPRIGHT + SIDEWAYS) * len(images)
        return super()._ensemble(images, masks)

    def _forward(self, images: Tensor, masks: Tensor) -> Tensor:
        self._images = self._images or len(images)
        return super()._forward(images, masks)

    def _one_pass(self, image: Tensor, mask: Tensor) -> Tensor:
        if self._replay is not None:
            return next(self._replay)
        return super()._one_pass(image, mask)

    def _convolved(self, _layer: nn.Module, _given: Any, output: Tensor) -> None:
        self._done += len(output)
        self._watch.tick(self._done / (self._layers * self._images))

    def _passed(self, _net: nn.Module, _given: Any, completion: Completion) -> None:
        self._coarse.append(completion.coarse.float().cpu())
