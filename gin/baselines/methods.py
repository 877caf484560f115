"""Ways to fill a hole behind one call: a picture and its mask in, a picture out.

`complete` is the way to all of them, and hides what they should guess.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
from PIL import Image

from gin.baselines import inpaint_function, load_deepfill, load_deepfillv2
from gin.baselines.interface import Method
from gin.errors import InputError
from gin.inpainting import Inpainter
from gin.masks import Mask
from gin.utils.devices import choose_device
from gin.utils.files import named
from gin.weights.state_dicts import fingerprint

DEEPGIN = "deepgin"
CLASSICAL = ("mean-colour", "telea", "navier-stokes", "biharmonic", "patchmatch")
LEARNT = ("deepfillv1", "deepfillv2")
# Whose version decides what a classical method gives.
_PACKAGES = {"telea": "cv2", "navier-stokes": "cv2", "biharmonic": "skimage"}


@dataclass(frozen=True)
class Candidate:
    """A method under the name that it has in the tables, and what to say about it."""

    name: str
    method: Method
    about: str


def candidates(
    weights: Mapping[str, str | None],
    baselines: Sequence[tuple[str, str | None]] = (),
    ensemble: bool = False,
    device: str | None = None,
    precision: str | None = None,
) -> list[Candidate]:
    """DeepGIN under each name in `weights`, then the baselines.

    Args:
        weights: name -> weights as `gin.weights.checkpoints.network` finds them.
        baselines: a name of `CLASSICAL`; or one of `LEARNT` with a weights file. Of
            two of one name the file's name tells which is which.
        ensemble: DeepGIN also as the mean over five views.

    Raises:
        InputError: an unknown name, two of the same name, or weights, a device or a
            precision that cannot be used.
    """
    found: list[Candidate] = []
    for name, source in weights.items():
        found += _deepgin(name, source, ensemble, device, precision)
    kinds = [name for name, _ in baselines]
    for name, file in baselines:
        label = f"{name} {Path(file).stem}" if file and kinds.count(name) > 1 else name
        found.append(_baseline(label, name, file, device))
    names = [each.name for each in found]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"two methods are called {name}; expected different names")
    return found


def weights_by_name(texts: Sequence[str]) -> dict[str, str | None]:
    """`[NAME=]WEIGHTS` as `candidates` takes them; the shipped ones if there are none.

    A single one without a name is called "deepgin", several after their files. Raises
    InputError for two of one name.
    """
    found: dict[str, str | None] = {}
    for text in texts:
        name, source = named(text)
        name = name or (Path(source).stem if len(texts) > 1 else DEEPGIN)
        if name in found:
            raise InputError(
                f"--weights: two are called {name}; name them, as in "
                f"--weights {name}2={source}"
            )
        found[name] = source
    return found or {DEEPGIN: None}


def named_baselines(texts: Sequence[str]) -> list[tuple[str, str | None]]:
    """`METHOD[=WEIGHTS]` as `candidates` takes them; "classical" is all of those."""
    found: list[tuple[str, str | None]] = []
    for text in texts:
        name, _, weights = text.partition("=")
        names = CLASSICAL if text == "classical" else (name,)
        found += [(each, weights or None) for each in names]
    return found


def _deepgin(
    name: str,
    weights: str | None,
    ensemble: bool,
    device: str | None,
    precision: str | None,
) -> list[Candidate]:
    inpaint = Inpainter.from_pretrained(weights, device, precision)
    net = inpaint.net
    file = "the shipped weights" if weights is None else Path(weights).name
    about = (
        f"DeepGIN, {net.variant}, base width {net.base_channels}, {inpaint.precision}, "
        f"{file} ({fingerprint(net)})"
    )
    found = [Candidate(name, _by(inpaint, ensemble=False), about)]
    if ensemble:
        about = f"the mean of {name} over five views"
        found.append(Candidate(f"{name}-ensemble", _by(inpaint, ensemble=True), about))
    return found


def _by(inpaint: Inpainter, ensemble: bool) -> Method:
    """The paper's way, so that the numbers are the network's."""

    def method(image: np.ndarray, mask: Mask) -> np.ndarray:
        photo = Image.fromarray(image)
        return np.asarray(inpaint(photo, mask, ensemble=ensemble, region="whole"))

    return method


def _baseline(
    label: str, name: str, weights: str | None, device: str | None
) -> Candidate:
    if name in CLASSICAL:
        if weights is not None:
            raise InputError(f"baseline {name}: takes no weights, found {weights}")
        return Candidate(label, _classical(name), _version(name))
    if name not in LEARNT:
        expected = ", ".join((*CLASSICAL, *LEARNT))
        raise InputError(f"baseline {name!r}: expected one of {expected}")
    if weights is None:
        raise InputError(f"baseline {name}: expected its weights, as in {name}=FILE")
    net = (load_deepfillv2 if name == "deepfillv2" else load_deepfill)(weights)
    if net.variant != name:
        raise InputError(f"{weights}: holds {net.variant}; expected {name}")
    about = f"{name}, {Path(weights).name} ({fingerprint(net)})"
    return Candidate(label, inpaint_function(net.to(choose_device(device))), about)


def _classical(name: str) -> Method:
    classical = import_module("gin.baselines.classical")  # with packages of an extra
    method: Method = getattr(classical, name.replace("-", "_"))
    return method


def _version(name: str) -> str:
    if name not in _PACKAGES:
        return name
    package = import_module(_PACKAGES[name])
    return f"{package.__name__} {package.__version__}"
