"""What DeepGIN is compared with: DeepFillv1, DeepFillv2 and the classical methods.

The classical ones are in `gin.baselines.classical`, which needs OpenCV and
scikit-image.
"""

from gin.baselines.deepfill.networks import DeepFillV1, DeepFillV2, inpaint_function
from gin.baselines.deepfill.weights import load_deepfill, load_deepfillv2

__all__ = [
    "DeepFillV1",
    "DeepFillV2",
    "inpaint_function",
    "load_deepfill",
    "load_deepfillv2",
]
