"""The Inpainter: any size in, known pixels out bit for bit, nothing leaks."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from gin import masks
from gin.errors import InputError
from gin.generator import Completion, DeepGIN
from gin.initialisation import identity_initialisation
from gin.inpainting import Inpainter
from gin.utils.images import open_picture

PHOTOS = Path(__file__).parent.parent / "data" / "photos"
# (height, width): the smallest, odd ones, long ones whose phases are thin.
SIZES = [(16, 16), (300, 17), (64, 257), (40, 513), (16, 1100), (97, 131)]

# What is asked of `Inpainter`, by name.
WAYS: dict[str, dict[str, str]] = {
    "crops": {},
    "crops without seam": {"seam": "none"},
    "whole": {"region": "whole"},
    "whole with seam": {"region": "whole", "seam": "harmonic"},
    "paper": {"size": "paper"},
}


def tiny_net(seed: int = 0) -> DeepGIN:
    """A small network whose fill varies over the picture, within [0, 1]."""
    torch.manual_seed(seed)
    net = DeepGIN(base_channels=8, composite=True)
    identity_initialisation(net)
    return net


@pytest.fixture(scope="module")
def inpaint() -> Inpainter:
    return Inpainter(tiny_net(), device="cpu", precision="float32")


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    """uint8 (height, width, 3)."""
    return np.random.default_rng(seed).integers(
        256, size=(height, width, 3), dtype="u1"
    )


def hole(height: int, width: int, seed: int = 0) -> np.ndarray:
    return masks.make("cellular_automata", height, width, np.random.default_rng(seed))


class Net(nn.Module):
    """Stands in for DeepGIN: fills by a rule, and remembers what it was shown."""

    def __init__(self, fill: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.fill = fill
        self.shapes: list[tuple[int, ...]] = []

    def forward(self, image: Tensor, mask: Tensor) -> Completion:
        self.shapes.append(tuple(image.shape))
        completed = torch.where(mask > 0.5, self.fill(image, mask), image)
        return Completion(completed, None, None, completed)


def grey(image: Tensor, mask: Tensor) -> Tensor:
    return torch.full_like(image, 0.5)


def next_known(dim: int, step: int) -> Callable[[Tensor, Tensor], Tensor]:
    """Fill each missing pixel with the first known one in a direction."""

    def fill(image: Tensor, mask: Tensor) -> Tensor:
        filled, unknown = image.clone(), mask > 0.5
        for _ in range(image.shape[dim]):
            source, known = filled.roll(-step, dim), ~unknown.roll(-step, dim)
            take = unknown & known
            filled = torch.where(take, source, filled)
            unknown = unknown & ~take
        return filled

    return fill


# --- known pixels ------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("shape", SIZES)
def test_known_pixels_come_back_and_the_hole_is_filled(
    inpaint: Inpainter, shape: tuple[int, int], way: str
) -> None:
    kind = masks.KINDS[sum(shape) % 3]  # each has its turn
    mask = masks.make(kind, *shape, np.random.default_rng(0))
    values = noise(*shape)
    values[mask == 1] = (255, 0, 255)
    photo, before = Image.fromarray(values), mask.copy()
    result = np.asarray(inpaint(photo, mask, **WAYS[way]))
    assert (result[mask == 0] == values[mask == 0]).all()
    assert (result[mask == 1] != (255, 0, 255)).any(axis=1).all()
    assert (np.asarray(photo) == values).all()  # the arguments are left alone
    assert (mask == before).all()


@pytest.mark.parametrize("kind", masks.KINDS)
def test_a_photograph_from_a_file(inpaint: Inpainter, kind: str) -> None:
    photo = open_picture(PHOTOS / "skimage_coffee.jpg")
    mask = masks.make(kind, photo.height, photo.width, np.random.default_rng(1))
    result = inpaint(photo, Image.fromarray(mask * 255))
    assert (result.size, result.mode) == (photo.size, photo.mode)
    same = (np.asarray(result) == np.asarray(photo)).all(axis=2)
    assert same[mask == 0].all()
    assert same[mask == 1].mean() < 0.1


def test_two_calls_agree(inpaint: Inpainter) -> None:
    photo, mask = Image.fromarray(noise(300, 200)), hole(300, 200)
    assert inpaint(photo, mask).tobytes() == inpaint(photo, mask).tobytes()


@pytest.mark.parametrize("ensemble", [False, True])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("shape", [(64, 48), (270, 290), (200, 400)])
def test_hidden_pixels_have_no_influence(
    inpaint: Inpainter, shape: tuple[int, int], way: str, ensemble: bool
) -> None:
    mask = masks.rectangular(*shape, np.random.default_rng(2))
    values = noise(*shape)
    results = []
    for seed in (1, 2):
        values[mask == 1] = noise(*shape, seed)[mask == 1]
        photo = Image.fromarray(values)
        done = inpaint(photo, mask, ensemble=ensemble, **WAYS[way])
        results.append(np.asarray(done))
    assert (results[0] == results[1]).all()
    assert results[0][mask == 1].std() > 2  # a constant would prove nothing


def test_what_is_known_does_matter(inpaint: Inpainter) -> None:
    mask = hole(64, 48)
    one, two = (inpaint(Image.fromarray(noise(64, 48, s)), mask) for s in (1, 2))
    assert (np.asarray(one)[mask == 1] != np.asarray(two)[mask == 1]).mean() > 0.5


# --- geometry ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "seen"),
    [
        ((16, 16), (1, 3, 16, 16)),
        ((256, 256), (1, 3, 256, 256)),
        ((17, 256), (1, 3, 32, 256)),
        ((257, 64), (4, 3, 144, 32)),
        ((512, 512), (4, 3, 256, 256)),
        ((513, 40), (9, 3, 176, 16)),
    ],
)
def test_stride_is_the_longer_side_over_256(
    shape: tuple[int, int], seen: tuple[int, ...]
) -> None:
    net = Net(grey)
    mask = np.zeros(shape, np.uint8)
    mask[4:12, 4:12] = 1  # touches every phase
    Inpainter(net, "cpu")(Image.fromarray(noise(*shape)), mask, region="whole")
    assert net.shapes == [seen]


@pytest.mark.parametrize(
    ("shape", "seen"),
    [
        ((100, 300), (1, 3, 256, 256)),
        ((16, 390), (4, 3, 128, 256)),
        ((700, 300), (9, 3, 256, 96)),
    ],
)
def test_paper_size_rounds_the_sides_to_multiples_of_256(
    shape: tuple[int, int], seen: tuple[int, ...]
) -> None:
    net = Net(grey)
    Inpainter(net, "cpu")(Image.fromarray(noise(*shape)), hole(*shape), size="paper")
    assert net.shapes == [seen]


@pytest.mark.parametrize("dim", [2, 3])
@pytest.mark.parametrize("step", [-1, 1])
@pytest.mark.parametrize("shape", SIZES)
def test_every_pixel_returns_to_its_place(
    shape: tuple[int, int], step: int, dim: int
) -> None:
    """In a phase the next pixel is s away; beyond the edge lies the mirror image."""
    net = Net(next_known(dim, step))
    values, mask = noise(*shape), np.zeros(shape, np.uint8)
    rng = np.random.default_rng(0)
    mask[rng.random(shape) < 0.2] = 1
    stride = -(-max(shape) // 256)
    borders = [(0, -side % (16 * stride)) for side in shape]
    mirrored = np.pad(values, (*borders, (0, 0)), mode="reflect")
    unknown = np.pad(mask, borders, mode="reflect")
    photo = Image.fromarray(values)
    result = np.asarray(Inpainter(net, "cpu")(photo, mask, region="whole"))
    checked = 0
    for y, x in rng.permutation(np.argwhere(mask))[:200]:
        place = [y, x]
        while 0 <= place[dim - 2] < unknown.shape[dim - 2] and unknown[tuple(place)]:
            place[dim - 2] += step * stride
        if not 0 <= place[dim - 2] < unknown.shape[dim - 2]:
            continue  # the walk left the picture
        assert (result[y, x] == mirrored[tuple(place)]).all()
        checked += 1
    assert checked >= min(50, mask.sum() // 2)


@pytest.mark.parametrize("dim", [2, 3])
@pytest.mark.parametrize("shape", [(100, 200), (256, 512), (300, 120)])
def test_paper_size_keeps_things_where_they_are(
    shape: tuple[int, int], dim: int
) -> None:
    """Continued along its constant direction, a ramp is what it was."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    ramp = (100 + 150 * (y / shape[0] if dim == 3 else x / shape[1])).astype(np.uint8)
    mask = np.zeros(shape, np.uint8)
    mask[shape[0] // 4 : shape[0] // 2, shape[1] // 4 : shape[1] // 2] = 1
    photo = Image.fromarray(np.where(mask, 0, ramp).astype(np.uint8))
    net = Net(next_known(dim, -1))
    result = np.asarray(Inpainter(net, "cpu")(photo, mask, size="paper")).astype(int)
    assert np.abs(result - ramp).max() <= 8


def test_phases_with_nothing_missing_are_not_computed() -> None:
    net = Net(grey)
    mask = np.zeros((512, 512), np.uint8)
    mask[100, 101] = 1
    photo = Image.fromarray(noise(512, 512))
    result = Inpainter(net, "cpu")(photo, mask, region="whole")
    assert net.shapes == [(1, 3, 256, 256)]
    assert result.getpixel((101, 100)) == (128, 128, 128)


def test_chunks_give_what_one_batch_gives(inpaint: Inpainter) -> None:
    values = np.random.default_rng(0).integers(1 << 16, size=(300, 520), dtype="u2")
    photo, mask = Image.fromarray(values), hole(300, 520)
    whole = np.asarray(inpaint(photo, mask, region="whole")).astype(int)
    chunked = Inpainter(inpaint.net, "cpu", "float32")
    chunked.pixels_at_once = 2 * 112 * 176
    assert (
        np.abs(
            np.asarray(chunked(photo, mask, region="whole")).astype(int) - whole
        ).max()
        <= 1
    )
    net = Net(grey)
    recorder = Inpainter(net, "cpu")
    recorder.pixels_at_once = chunked.pixels_at_once
    recorder(photo, mask, region="whole")
    assert net.shapes == [(2, 3, 112, 176)] * 4 + [(1, 3, 112, 176)]
    recorder.pixels_at_once = 1  # a batch has one sub-image at least
    recorder(photo, mask, region="whole")
    assert net.shapes[5:] == [(1, 3, 112, 176)] * 9


@pytest.mark.parametrize("size", [None, "paper"])
@pytest.mark.parametrize("turned", [False, True])
def test_a_very_slim_photograph_is_hardly_padded(
    turned: bool, size: str | None
) -> None:
    """16 x 6,000 px became 384 x 6,144 px; 16 x 60,000 px took 6.9 GB."""
    shape = (6000, 16) if turned else (16, 6000)
    net = Net(grey)
    values, mask = noise(*shape), np.zeros(shape, np.uint8)
    mask[tuple(slice(4, -4) if side == 16 else slice(None) for side in shape)] = 1
    result = Inpainter(net, "cpu")(Image.fromarray(values), mask, size=size)
    given = sum(count * height * width for count, _, height, width in net.shapes)
    sides = [max(round(side / 256) * 256, 256) for side in shape] if size else shape
    assert given <= 2.2 * math.prod(sides)
    assert all(max(sides) <= 256 for _, _, *sides in net.shapes)
    assert (np.asarray(result)[mask == 0] == values[mask == 0]).all()


# --- the self-ensemble -------------------------------------------------------------


def turned(array: np.ndarray, turns: int, mirrored: bool) -> np.ndarray:
    return np.rot90(array[:, ::-1] if mirrored else array, turns).copy()


@pytest.mark.parametrize("shape", [(48, 64), (64, 64), (288, 320)])
def test_ensemble_is_the_mean_of_five_passes(
    inpaint: Inpainter, shape: tuple[int, int]
) -> None:
    values = np.random.default_rng(0).integers(1 << 16, size=shape, dtype="u2")
    mask = hole(*shape)
    passes = []
    for turns, mirrored in [(0, False), (1, False), (2, False), (3, False), (0, True)]:
        photo = Image.fromarray(turned(values, turns, mirrored))
        result = np.asarray(
            inpaint(photo, turned(mask, turns, mirrored), region="whole")
        )
        upright = np.rot90(result, -turns)
        passes.append((upright[:, ::-1] if mirrored else upright).astype(float))
    single, mean = passes[0], np.mean(passes, axis=0)
    photo = Image.fromarray(values)
    result = np.asarray(inpaint(photo, mask, ensemble=True, region="whole"))
    assert np.abs(result - mean).max() <= 1.5
    assert np.abs(single - mean).max() > 100


def test_ensemble_is_batched_by_shape() -> None:
    net = Net(grey)
    for shape in [(32, 32), (32, 48)]:
        Inpainter(net, "cpu")(
            Image.fromarray(noise(*shape)), hole(*shape), ensemble=True
        )
    assert net.shapes == [(5, 3, 32, 32), (3, 3, 32, 48), (2, 3, 48, 32)]


# --- precision, bad input ----------------------------------------------------------


def test_fill_is_held_to_the_range() -> None:
    def wild(image: Tensor, mask: Tensor) -> Tensor:
        return torch.tensor([-3.0, 0.5, 7.0]).view(1, 3, 1, 1).expand_as(image)

    mask = hole(32, 32)
    photo = Image.fromarray(noise(32, 32))
    result = np.asarray(Inpainter(Net(wild), "cpu")(photo, mask, seam="none"))
    assert (result[mask == 1] == (0, 128, 255)).all()


def test_bf16_is_close_to_float32_but_not_the_same(inpaint: Inpainter) -> None:
    photo, mask = Image.fromarray(noise(64, 48)), hole(64, 48)
    precise = np.asarray(inpaint(photo, mask)).astype(int)
    short = np.asarray(Inpainter(inpaint.net, "cpu", "bf16")(photo, mask)).astype(int)
    assert (short[mask == 0] == precise[mask == 0]).all()
    assert 0 < np.abs(short - precise).max() <= 12


def test_the_network_is_put_into_evaluation_mode() -> None:
    net = tiny_net().train()
    assert not Inpainter(net, "cpu").net.training


SQUARE = np.ones((20, 20), np.uint8)


@pytest.mark.parametrize(
    ("photo", "mask", "size", "sentence"),
    [
        ("photo.png", hole(32, 32), None, "photo: .*found the path photo.png"),
        (noise(15, 40), hole(16, 40), None, "40 x 15 px; expected at least 16 px"),
        (noise(32, 32), hole(32, 33), None, "mask: the mask is 33 x 32 px"),
        (noise(32, 32), hole(32, 32) * 3, None, "mask: values 3; expected 0 and 1"),
        (noise(32, 32), np.zeros((32, 32)), None, "mask: 0 % .* missing"),
        (noise(20, 20), SQUARE, None, "mask: 100 % .* missing"),
        (noise(32, 32), Image.new("L", (31, 32), 0), None, "the mask is 31 x 32 px"),
        (noise(32, 32), hole(32, 32), "512", "size is '512'; expected paper"),
    ],
)
def test_bad_input(
    inpaint: Inpainter, photo: object, mask: object, size: str | None, sentence: str
) -> None:
    picture = Image.fromarray(photo) if isinstance(photo, np.ndarray) else photo
    with pytest.raises(InputError, match=sentence):
        inpaint(picture, mask, size=size)


@pytest.mark.parametrize("net", ["weights.safetensors", None, Net])
def test_what_is_no_network_is_named(net: Any) -> None:
    with pytest.raises(InputError, match="from_pretrained reads weights"):
        Inpainter(net, "cpu")


def test_weights_that_give_no_number_are_named() -> None:
    def nothing(image: Tensor, mask: Tensor) -> Tensor:
        return torch.full_like(image, torch.nan)

    with pytest.raises(InputError, match="the result is not finite; expected trained"):
        Inpainter(Net(nothing), "cpu")(Image.fromarray(noise(32, 32)), hole(32, 32))
