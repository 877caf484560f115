"""Batches from folders: seeded, augmented, and independent of who makes them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

import gin
from gin.data import Crops, find_photographs, recolour


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for i, size in enumerate([(90, 70), (64, 64), (40, 100)]):
        pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        path = tmp_path / "deep" / f"{i}.png" if i else tmp_path / "0.PNG"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(path)
    (tmp_path / "notes.txt").write_text("not a photograph")
    return tmp_path


def test_photographs_are_found_at_any_depth(folder: Path) -> None:
    names = [p.relative_to(folder).as_posix() for p in find_photographs(folder)]
    assert names == ["0.PNG", "deep/1.png", "deep/2.png"]


def test_no_folder_and_no_photographs(tmp_path: Path) -> None:
    with pytest.raises(gin.InputError, match="none: no such folder"):
        find_photographs(tmp_path / "none")
    with pytest.raises(gin.InputError, match="no photographs in it; expected .jpg"):
        find_photographs(tmp_path)


def test_a_damaged_photograph_is_named(folder: Path) -> None:
    (folder / "broken.jpg").write_bytes(b"\xff\xd8 cut off")
    with pytest.raises(gin.InputError, match="broken.jpg"):
        Crops(folder, seed=0)


def test_shapes_and_ranges(folder: Path) -> None:
    image, mask = Crops(folder, seed=0)[0, 48, 2, False]
    assert image.shape == (6, 3, 48, 48)
    assert mask.shape == (6, 1, 48, 48)
    assert image.dtype == mask.dtype == torch.float32
    assert 0 <= image.min() < 0.2 < 0.8 < image.max() <= 1
    assert set(mask.unique().tolist()) == {0, 1}
    for i in (0, 3):  # three masks for each photograph
        assert torch.equal(image[i], image[i + 1])
        assert torch.equal(image[i], image[i + 2])
        assert not torch.equal(mask[i], mask[i + 1])


def test_crops_differ_in_place_scale_and_turn(folder: Path) -> None:
    crops = Crops(folder, seed=0)
    first = {crops[step, 32, 1, False][0][0].numpy().tobytes() for step in range(40)}
    assert len(first) == 40


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_the_same_batches_from_any_number_of_workers(
    folder: Path, workers: int
) -> None:
    keys = [(step, 32, 1, bool(step % 2)) for step in range(7)]
    crops = Crops(folder, seed=3)
    loaded = DataLoader(crops, batch_size=None, sampler=keys, num_workers=workers)
    for key, (image, mask) in zip(keys, loaded, strict=True):
        expected_image, expected_mask = crops[key]
        assert torch.equal(image, expected_image)
        assert torch.equal(mask, expected_mask)


def test_another_seed_gives_other_batches(folder: Path) -> None:
    one, other = (
        Crops(folder, seed=0)[0, 32, 1, False],
        Crops(folder, seed=1)[0, 32, 1, False],
    )
    assert not torch.equal(one[0], other[0])


def test_recolouring_orders_and_inverts_channels() -> None:
    images = torch.rand(400, 3, 4, 4)
    found = recolour(images, np.random.default_rng(0))
    ways = [torch.cat([image, 1 - image]) for image in images]  # (6, 4, 4)
    seen, kept = set(), 0
    for image, result, sources in zip(images, found, ways, strict=True):
        same = (sources[None] == result[:, None]).flatten(2).all(2)  # (3, 6)
        assert (same.sum(1) == 1).all()
        places = same.int().argmax(1)
        assert sorted((places % 3).tolist()) == [0, 1, 2]  # each channel once
        seen.add(tuple(places.tolist()))
        kept += torch.equal(image, result)
    assert len(seen) == 48  # every order with every choice of inversions
    assert 400 * 0.2 < kept < 400 * 0.33
