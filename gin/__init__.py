"""DeepGIN: deep generative inpainting, reproduced, taught and usable.

Masks are 1 where a pixel is missing; images are RGB in [0, 1].
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from gin.errors import check_import_name, needs

if TYPE_CHECKING:
    from gin import masks, subsampling
    from gin.discriminator import Discriminators
    from gin.errors import InputError
    from gin.generator import VARIANTS, Completion, DeepGIN
    from gin.inpainting import Inpainter
    from gin.ui.app.view import InpaintApp, app
    from gin.ui.painter import MaskPainter
    from gin.weights.checkpoints import load, push_to_hub, save
    from gin.weights.released import load_released


# Set before onnxruntime is imported: otherwise it sends usage data with an identifier
# of the machine.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
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
_MODULES = {
    "VARIANTS": "generator",
    "Completion": "generator",
    "DeepGIN": "generator",
    "Discriminators": "discriminator",
    "InpaintApp": "ui.app.view",
    "Inpainter": "inpainting",
    "InputError": "errors",
    "MaskPainter": "ui.painter",
    "app": "ui.app.view",
    "load": "weights.checkpoints",
    "load_released": "weights.released",
    "push_to_hub": "weights.checkpoints",
    "save": "weights.checkpoints",
}


check_import_name()  # before the slow import of torch


def __getattr__(name: str) -> Any:
    """Import a public name on first access, because importing torch takes seconds."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = import_module(f"gin.{_MODULES.get(name, name)}")
    except ModuleNotFoundError as error:
        message = needs(f"gin.{name}", "app", error)
        raise ModuleNotFoundError(message, name=error.name) from error
    value = getattr(module, name) if name in _MODULES else module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
