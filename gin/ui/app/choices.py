"""What can fill a hole here: DeepGIN's weights, the baselines, and what they lack."""

from collections.abc import Iterable, Sequence
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
from gin.masks import MOST_MISSING, Mask, area
from gin.ui.app.worker import Watch
from gin.utils.images import Photograph
from gin.weights import checkpoints
from gin.weights.released import RELEASED

Weights = str | PathLike[str] | Sequence[str | PathLike[str]] | None
SHIPPED = "shipped weights"
OTHER = "other weights"  # which the person types
COMPLETED = "completed"  # the one stage of a method that has no stages
# Modules that a method imports, and what they are called where they are installed.
_IMPORTS = {
    name: ("cv2", "skimage", *(("patchmatch",) if name == "patchmatch" else ()))
    for name in methods.CLASSICAL
}
_PACKAGES = {
    "cv2": "opencv-python-headless",
    "skimage": "scikit-image",
    "patchmatch": "PyPatchMatch",
}


@dataclass(frozen=True)
class Choice:
    """A way to complete. `lacks` says why it cannot be chosen here, or nothing."""

    name: str
    label: str
    deepgin: bool = False
    lacks: str = ""


class Catalogue:
    """The choices, by name; networks are loaded when first used, and kept.

    Args:
        weights: as `gin.weights.checkpoints.network` finds them, one or several; or
            "deepfillv1=FILE", "deepfillv2=FILE". The shipped weights come after them.

    Raises:
        InputError: weights that cannot be used; or none, and none are shipped.
    """

    def __init__(self, weights: Weights = None) -> None:
        if weights is None or isinstance(weights, str | PathLike):
            weights = [weights] if weights is not None else []
        self._load = cache(_load)
        given = [str(each) for each in weights]
        for each in given:
            self._load(each)
        self._sources = {_named(each): each for each in given} | _shipped()
        if not self._sources:
            checkpoints.shipped()  # says what is missing
        self.choices = [
            *(_choice(name, source) for name, source in self._sources.items()),
            *_authors(self._sources),
            Choice(OTHER, f"DeepGIN, {OTHER} …", deepgin=True),
            *(Choice(name, name, lacks=_lacks(name)) for name in methods.CLASSICAL),
        ]

    def complete(
        self,
        name: str,
        photo: Image.Image,
        mask: Mask,
        *,
        ensemble: bool = False,
        other: str = "",
        watch: Watch | None = None,
    ) -> dict[str, Image.Image]:
        """Stage -> the photograph completed, as `Inpainter` returns it; the best last.

        `other` are the weights where `name` is `OTHER`. Raises InputError for an
        unknown or missing method and a mask that cannot be used, Cancelled when
        `watch` says so.
        """
        check_painted(mask)
        watch = watch or Watch()
        watch.tick(0.0)
        if name == OTHER and not other.strip():
            raise InputError("expected weights: a file here, or hf:owner/name")
        source = other.strip() if name == OTHER else self._sources.get(name, name)
        found = self._load(source)
        watch.tick(0.0)
        if isinstance(found, Inpainter):
            return found.stages(photo, mask, ensemble=ensemble, callback=watch.tick)
        return {COMPLETED: _fill(found, photo, mask)}


def check_painted(mask: Mask) -> None:
    """Raise InputError, in words for who painted, unless `mask` can be completed."""
    if not (painted := area(mask)):
        raise InputError("nothing is painted yet: paint over what should be filled")
    if painted > MOST_MISSING:
        raise InputError(
            f"{100 * painted:.1f} % of the photograph is painted, at most "
            f"{100 * MOST_MISSING:.0f} % may be: erase some, to fill it from there"
        )


def _load(source: str) -> Inpainter | methods.Candidate:
    if source in methods.CLASSICAL:
        if lacks := _lacks(source):
            raise InputError(f"{source}: {lacks}")
        return methods.candidates({}, [(source, None)])[0]
    if not _is_deepgin(source):
        return methods.candidates({}, methods.named_baselines([source]))[0]
    return Inpainter.from_pretrained(None if source == SHIPPED else source)


def _fill(found: methods.Candidate, photo: Image.Image, mask: Mask) -> Image.Image:
    photograph = Photograph.read(photo)
    image = np.rint(255 * photograph.rgb()).astype(np.uint8)
    filled = complete(found.method, image, mask)
    return photograph.filled(filled.astype(np.float32) / 255, mask)


def _is_deepgin(source: str) -> bool:
    return source.partition("=")[0] not in methods.LEARNT


def _choice(name: str, source: str) -> Choice:
    deepgin = _is_deepgin(source)
    kind = "DeepGIN" if deepgin else source.partition("=")[0]
    return Choice(name, f"{kind}, {name}", deepgin)


def _authors(given: Iterable[str]) -> list[Choice]:
    """The authors' own weights, which are fetched when they are chosen."""
    label = "DeepGIN, as released (downloaded once)"
    return [] if RELEASED in given else [Choice(RELEASED, label, deepgin=True)]


def _named(source: str) -> str:
    return Path(source.rpartition("=")[2]).name


def _shipped() -> dict[str, str]:
    """The shipped weights, and what lies beside them: a wheel has fewer."""
    try:
        main = checkpoints.shipped()
    except InputError:
        return {}
    found = {SHIPPED: SHIPPED}
    for path in sorted(main.parent.glob("*.safetensors")):
        kind = path.stem.partition("-")[0]
        if path != main:
            learnt = kind in methods.LEARNT
            found[path.stem] = f"{kind}={path}" if learnt else str(path)
    return found


def _lacks(name: str) -> str:
    missing = _missing(_IMPORTS[name])
    return f"needs {' and '.join(missing)}" if missing else ""


def _missing(modules: Iterable[str]) -> list[str]:
    return [_PACKAGES[module] for module in modules if find_spec(module) is None]
