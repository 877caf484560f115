"""DeepGIN: deep generative inpainting, reproduced, taught and usable.

Masks are 1 where a pixel is missing; images are RGB in [0, 1].
"""

from gin._names import check_import_name

check_import_name()  # before torch, so that a clash is explained at once

from gin import masks, subsampling  # noqa: E402
from gin.checkpoints import load, push_to_hub, save  # noqa: E402
from gin.discriminator import Discriminators  # noqa: E402
from gin.errors import InputError  # noqa: E402
from gin.generator import VARIANTS, Completion, DeepGIN  # noqa: E402
from gin.inpainting import Inpainter  # noqa: E402
from gin.released import load_released  # noqa: E402

__all__ = [
    "VARIANTS",
    "Completion",
    "DeepGIN",
    "Discriminators",
    "Inpainter",
    "InputError",
    "load",
    "load_released",
    "masks",
    "push_to_hub",
    "save",
    "subsampling",
]
