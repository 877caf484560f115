"""The methods that are compared, by name: DeepGIN, DeepFill and classical ones."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from gin.baselines import inpaint_function, load_deepfill, load_deepfillv2
from gin.baselines.interface import Method
from gin.errors import InputError
from gin.inpainting import Inpainter
from gin.masks import Mask
from gin.utils.devices import choose_device
from gin.utils.files import split_name
from gin.weights.state_dicts import fingerprint

DEEPGIN = "deepgin"
CLASSICAL = ("mean-colour", "telea", "navier-stokes", "biharmonic", "patchmatch")
LEARNT = ("deepfillv1", "deepfillv2")
# The package whose version determines a classical method's result.
_PACKAGES = {"telea": "cv2", "navier-stokes": "cv2", "biharmonic": "skimage"}


@dataclass(frozen=True)
class Candidate:
    """A method to be compared."""

    name: str  #: in tables
    method: Method  #: image and mask -> completed image
    description: str  #: of weights, precision and version, in reports


def candidates(
    weights: Mapping[str, str | None],
    baselines: Sequence[tuple[str, str | None]] = (),
    ensemble: bool = False,
    device: str | torch.device | None = None,
    precision: str | None = None,
) -> list[Candidate]:
    """DeepGIN under every name in `weights`, then the baselines.

    `weights` maps names to weights, as for `gin.weights.checkpoints.network`.
    `baselines` are pairs of a name of `CLASSICAL` and None, or of `LEARNT` and a
    weights file, whose name is appended if a name occurs twice. `ensemble` adds DeepGIN
    as the mean over five views. Raises InputError for an unknown name, two equal names,
    or weights, a device or a precision that cannot be used.
    """
    methods: list[Candidate] = []
    for name, source in weights.items():
        methods += _deepgin(name, source, ensemble, device, precision)
    count = Counter(name for name, _ in baselines)
    for name, file in baselines:
        label = f"{name} {Path(file).stem}" if file and count[name] > 1 else name
        methods.append(_baseline(label, name, file, device))
    for name, number in Counter(candidate.name for candidate in methods).items():
        if number > 1:
            raise InputError(f"two methods are called {name}; expected different names")
    return methods


def weights_by_name(texts: Sequence[str]) -> dict[str, str | None]:
    """Parse `[NAME=]WEIGHTS` for `candidates`; by default the shipped weights.

    A single file without a name is called "deepgin", several are named after their
    files. Raises InputError for two equal names.
    """
    weights: dict[str, str | None] = {}
    for text in texts:
        name, source = split_name(text)
        name = name or (Path(source).stem if len(texts) > 1 else DEEPGIN)
        if name in weights:
            raise InputError(
                f"--weights: two are called {name}; name them, as in "
                f"--weights {name}2={source}"
            )
        weights[name] = source
    return weights or {DEEPGIN: None}


def named_baselines(texts: Sequence[str]) -> list[tuple[str, str | None]]:
    """Parse `METHOD[=WEIGHTS]` for `candidates`; "classical" means all of those."""
    baselines: list[tuple[str, str | None]] = []
    for text in texts:
        method, _, weights = text.partition("=")
        methods = CLASSICAL if text == "classical" else (method,)
        baselines += [(name, weights or None) for name in methods]
    return baselines


def _deepgin(
    name: str,
    weights: str | None,
    ensemble: bool,
    device: str | torch.device | None,
    precision: str | None,
) -> list[Candidate]:
    inpaint = Inpainter.from_pretrained(weights, device, precision)
    net = inpaint.net
    file = "the shipped weights" if weights is None else Path(weights).name
    single = Candidate(
        name,
        _inpaint_whole(inpaint, ensemble=False),
        f"DeepGIN, {net.variant}, base width {net.base_channels}, {inpaint.precision}, "
        f"{file} ({fingerprint(net)})",
    )
    if not ensemble:
        return [single]
    mean = _inpaint_whole(inpaint, ensemble=True)
    description = f"the mean of {name} over five views"
    return [single, Candidate(f"{name}-ensemble", mean, description)]


def _inpaint_whole(inpaint: Inpainter, ensemble: bool) -> Method:
    """The paper's method: no crops and no seam removal."""

    def method(image: np.ndarray, mask: Mask) -> np.ndarray:
        photo = Image.fromarray(image)
        return np.asarray(inpaint(photo, mask, ensemble=ensemble, region="whole"))

    return method


def _baseline(
    label: str, name: str, weights: str | None, device: str | torch.device | None
) -> Candidate:
    if name in CLASSICAL:
        if weights is not None:
            raise InputError(f"baseline {name}: takes no weights, found {weights}")
        classical = import_module("gin.baselines.classical")  # needs an extra
        version = name
        if name in _PACKAGES:
            package = import_module(_PACKAGES[name])
            version = f"{package.__name__} {package.__version__}"
        return Candidate(label, getattr(classical, name.replace("-", "_")), version)
    if name not in LEARNT:
        expected = ", ".join((*CLASSICAL, *LEARNT))
        raise InputError(f"baseline {name!r}: expected one of {expected}")
    if weights is None:
        raise InputError(f"baseline {name}: expected its weights, as in {name}=FILE")
    net = (load_deepfillv2 if name == "deepfillv2" else load_deepfill)(weights)
    if net.variant != name:
        raise InputError(f"{weights}: holds {net.variant}; expected {name}")
    description = f"{name}, {Path(weights).name} ({fingerprint(net)})"
    method = inpaint_function(net.to(choose_device(device)))
    return Candidate(label, method, description)
