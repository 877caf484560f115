"""Baselines: DeepFillv1, DeepFillv2 and classical methods.

The classical methods, in `gin.baselines.classical`, need OpenCV and scikit-image.
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
