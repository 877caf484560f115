"""The weights that ship: what they are, and that they were trained."""

import numpy as np
import pytest
import torch
from PIL import Image

import gin
from gin import masks
from gin.data.sources import find_photographs
from gin.weights.checkpoints import metadata, shipped

MEGABYTE = 1e6


def test_small_enough_and_documented() -> None:
    path = shipped()
    assert path.stat().st_size <= 22 * MEGABYTE
    notes = metadata(path)
    assert int(notes["steps"]) > 1000
    assert float(notes["minutes"]) > 5
    assert int(notes["images"]) > 100_000
    assert {"seed", "recipe", "images", "data", "licence", "command"} <= set(notes)
    card = (path.parent / "README.md").read_text(encoding="utf-8")
    for key in ("steps", "seed", "licence", "command"):
        assert notes[key] in card.replace(",", "")


@pytest.mark.parametrize("kind", masks.KINDS)
def test_much_better_than_the_mean_colour(kind: str) -> None:
    """On photographs that were not trained on; noise or grey would be no better."""
    inpaint = gin.Inpainter.from_pretrained()
    ours, mean = [], []
    for i, path in enumerate(find_photographs("data/photos")[::5]):
        with Image.open(path) as photograph:
            image = photograph.convert("RGB").resize((256, 256))
        mask = masks.make(kind, 256, 256, np.random.default_rng(i))
        truth, hole = np.asarray(image, float), mask == 1
        done = np.asarray(inpaint(image, mask), float)
        ours.append(np.abs(done - truth)[hole].mean())
        mean.append(np.abs(truth[~hole].mean(0) - truth)[hole].mean())
    assert np.mean(ours) < 0.85 * np.mean(mean)


def test_every_tensor_was_trained() -> None:
    """No tensor is left as it began: nothing is all zero or all equal."""
    for name, tensor in gin.load(shipped()).state_dict().items():
        assert torch.isfinite(tensor).all(), name
        assert tensor.numel() == 1 or tensor.std() > 0, name
