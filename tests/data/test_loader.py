"""Batches: seeded, and independent of who makes them and where a training goes on."""

import hashlib
import itertools
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
from data_trees import folder_of, photograph
from PIL import Image

import gin
from gin.data.loader import Batch, Key, PhotographBatches, batches, keys, on_device
from gin.data.sources import Source, open_source
from gin.data.transforms import Draw, recolour, sample
from gin.masks import KINDS
from gin.recipes import DataRecipe
from gin.subsampling import random_phase, three_mask_batch

RECIPE = DataRecipe(
    image_size=16, batch_size=3, augment=True, free_form_variant="alternate"
)


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return open_source(folder_of(tmp_path, 7))


def digests(made: Iterable[Batch], count: int) -> list[str]:
    return [
        hashlib.sha256(
            b.images.numpy().tobytes() + b.masks.numpy().tobytes()
        ).hexdigest()
        for b in itertools.islice(made, count)
    ]


class Numbered(Source):
    """Grey pictures whose level is their number."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def name(self, index: int) -> str:
        return str(index)

    def read(self, index: int) -> Image.Image:
        return Image.new("RGB", (32, 32), (index, index, index))


def drawn(made: Iterable[Batch], count: int) -> list[int]:
    """The numbers of the photographs in the first `count` batches."""
    levels = (b.images[:, 0, 0, 0].tolist() for b in itertools.islice(made, count))
    return list(itertools.chain.from_iterable(levels))


@pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker")
@pytest.mark.parametrize("view", ["phase", "crop"])
@pytest.mark.parametrize("workers", [1, 4])
def test_the_same_batches_from_any_number_of_workers(
    source: Source, workers: int, view: str
) -> None:
    recipe = DataRecipe(view=view, image_size=16, batch_size=2, augment=True)
    expected = digests(batches(source, recipe, seed=3), 9)
    assert digests(batches(source, recipe, seed=3, workers=workers), 9) == expected
    assert len(set(expected)) == 9


@pytest.mark.parametrize(("steps", "workers"), [(1, 0), (3, 0), (3, 2), (5, 0)])
def test_the_same_batches_after_a_resume_in_mid_epoch(
    source: Source, steps: int, workers: int
) -> None:
    expected = digests(batches(source, RECIPE, seed=3), 8)
    # 3, 9 and 15 photographs of epochs of 7
    made = batches(source, RECIPE, 3, first=3 * steps, workers=workers)
    assert digests(made, 8 - steps) == expected[steps:]


@pytest.mark.parametrize("world", [2, 3])
def test_the_ranks_batches_joined_are_those_of_one_process(
    source: Source, world: int
) -> None:
    joined = DataRecipe(image_size=16, batch_size=world * 2)
    single = DataRecipe(image_size=16, batch_size=2)
    one = batches(source, joined, seed=5, first=4)
    ranks = [
        batches(source, single, 5, first=4, rank=rank, world=world)
        for rank in range(world)
    ]
    for whole, *parts in itertools.islice(zip(one, *ranks, strict=True), 6):
        for name in ("images", "masks"):
            together = torch.cat([getattr(part, name) for part in parts])
            assert torch.equal(getattr(whole, name), together)


def test_each_photograph_comes_once_an_epoch_in_a_new_order() -> None:
    recipe = DataRecipe(image_size=16, batch_size=4)
    numbers = drawn(batches(Numbered(10), recipe, seed=0), 5)  # two epochs
    first, second = numbers[:10], numbers[10:]
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second
    assert first != list(range(10))


def test_fewer_photographs_than_a_batch_has() -> None:
    numbers = drawn(batches(Numbered(2), DataRecipe(image_size=16, batch_size=6), 0), 1)
    assert sorted(numbers) == [0, 0, 0, 1, 1, 1]


def test_a_photograph_differs_from_epoch_to_epoch_and_by_the_seed() -> None:
    picture = photograph(0, 64, 64)
    recipe = DataRecipe(image_size=32)
    made = [
        sample(picture, recipe, 32, Draw(seed, epoch, number))[1].tobytes()
        for seed, epoch, number in itertools.product(range(2), range(3), range(3))
    ]
    assert len(set(made)) == len(made)


def test_a_sample_is_the_phase_and_the_masks_of_the_paper() -> None:
    picture = photograph(1, 64, 64)
    view, drawn_masks = sample(picture, DataRecipe(image_size=32), 32, Draw(4, 5, 6))
    rng = np.random.default_rng([4, 5, 6])
    whole = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None]
    images, expected = three_mask_batch(random_phase(whole, 2, rng), rng)
    assert np.array_equal(view, images[0].numpy())
    assert np.array_equal(drawn_masks, expected[:, 0].numpy())


def test_a_phase_of_the_resized_photograph_whatever_its_shape() -> None:
    picture = photograph(2, 100, 37)
    resized = np.asarray(picture.resize((64, 64), Image.Resampling.BICUBIC))
    phases = {
        resized[dy::2, dx::2].transpose(2, 0, 1).tobytes()
        for dy, dx in itertools.product(range(2), repeat=2)
    }
    recipe = DataRecipe(image_size=32)
    views = {
        sample(picture, recipe, 32, Draw(0, epoch, 0))[0].tobytes()
        for epoch in range(40)
    }
    assert views == phases


def test_turns_are_the_eight_of_the_square() -> None:
    picture = photograph(3, 32, 32)
    recipe = DataRecipe(view="crop", image_size=32, augment=True)
    views = {
        sample(picture, recipe, 32, Draw(0, epoch, 0))[0].tobytes()
        for epoch in range(80)
    }
    pixels = np.asarray(picture)
    turned = [np.rot90(pixels, k) for k in range(4)]
    expected = [*turned, *(t[:, ::-1] for t in turned)]
    assert views == {t.transpose(2, 0, 1).tobytes() for t in expected}


def test_crops_differ_in_place_and_scale() -> None:
    picture, recipe = photograph(4, 90, 70), DataRecipe(view="crop", image_size=32)
    views = {
        sample(picture, recipe, 32, Draw(0, epoch, 0))[0].tobytes()
        for epoch in range(40)
    }
    assert len(views) == 40


def test_variants_of_the_free_form_masks() -> None:
    picture = Image.new("RGB", (512, 512))

    def free_form(variant: str, epoch: int) -> np.ndarray:
        recipe = DataRecipe(free_form_variant=variant)
        return sample(picture, recipe, 256, Draw(0, epoch, 1))[1][1]

    for epoch, same in ((0, "released"), (1, "paper")):
        alternate = free_form("alternate", epoch)
        assert np.array_equal(alternate, free_form(same, epoch))
    assert not np.array_equal(free_form("paper", 0), free_form("released", 0))


def test_a_batch_in_bytes_and_on_the_device(source: Source) -> None:
    batch = next(batches(source, RECIPE, seed=0))
    assert batch.images.shape == (3, 3, 16, 16)
    assert batch.masks.shape == (9, 1, 16, 16)
    assert batch.images.dtype == batch.masks.dtype == torch.uint8
    images, masks = on_device(batch, "cpu")
    assert images.dtype == masks.dtype == torch.float32
    assert images.shape == (9, 3, 16, 16)
    assert set(masks.unique().tolist()) == {0, 1}
    for copy in range(len(KINDS)):
        assert torch.equal(images[copy::3], batch.images.float() / 255)


def test_own_keys_choose_side_and_number(source: Source) -> None:
    chosen = [Key(0, 1, 16), Key(1, 2, 32)]
    made = list(batches(source, RECIPE, 0, chosen=chosen, workers=1))
    assert [b.images.shape for b in made] == [(1, 3, 16, 16), (2, 3, 32, 32)]
    expected = PhotographBatches(source, RECIPE, 0)[chosen[1]]
    assert torch.equal(made[1].images, expected.images)


def test_keys_of_a_rank() -> None:
    made = itertools.islice(keys(RECIPE, first=12, rank=1, world=2), 3)
    assert list(made) == [Key(15, 3, 16), Key(21, 3, 16), Key(27, 3, 16)]


def test_loading_leaves_torchs_random_state_alone(source: Source) -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    next(batches(source, RECIPE, seed=0, workers=1))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_photograph_that_breaks_later_is_named(
    source: Source, tmp_path: Path, workers: int
) -> None:
    path = tmp_path / "003.png"
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(gin.InputError) as caught:
        digests(batches(source, RECIPE, seed=0, workers=workers), 4)
    assert str(caught.value).startswith(f"{path}: cannot be read as a picture (")
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(")")


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (DataRecipe(view="whole"), "data.view is 'whole'; expected phase or crop"),
        (
            DataRecipe(free_form_variant="both"),
            "variant is 'both'; expected paper or released or alternate",
        ),
        (DataRecipe(image_size=8), "data.image_size is 8; expected 16 px or more"),
        (DataRecipe(batch_size=0), "data.batch_size is 0; expected a number from 1"),
    ],
)
def test_recipes_that_cannot_be_used(
    source: Source, recipe: DataRecipe, message: str
) -> None:
    with pytest.raises(gin.InputError, match=message):
        next(batches(source, recipe, seed=0))


def test_recolouring_orders_and_inverts_channels() -> None:
    pixels = np.random.default_rng(0).integers(256, size=(5, 5, 3), dtype=np.uint8)
    ways = np.concatenate([pixels, 255 - pixels], axis=2).transpose(2, 0, 1)
    rng, seen = np.random.default_rng(1), set()
    for _ in range(500):
        result = recolour(pixels, rng).transpose(2, 0, 1)
        same = (ways[None] == result[:, None]).all((2, 3))  # (3, 6)
        assert (same.sum(1) == 1).all()
        places = same.argmax(1)
        assert sorted(places % 3) == [0, 1, 2]  # each channel once
        seen.add(tuple(places))
    assert len(seen) == 48  # every order with every choice of inversions


def test_a_key_says_how_many_are_recoloured(source: Source) -> None:
    made = PhotographBatches(source, DataRecipe(image_size=16), seed=0)

    def images(share: float) -> torch.Tensor:
        return made[Key(0, 30, 16, share)].images

    plain, always, half = images(0.0), images(1.0), images(0.5)
    changed = [
        (one != other).flatten(1).any(1)
        for one, other in ((plain, always), (plain, half))
    ]
    assert changed[0].float().mean() > 0.9
    assert 0.2 < changed[1].float().mean() < 0.8
    assert torch.equal(half[~changed[1]], plain[~changed[1]])
