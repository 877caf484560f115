"""DeepGIN: deep generative inpainting, reproduced, taught and usable.

Masks are 1 where a pixel is missing; images are RGB in [0, 1].
"""

import os
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

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


# Before onnxruntime, which reads this when it is imported: else it gives the machine an
# identifier, and reports to its makers what it runs.
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
_HOMES = {
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


def check_import_name() -> None:
    """Refuse to run beside `gin-config`, whose files and ours overwrite each other.

    Both install into a folder called `gin`, so a half of one and a half of the
    other would be imported, and fail later with a puzzling message.

    Raises:
        ImportError: `gin-config` is installed in this environment.
    """
    try:
        found = version("gin-config")
    except PackageNotFoundError:
        return
    raise ImportError(
        f"gin-config {found} is installed in this environment and has the same "
        "import name, gin, as deepgin-book, so the two overwrite each other: use a "
        "separate environment, or run `pip uninstall gin-config` and then reinstall "
        "deepgin-book with `pip install --force-reinstall --no-deps deepgin-book`."
    )


check_import_name()  # before torch, so that a clash is explained at once


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
