"""An evaluation of a second: small photographs, quick methods, an Inception of sums."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from data_trees import folder_of
from torch import Tensor, nn

from gin.baselines.methods import Candidate
from gin.errors import Unavailable
from gin.evaluation.bootstrap import paired, summarise
from gin.evaluation.evaluator import Evaluation, MetricNetworks
from gin.evaluation.outputs import Reports
from gin.evaluation.protocol import ORIGINAL, Protocol, choose_masks, open_datasets

WIDTH, HEIGHT = 48, 40  # of data_trees.photograph


class Sums(nn.Module):
    """uint8 (B, 3, H, W) -> (B, 6): a stand-in for Inception."""

    def forward(self, image: Tensor) -> Tensor:
        x = image.float() / 255
        return torch.cat([x.mean(dim=(2, 3)), x.std(dim=(2, 3))], dim=1)


def grey(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return np.full_like(image, 128)


def seen(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """What a method is given."""
    return image


def mean(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return np.full_like(image, image[mask == 0].mean())


def nowhere(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    raise Unavailable("no such | thing")


METHODS = (
    Candidate("grey", grey, "128 everywhere"),
    Candidate("seen", seen, "what it is given"),
    Candidate("mean", mean, "the mean"),
)


def evaluation(
    out: Path,
    photographs: Path,
    candidates: Sequence[Candidate] = METHODS,
    masks: Sequence[str] = ("all",),
    sizes: Sequence[str] = (ORIGINAL,),
    seed: int = 0,
    networks: MetricNetworks | None = None,
) -> Evaluation:
    """One that was not run yet."""
    datasets = open_datasets([str(photographs)])
    protocol = Protocol(datasets, choose_masks(masks), sizes, seed)
    missing = dict.fromkeys(("LPIPS", "VGG"), "not wanted")
    networks = networks or MetricNetworks(None, Sums(), missing)
    return Evaluation(protocol, candidates, networks, Reports(out).folder)


def run(out: Path, photographs: Path, resume: bool = False, **options) -> Evaluation:
    found = evaluation(out, photographs, **options)
    found.run(resume)
    return found


def report(out: Path, photographs: Path, resume: bool = False, **options) -> Evaluation:
    """Run one and write its tables, with intervals of few draws."""
    found = run(out, photographs, resume, **options)
    few = {
        "summarise": partial(summarise, draws=20),
        "paired": partial(paired, draws=20),
    }
    with patch.multiple("gin.evaluation.report", **few):
        Reports(out).write(found)
    return found


def photos(where: Path, count: int = 4) -> Path:
    return folder_of(where / "photos", count)


def written(out: Path) -> dict[str, bytes]:
    """The bytes of tables, page, masks and pictures."""
    folder = out.with_suffix("")
    parts = [out, out.with_suffix(".csv"), out.with_suffix(".html")]
    for name in ("masks", "pictures"):
        parts += sorted((folder / name).rglob("*.png"))
    return {p.relative_to(out.parent).as_posix(): p.read_bytes() for p in parts}
