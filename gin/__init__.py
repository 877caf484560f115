"""DeepGIN: deep generative inpainting, reproduced, taught and usable.

Masks are 1 where a pixel is missing; images are RGB in [0, 1].
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from gin._names import check_import_name

check_import_name()  # before torch, so that a clash is explained at once

# Before onnxruntime, which reads this when it is imported: else it gives the machine an
# identifier, and reports to its makers what it runs.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

if TYPE_CHECKING:
    from gin import masks, subsampling
    from gin.application.view import InpaintApp, app
    from gin.checkpoints import load, push_to_hub, save
    from gin.discriminator import Discriminators
    from gin.errors import InputError
    from gin.generator import VARIANTS, Completion, DeepGIN
    from gin.inpainting import Inpainter
    from gin.painter import MaskPainter
    from gin.released import load_released

__all__ = [
    "VARIANTS",
    "Completion",
    "DeepGIN",
    "Discriminators",
    "InpaintApp",
    "Inpainter",
    "InputError",
    "MaskPainter",
    "app",
    "load",
    "load_released",
    "masks",
    "push_to_hub",
    "save",
    "subsampling",
]

_HOMES = {
    "VARIANTS": "generator",
    "Completion": "generator",
    "DeepGIN": "generator",
    "Discriminators": "discriminator",
    "InpaintApp": "application.view",
    "Inpainter": "inpainting",
    "InputError": "errors",
    "MaskPainter": "painter",
    "app": "application.view",
    "load": "checkpoints",
    "load_released": "released",
    "push_to_hub": "checkpoints",
    "save": "checkpoints",
}


def __getattr__(name: str) -> Any:
    """Public names come when they are asked for: torch takes seconds to import."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = import_module(f"gin.{_HOMES.get(name, name)}")
    found = getattr(home, name) if name in _HOMES else home
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
