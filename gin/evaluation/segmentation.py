"""Semantic segmentation of completed images, as in the paper's Fig. 6.

A network that was trained for segmentation, and not for inpainting, labels each pixel
of the completed image and of the photograph; the labels are compared. Taught in
book/21_table_2.md.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision import models
from torchvision.models import WeightsEnum

from gin.errors import check_choice, input_error
from gin.evaluation.metrics import Metric, eight_bits
from gin.utils.devices import exact_float32
from gin.utils.files import StrPath
from gin.weights import downloads
from gin.weights.state_dicts import check_names, read_tensors

SEGMENTATION_METRICS = {
    "Agreement": Metric("%", "higher", 2),
    "mIoU": Metric("", "higher", 4),
}
# Used only in training: a second head, and the counters of batch normalisation.
_AUXILIARY, _NOT_LOADED = "aux_classifier.", "num_batches_tracked"


# Name -> torchvision's name of the network.
ARCHITECTURES = {
    "lraspp": "lraspp_mobilenet_v3_large",
    "deeplabv3": "deeplabv3_resnet50",
}


def _download(name: str) -> WeightsEnum:
    """The weights of one of `ARCHITECTURES`, with their URL, classes and sizes."""
    return models.get_model_weights(ARCHITECTURES[name])["COCO_WITH_VOC_LABELS_V1"]


class Segmenter(nn.Module):
    """A network of `ARCHITECTURES` that labels the pixels of images of any size.

    Frozen; computed in float32 without autocast and TF32. As torchvision evaluates it:
    the shorter side is resized to 520 px, and the scores are resized to the image.
    `source` is that of the weights; `classes` are names, 0 is the background.
    """

    def __init__(self, name: str, net: nn.Module, source: str) -> None:
        super().__init__()
        self.name, self.source = name, source
        download = _download(name)
        self.classes: list[str] = download.meta["categories"]
        self.prepare: Callable[[Tensor], Tensor] = download.transforms()
        self.net = net
        self.requires_grad_(False).eval()

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W), uint8 or in [0, 1] -> (B, H, W), the class of each pixel."""
        with torch.no_grad(), exact_float32(image.device):
            prepared = self.prepare(eight_bits(image, "image"))
            scores = self.net(prepared)["out"]
            resized = F.interpolate(scores, image.shape[2:], mode="bilinear")
        return resized.argmax(dim=1)


def segmenter(name: str = "lraspp", source: StrPath | None = None) -> Segmenter:
    """`Segmenter` with torchvision's weights.

    `name` is "lraspp" (LR-ASPP on MobileNetV3, 13 MB) or "deeplabv3" (DeepLabV3 on
    ResNet-50, 168 MB), `source` a file with torchvision's names (safetensors, or a
    state dict by torch.save); None takes it from torch's cache or downloads it. Raises
    InputError for another name, or a file of another network; Unavailable, which is
    one, if the weights cannot be downloaded.
    """
    check_choice("segmentation network", name, ARCHITECTURES)
    path = Path(downloads.cached(_download(name).url) if source is None else source)
    with torch.random.fork_rng(devices=[]):  # the first weights are random
        net = models.get_model(ARCHITECTURES[name], weights=None, weights_backbone=None)
    _load(net, path)
    return Segmenter(name, net, path.name)


def _load(net: nn.Module, path: Path) -> None:
    """Load all weights of `net` from a file that may also hold those of training."""
    own, state = (
        {k: v for k, v in tensors.items() if not k.endswith(_NOT_LOADED)}
        for tensors in (net.state_dict(), read_tensors(path))
    )
    state = {k: v for k, v in state.items() if not k.startswith(_AUXILIARY)}
    check_names(str(path), set(own), set(state))
    with input_error(f"{path}: not the weights of this network", RuntimeError):
        net.load_state_dict(state, strict=False)


def compare(classes: Tensor, truth: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """The metrics of `SEGMENTATION_METRICS` between two maps of classes, (B,) float64.

    `classes` are those of the completed images, (B, H, W), `truth` those of the
    photographs; `mask` is (B, 1, H, W) of {0, 1}, 1 = missing. "Agreement" is the share
    of the hole's pixels that have the photograph's class, in %, nan for an empty mask.
    "mIoU" is the intersection over the union in the whole image, the mean over the
    classes that occur in either map.
    """
    same, hole = classes == truth, mask[:, 0] == 1
    inside = (same & hole).sum(dim=(1, 2)) / hole.sum(dim=(1, 2)).double()
    iou = [_mean_iou(a, b) for a, b in zip(classes, truth, strict=True)]
    return {"Agreement": 100 * inside, "mIoU": torch.tensor(iou, dtype=torch.float64)}


def _mean_iou(labels: Tensor, truth: Tensor) -> float:
    classes = torch.cat([labels, truth]).unique()
    a, b = (x == classes[:, None, None] for x in (labels, truth))  # (K, H, W)
    return ((a & b).sum(dim=(1, 2)) / (a | b).sum(dim=(1, 2))).double().mean().item()


def colours(classes: np.ndarray) -> np.ndarray:
    """A map of classes (H, W) as a picture, uint8 (H, W, 3), in PASCAL VOC's colours.

    The background is black.
    """
    bits = (classes.astype(np.uint8)[..., np.newaxis] >> np.arange(6)) & 1
    # Red, green and blue take the bits 0, 1, 2 as their highest, 3, 4, 5 as the next.
    return (bits[..., :3] * 128 + bits[..., 3:] * 64).astype(np.uint8)
