"""Fig. 6 on the shipped photographs, where a segmentation network is available.

Used by book/21_table_2.md.
"""

from collections.abc import Mapping

import numpy as np
import torch
from support import figures, rivals

from gin.baselines.interface import Method
from gin.errors import InputError
from gin.evaluation.segmentation import Segmenter, colours, compare, segmenter


def available() -> tuple[Segmenter | None, str]:
    """The small network, or None and the reason why there is none."""
    try:
        return segmenter(), ""
    except InputError as error:
        return None, str(error)


def figure(
    network: Segmenter,
    case: tuple[str, str, int],
    methods: Mapping[str, Method],
    side: int = 256,
) -> figures.Drawing:
    """Completions above their maps of classes; mIoU with the photograph's map.

    `case` is (photograph, kind of mask, seed).
    """
    name, kind, seed = case
    mask = rivals.hole(kind, seed, side)
    pictures = {n: rivals.attempt(name, m, mask)[0] for n, m in methods.items()}
    pictures["original"] = rivals.photograph(name, side)
    maps = {n: network(_tensor(picture)) for n, picture in pictures.items()}
    titles = []
    for found in maps.values():
        missing = torch.from_numpy(mask)[None, None]
        iou = compare(found, maps["original"], missing)["mIoU"].item()
        titles.append(f"mIoU {iou:.2f}")
    drawn = [colours(found[0].numpy()) / 255 for found in maps.values()]
    images = [picture / 255 for picture in pictures.values()]
    return figures.row([*images, *drawn], [*pictures, *titles], len(pictures))


def _tensor(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(picture.copy()).permute(2, 0, 1)[None]
