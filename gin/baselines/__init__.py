"""What DeepGIN is compared with: DeepFillv1, DeepFillv2 and the classical methods.

The classical ones are in `gin.baselines.classical`, which needs OpenCV and
scikit-image.
"""

from gin.baselines.deepfill_files import load_deepfill, load_deepfillv2
from gin.baselines.deepfillv1 import DeepFillV1
from gin.baselines.deepfillv2 import DeepFillV2
from gin.baselines.pairs import inpaint_function

__all__ = [
    "DeepFillV1",
    "DeepFillV2",
    "inpaint_function",
    "load_deepfill",
    "load_deepfillv2",
]
