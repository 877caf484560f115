"""FID and KID: distances between a set of completions and the set of photographs.

Taught in book/19_metrics.md.
"""

import warnings
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as as_bytes
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance, NoTrainInceptionV3
from torchmetrics.image.kid import KernelInceptionDistance

from gin.errors import InputError, Unavailable, input_error, required
from gin.evaluation.metrics import Metric, eight_bits
from gin.utils.devices import exact_float32
from gin.utils.files import StrPath, atomic
from gin.weights import downloads
from gin.weights.state_dicts import read_state_dict

SET_METRICS = {"FID": Metric("", "lower", 2), "KID": Metric("", "lower", 5)}
KID_SUBSET_SIZE = 10_000  # images: three kernel matrices of 800 MB


class Distribution:
    """Inception's features of completions and photographs, and their FID and KID.

    `features` maps name -> (2, D) float32, the completion's and the photograph's.
    `save` and `load` keep it in a file, so that an interrupted run resumes. `inception`
    maps a uint8 batch (B, 3, H, W) to (B, D), as `inception()` does.
    """

    def __init__(self, inception: nn.Module) -> None:
        self.inception = inception
        self.features = dict[str, Tensor]()

    def update(self, completed: Tensor, image: Tensor, names: Sequence[str]) -> None:
        """Add a batch under B `names`; a name that exists already is replaced.

        `completed`, from `gin.evaluation.metrics.composite`, and `image` are (B, 3, H,
        W), uint8 or in [0, 1], on any device. Raises InputError for shapes that differ,
        or values of another type or range.
        """
        if not completed.shape == image.shape == (len(names), 3, *image.shape[2:]):
            raise InputError(
                f"completed is {tuple(completed.shape)}, image {tuple(image.shape)}; "
                f"expected ({len(names)}, 3, H, W), as there are {len(names)} names"
            )
        both = torch.cat(
            [eight_bits(completed, "completed"), eight_bits(image, "image")]
        )
        weight = next(self.inception.parameters(), both)
        with torch.no_grad(), exact_float32(weight.device):
            features = self.inception(both.to(weight.device)).float().cpu()
        for name, *pair in zip(names, *features.chunk(2), strict=True):
            self.features[name] = torch.stack(pair)

    def compute(self) -> dict[str, float]:
        """The values of `SET_METRICS`; they do not depend on the images' order.

        Raises Unavailable for fewer than two images.
        """
        count = len(self.features)
        if count < 2:
            raise Unavailable(f"FID and KID need two images or more; found {count}")
        pairs = torch.stack([self.features[name] for name in sorted(self.features)])
        completed, image = pairs.double().unbind(dim=1)
        return {"FID": fid(completed, image), "KID": kid(completed, image)}

    def save(self, path: Path) -> None:
        """Write `features` atomically to a .safetensors file."""
        with atomic(path) as temporary:
            temporary.write_bytes(as_bytes(self.features))

    def load(self, path: Path) -> None:
        """Read `features` from a file by `save`. Raises InputError for another file."""
        expected = "features of FID and KID"
        errors = OSError, SafetensorError
        with input_error(f"{path}: not readable", *errors, expected=expected):
            features = load_file(path)
        types = {(pair.dtype, *pair.shape) for pair in features.values()}
        if len(types) > 1 or any(
            len(t) != 3 or t[:2] != (torch.float32, 2) for t in types
        ):
            raise InputError(
                f"{path}: holds other tensors than pairs of features of one length; "
                "expected features of FID and KID"
            )
        self.features = features


def inception(source: StrPath | None = None) -> nn.Module:
    """FID's Inception-v3: uint8 (B, 3, H, W) of any size -> (B, 2048), frozen.

    The network, its resizing to 299 x 299 (TensorFlow's, as in the original FID) and
    its weights are torch-fidelity's. `source` is a file with the weights; None takes
    them from torch's cache or downloads them. Raises Unavailable if they cannot be
    downloaded, or torch-fidelity is not installed, and InputError for another file.
    """
    with required("FID", "train", Unavailable):
        import torch_fidelity.feature_extractor_inceptionv3 as original
    url = original.URL_INCEPTION_V3
    path = Path(downloads.cached(url) if source is None else source)
    file = BytesIO()  # torch-fidelity unpickles: give it a safe copy of the weights
    torch.save(read_state_dict(path), file)
    file.seek(0)
    try:
        return NoTrainInceptionV3(
            "inception-v3-compat", ["2048"], cast(str, file), antialias=False
        )
    except RuntimeError as error:  # lists all names and shapes
        raise InputError(
            f"{path}: not the weights of FID's Inception-v3; expected "
            f"{url.rpartition('/')[2]}"
        ) from error


def fid(completed: Tensor, image: Tensor) -> float:
    """Fréchet distance of two normal distributions (Heusel et al., 2017).

    |μ − μ'|² + tr(Σ + Σ' − 2 (Σ Σ')^½), by torchmetrics. `completed` and `image` are
    features (N, D), float64. With fewer than D images the covariances are
    rank-deficient, so values are comparable only for equal N.
    """
    count, dimensions = completed.shape
    if 2 * count < dimensions:
        # Faster in the subspace that the features span, where the distance is equal.
        basis = torch.linalg.qr(torch.cat([completed, image]).T).Q  # (D, 2N)
        completed, image = completed @ basis, image @ basis
    # Only this process has the features: no exchange with others.
    network = _Identity(completed.shape[1])
    metric = FrechetInceptionDistance(network, sync_on_compute=False)
    metric.update(image, real=True)
    metric.update(completed, real=False)
    return max(0.0, metric.compute().item())  # rounding may give less than 0


def kid(completed: Tensor, image: Tensor) -> float:
    """Kernel distance (Bińkowski et al., 2018): MMD² with the kernel (x·y / D + 1)³.

    By torchmetrics. `completed` and `image` are features (N, D), float64. The value is
    over all images, or over one random subset of 10,000; the original program takes
    the mean over small random subsets. The estimate is unbiased for unpaired sets. A
    completion is close to its own photograph, which lowers the value by about 1/N, so
    that it may be below 0.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchmetrics warns about memory
        metric = KernelInceptionDistance(
            _Identity(completed.shape[1]),
            subsets=1,
            subset_size=min(len(completed), KID_SUBSET_SIZE),
            sync_on_compute=False,
        )
    metric.update(image, real=True)
    metric.update(completed, real=False)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)  # torchmetrics shuffles
        return metric.compute()[0].item()


class _Identity(nn.Identity):
    """Takes Inception's place for features that are computed already."""

    def __init__(self, dimensions: int) -> None:
        super().__init__()
        self.num_features = dimensions
