"""The methods that the app offers: DeepGIN's weights and the baselines."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from os import PathLike
from pathlib import Path

import numpy as np
from PIL import Image

from gin.baselines import methods
from gin.baselines.interface import complete
from gin.errors import InputError
from gin.inpainting import Inpainter
from gin.masks import MAX_MISSING, Mask, area
from gin.ui.app.worker import Progress
from gin.utils.files import StrPath
from gin.utils.images import Photograph
from gin.weights import checkpoints
from gin.weights.released import RELEASED

Weights = StrPath | Sequence[StrPath] | None
SHIPPED = "shipped weights"
OTHER = "other weights"  # typed by the user
COMPLETED = "completed"  # the only stage of a baseline
# Module -> its package; only the method patchmatch imports patchmatch.
_PACKAGES = {
    "cv2": "opencv-python-headless",
    "skimage": "scikit-image",
    "patchmatch": "PyPatchMatch",
}


@dataclass(frozen=True)
class Choice:
    """A method; `missing_packages` names what it needs and is not installed, or ""."""

    name: str
    label: str
    deepgin: bool = False
    missing_packages: str = ""


_RELEASED = Choice(RELEASED, "DeepGIN, as released (downloaded once)", deepgin=True)


class Catalogue:
    """The methods by name; networks are loaded on first use and kept.

    `weights` are one or several, as `gin.weights.checkpoints.network` takes them, or
    "deepfillv1=FILE", "deepfillv2=FILE". The shipped weights follow them. Raises
    InputError for weights that cannot be used, or neither given nor shipped weights.
    """

    def __init__(self, weights: Weights = None) -> None:
        if weights is None or isinstance(weights, str | PathLike):
            weights = [weights] if weights is not None else []
        self._load = cache(_load)
        given = [str(source) for source in weights]
        for source in given:
            self._load(source)
        files = [Path(source.rpartition("=")[2]).name for source in given]
        named = {
            file if files.count(file) == 1 else source: source
            for file, source in zip(files, given, strict=True)
        }
        self._sources = named | _shipped()
        if not self._sources:
            checkpoints.shipped()  # raises InputError
        self.choices = [
            *(_choice(name, source) for name, source in self._sources.items()),
            *([] if RELEASED in self._sources else [_RELEASED]),
            Choice(OTHER, f"DeepGIN, {OTHER} …", deepgin=True),
            *(
                Choice(name, name, missing_packages=_missing_packages(name))
                for name in methods.CLASSICAL
            ),
        ]

    def complete(
        self,
        name: str,
        photo: Image.Image,
        mask: Mask,
        *,
        ensemble: bool = False,
        other: str = "",
        progress: Progress | None = None,
    ) -> dict[str, Image.Image]:
        """Stage -> the completed photograph, as from `Inpainter`; the final one last.

        `name` is one of `choices`, `photo` as for `Inpainter`, `mask` (H, W) of {0, 1},
        1 = missing. `ensemble` averages over five views, DeepGIN only; `other` are the
        weights if `name` is `OTHER`. `progress` reports the progress and cancels the
        completion. Raises InputError for a method, weights or a mask that cannot be
        used, and Cancelled if `progress` is cancelled.
        """
        if not (painted := area(mask)):
            raise InputError("nothing is painted yet; paint over what should be filled")
        if painted > MAX_MISSING:
            raise InputError(
                f"{100 * painted:.1f} % of the photograph is painted, at most "
                f"{100 * MAX_MISSING:.0f} % may be: erase some, to fill it from there"
            )
        progress = progress or Progress()
        progress.update(0.0)
        if name == OTHER and not other.strip():
            raise InputError("expected weights, a file here or hf:owner/name")
        source = other.strip() if name == OTHER else self._sources.get(name, name)
        method = self._load(source)
        progress.update(0.0)
        if isinstance(method, Inpainter):
            return method.stages(
                photo, mask, ensemble=ensemble, callback=progress.update
            )
        photograph = Photograph.read(photo)
        image = np.rint(255 * photograph.rgb()).astype(np.uint8)
        filled = complete(method.method, image, mask)
        return {COMPLETED: photograph.filled(filled.astype(np.float32) / 255, mask)}


def _load(source: str) -> Inpainter | methods.Candidate:
    if source not in methods.CLASSICAL and _is_deepgin(source):
        return Inpainter.from_pretrained(None if source == SHIPPED else source)
    if source in methods.CLASSICAL and (missing := _missing_packages(source)):
        raise InputError(f"{source}: {missing}")
    return methods.candidates({}, methods.named_baselines([source]))[0]


def _is_deepgin(source: str) -> bool:
    return source.partition("=")[0] not in methods.LEARNT


def _choice(name: str, source: str) -> Choice:
    deepgin = _is_deepgin(source)
    method = "DeepGIN" if deepgin else source.partition("=")[0]
    return Choice(name, f"{method}, {name}", deepgin)


def _shipped() -> dict[str, str]:
    """Name -> source of the shipped weights and the files beside them."""
    try:
        main = checkpoints.shipped()
    except InputError:
        return {}
    sources = {SHIPPED: SHIPPED}
    for path in sorted(main.parent.glob("*.safetensors")):
        method = path.stem.partition("-")[0]
        if path != main:
            learnt = method in methods.LEARNT
            sources[path.stem] = f"{method}={path}" if learnt else str(path)
    return sources


def _missing_packages(name: str) -> str:
    """The packages that a method needs and that are not installed, or ""."""
    modules = [m for m in ("cv2", "skimage", name) if m in _PACKAGES]
    missing = [_PACKAGES[m] for m in modules if find_spec(m) is None]
    return f"needs {' and '.join(missing)}" if missing else ""
