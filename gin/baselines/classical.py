"""Classical inpainting methods, each a `gin.baselines.interface.Method`.

Taught in book/02_background.md and book/21_table_2.md.
"""

import cv2
import numpy as np
from skimage.restoration import inpaint_biharmonic

from gin.baselines.interface import method
from gin.errors import Unavailable

RADIUS = 3  # px: the neighbourhood of OpenCV's methods
PATCH_RADIUS = 3  # px: patches of 7 x 7
MAX_BIHARMONIC = 300_000  # px: 1.6 GB, 100 s; the solver crashes somewhere above


@method
def mean_colour(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Fill with the mean of the known pixels."""
    return np.broadcast_to(image[mask == 0].mean(axis=0), image.shape)


@method
def telea(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Fast marching (Telea, 2004), by OpenCV."""
    return cv2.inpaint(image, mask, RADIUS, cv2.INPAINT_TELEA)


@method
def navier_stokes(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Navier-Stokes inpainting (Bertalmio et al., 2001), by OpenCV."""
    return cv2.inpaint(image, mask, RADIUS, cv2.INPAINT_NS)


@method
def biharmonic(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Solve the biharmonic equation in the hole, by scikit-image.

    Raises Unavailable if more than `MAX_BIHARMONIC` pixels are missing.
    """
    if (missing := np.count_nonzero(mask)) > MAX_BIHARMONIC:
        raise Unavailable(
            f"biharmonic: {missing:,} pixels are missing; expected at most "
            f"{MAX_BIHARMONIC:,}, since its system of equations exceeds the memory"
        )
    return 255 * inpaint_biharmonic(image, mask, channel_axis=-1)


@method
def patchmatch(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """PatchMatch (Barnes et al., 2009; the paper's reference [3]), by PyPatchMatch.

    Raises Unavailable if that package, or its library, is missing.
    """
    try:
        import patchmatch as library
    except ImportError as error:
        raise Unavailable(
            "patchmatch: the package PyPatchMatch is missing; expected "
            "`pip install PyPatchMatch` to have been run"
        ) from error
    if not library.patchmatch_available:
        raise Unavailable("patchmatch: PyPatchMatch has no library for this computer")
    library.set_random_seed(0)  # deterministic
    return library.inpaint(image, mask, patch_size=PATCH_RADIUS)
