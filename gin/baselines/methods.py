"""The methods that are compared, by name: DeepGIN, DeepFill and classical ones."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from gin.baselines import inpaint_function, load_deepfill, load_deepfillv2
from gin.baselines.interface import Method
from gin.errors import InputError
from gin.inpainting import WHOLE, Inpainter
from gin.masks import Mask
from gin.utils.devices import choose_device
from gin.utils.files import split_name
from gin.weights.state_dicts import fingerprint

DEEPGIN = "deepgin"
CLASSICAL = ("mean-colour", "telea", "navier-stokes", "biharmonic", "patchmatch")
LEARNT = ("deepfillv1", "deepfillv2")
_CROPS = (
    "with crops around holes and the harmonic correction, as gin inpaint by default"
)
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
    regions: Sequence[str] = (WHOLE,),
) -> list[Candidate]:
    """DeepGIN under every name in `weights`, then the baselines.

    `weights` maps names to weights, as for `gin.weights.checkpoints.network`.
    `baselines` are pairs of a name of `CLASSICAL` and None, or of `LEARNT` and a
    weights file, whose name is appended if a name occurs twice. For each of `regions`,
    see `gin.inpainting.Inpainter`, there is a method: "whole", the paper's, has the
    name of the weights, "auto", the default of `gin inpaint`, that name and "-auto".
    `ensemble` adds, for each of DeepGIN's, a method with the mean over five views.
    Raises InputError for an unknown name, two equal names, or weights, a device or a
    precision that cannot be used, and ModuleNotFoundError without a method's package.
    """
    methods: list[Candidate] = []
    for name, source in weights.items():
        inpainter = Inpainter.from_pretrained(source, device, precision)
        methods += _deepgin(name, source, inpainter, regions, ensemble)
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
    return list(dict.fromkeys(baselines))


def _deepgin(
    name: str,
    weights: str | None,
    inpainter: Inpainter,
    regions: Sequence[str],
    ensemble: bool,
) -> Iterator[Candidate]:
    net = inpainter.net
    file = "the shipped weights" if weights is None else Path(weights).name
    network = (
        f"DeepGIN, {net.variant}, base width {net.base_channels}, "
        f"{inpainter.precision}, {file} ({fingerprint(net)})"
    )
    for region in regions:
        single = name if region == WHOLE else f"{name}-{region}"
        description = network if region == WHOLE else f"{name}, {_CROPS}"
        yield Candidate(single, _inpaint(inpainter, region), description)
        if ensemble:
            method = _inpaint(inpainter, region, ensemble=True)
            description = f"the mean of {single} over five views"
            yield Candidate(f"{single}-ensemble", method, description)


def _inpaint(inpainter: Inpainter, region: str, ensemble: bool = False) -> Method:
    def method(image: np.ndarray, mask: Mask) -> np.ndarray:
        photo = Image.fromarray(image)
        return np.asarray(inpainter(photo, mask, ensemble=ensemble, region=region))

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
