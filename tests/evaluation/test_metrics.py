"""Each metric against a computation of its own, and what cannot be measured."""

import copy
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from metric_reference import pairs, reference
from random_backbones import with_biases
from safetensors.torch import save_file
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure
from torchvision import models

from gin.errors import InputError
from gin.evaluation.metrics import (
    METRICS,
    VggDistance,
    composite,
    measure,
    ssim,
    vgg_distance,
)
from gin.vgg import Lpips, lpips_metric
from gin.weights.imagenet import Backbone

package = pytest.importorskip("lpips")


@pytest.fixture(scope="session")
def alexnet() -> Backbone:
    return with_biases("alexnet")


@pytest.fixture(scope="session")
def metric(alexnet: Backbone) -> Lpips:
    return Lpips(alexnet)


@pytest.fixture
def exact(metric: Lpips, in_float64: None) -> Lpips:
    """LPIPS in float64."""
    return copy.deepcopy(metric).double()


def pictures(height: int = 40, width: int = 56) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    shape = (2, 2, 3, height, width)
    image, noise = torch.rand(shape, generator=generator)
    return image, (image + 0.3 * (noise - 0.5)).clamp(0, 1)


def formula(image: Tensor, target: Tensor, state: dict[str, Tensor]) -> Tensor:
    """Zhang et al. (2018), Eq. 1, in float64: five ReLUs of AlexNet, unit vectors."""
    file = Path(package.__file__).parent / "weights" / "v0.1" / "alex.pth"
    heads = torch.load(file, "cpu", weights_only=True)
    # ImageNet's mean and deviation on [0, 1]; the package rounds them on [-1, 1].
    shift, scale = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
    x = torch.cat([image, target]).double()
    x = torch.stack([(2 * x[:, c] - 1 - shift[c]) / scale[c] for c in range(3)], 1)
    total = torch.zeros(len(image), dtype=torch.float64)
    for i, place in enumerate((0, 3, 6, 8, 10)):
        if place in (3, 6):
            x = F.max_pool2d(x, 3, 2)
        weight, bias = (
            state[f"features.{place}.{name}"].double() for name in ("weight", "bias")
        )
        padding = weight.shape[-1] // 2 if place else 2
        x = F.conv2d(x, weight, bias, stride=1 if place else 4, padding=padding)
        x = x.clamp(min=0)
        unit = x / (x.square().sum(dim=1, keepdim=True).sqrt() + 1e-10)
        difference = (unit[: len(image)] - unit[len(image) :]).square()
        head = heads[f"lin{i}.model.1.weight"].double()
        total += (difference * head).sum(dim=1).mean(dim=(1, 2))
    return total


def test_lpips_is_its_formula(exact: Lpips, alexnet: Backbone) -> None:
    image, target = pictures()
    found = exact(image, target)
    assert found.shape == (2,)
    expected = formula(image, target, alexnet.state)
    assert (expected > 1e-3).all()
    # The package keeps the colours' shift and scale in float32.
    assert torch.allclose(found, expected, rtol=1e-5, atol=0)


def test_lpips_of_equal_images_is_nought_and_grows_with_the_change(
    exact: Lpips,
) -> None:
    image, target = pictures()
    assert torch.equal(exact(image, image), torch.zeros(2))
    steps = [exact(image, torch.lerp(image, target, t)) for t in (0.1, 0.4, 1.0)]
    assert (steps[0] < steps[1]).all()
    assert (steps[1] < steps[2]).all()
    assert torch.allclose(exact(target, image), steps[2])


def test_each_pair_is_measured_alone(exact: Lpips) -> None:
    image, target = pictures()
    alone = [exact(image[i : i + 1], target[i : i + 1]) for i in range(2)]
    assert torch.allclose(exact(image, target), torch.cat(alone))


def test_autocast_changes_nothing(metric: Lpips) -> None:
    image, target = pictures()
    with torch.autocast("cpu", torch.bfloat16):
        found = metric(image, target)
    assert torch.equal(found, metric(image, target))


def test_it_is_frozen(metric: Lpips) -> None:
    image, target = pictures()
    image.requires_grad_()
    metric(image, target).sum().backward()
    assert image.grad is not None
    assert image.grad.abs().max() > 0
    assert not any(parameter.requires_grad for parameter in metric.parameters())
    assert not any(module.training for module in metric.modules())


def test_alexnet_comes_from_the_named_file_and_nothing_else_happens(
    metric: Lpips,
    alexnet: Backbone,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def download(*_: object, **__: object) -> None:
        raise AssertionError("a download")

    monkeypatch.setattr("torch.hub.download_url_to_file", download)
    monkeypatch.setattr("gin.weights.downloads.urlopen", download)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    save_file(alexnet.state, tmp_path / "mine.safetensors")
    before = torch.get_rng_state()
    mine = lpips_metric(tmp_path / "mine.safetensors")
    assert torch.equal(torch.get_rng_state(), before)
    assert capsys.readouterr() == ("", "")
    assert (mine.name, mine.source) == ("AlexNet", "mine.safetensors")
    assert torch.equal(mine(*pictures()), metric(*pictures()))


def test_images_that_cannot_be_compared(metric: Lpips) -> None:
    image, target = pictures(31, 31)
    assert metric(image, target).shape == (2,)
    with pytest.raises(InputError, match="31, 31. and .*expected equal shapes"):
        metric(image, target[:1])
    with pytest.raises(InputError, match="expected equal shapes with sides of 31"):
        metric(image[..., 1:, :], target[..., 1:, :])


def test_another_backbone_is_refused() -> None:
    backbone = Backbone("vgg16", {}, "VGG16", "nowhere")
    with pytest.raises(InputError, match="backbone is VGG16; expected AlexNet"):
        Lpips(backbone)


def test_without_the_package_the_error_says_what_to_install(
    alexnet: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lpips", None)
    install = r"needs pip install '\.\[train\]'"
    with pytest.raises(InputError, match=install):
        Lpips(alexnet)


def test_alexnet_is_torchvision_s(exact: Lpips, alexnet: Backbone) -> None:
    """The five maps that LPIPS compares, from RGB in [0, 1] on."""
    net = models.alexnet()
    net.load_state_dict(alexnet.state, strict=False)
    image, _ = pictures(64, 80)
    mean, std = (
        torch.tensor(values).reshape(3, 1, 1)
        for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    x, expected = (image - mean) / std, []
    with torch.no_grad():
        for layer in net.features:
            x = layer(x)
            if isinstance(layer, torch.nn.ReLU):
                expected.append(x)
        x = exact.distance.scaling_layer(2 * image - 1)
        found = exact.distance.net(x)
    shapes = [(64, 15, 19), (192, 7, 9), (384, 3, 4), (256, 3, 4), (256, 3, 4)]
    assert [tuple(x.shape[1:]) for x in found] == shapes
    for one, other in zip(found, expected, strict=True):
        # The package keeps the colours' shift and scale in float32.
        assert torch.allclose(one, other, rtol=0, atol=1e-6 * other.max().item())


def test_lpips_knows_red_from_blue(metric: Lpips) -> None:
    image, target = pictures()
    found = metric(image.flip(1), target.flip(1)) / metric(image, target)
    assert ((found - 1).abs() > 0.01).all()


@pytest.fixture(scope="session")
def vgg16() -> Backbone:
    return with_biases("vgg16")


@pytest.fixture(scope="session")
def vgg(vgg16: Backbone) -> VggDistance:
    return VggDistance(vgg16)


def test_the_vgg_distance_is_its_formula(
    vgg: VggDistance, vgg16: Backbone, in_float64: None
) -> None:
    """torchvision's VGG16; cosines in place of differences."""
    net = models.vgg16().double()
    state = {name: tensor.double() for name, tensor in vgg16.state.items()}
    net.load_state_dict(state, strict=False)
    image, target = pictures()
    mean, std = (
        torch.tensor(values).reshape(3, 1, 1)
        for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    x, distances = (torch.cat([image, target]) - mean) / std, []
    with torch.no_grad():
        for index, layer in enumerate(net.features[:25]):
            if isinstance(layer, torch.nn.ReLU):
                layer = torch.nn.ReLU()  # theirs overwrites what is compared
            x = layer(x)
            if index in (0, 5, 10, 17, 24):
                a, b = x.chunk(2)
                distances.append(2 - 2 * F.cosine_similarity(a, b).mean(dim=(1, 2)))
    assert len(distances) == 5
    expected = torch.stack(distances).mean(dim=0)
    found = copy.deepcopy(vgg).double()(image, target)
    assert (expected > 1e-3).all()
    assert torch.allclose(found, expected, rtol=1e-6, atol=0)


def test_the_vgg_distance_of_equal_images_is_nought(vgg: VggDistance) -> None:
    image, target = pictures()
    assert torch.equal(vgg(image, image), torch.zeros(2))
    near, far = (vgg(image, torch.lerp(image, target, t)) for t in (0.2, 1.0))
    assert (near > 0).all()
    assert (near < far).all()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(vgg(image, target), far)
    assert torch.allclose(vgg(image[1:], target[1:]), far[1:], rtol=1e-4)


@pytest.mark.parametrize(
    ("size", "seen"),
    [((512, 40), (512, 40)), ((1024, 100), (512, 50)), ((50, 1600), (16, 512))],
)
def test_large_pictures_are_reduced_for_the_vgg_distance(
    size: tuple[int, int],
    seen: tuple[int, int],
    vgg: VggDistance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shapes = []

    def maps(image: Tensor) -> list[Tensor]:
        shapes.append(tuple(image.shape[2:]))
        return [image]

    monkeypatch.setattr(vgg.features, "forward", maps)
    vgg(torch.rand(1, 3, *size), torch.rand(1, 3, *size))
    assert shapes == [seen, seen]


def test_the_vgg_distance_has_its_own_file(tmp_path: Path, vgg16: Backbone) -> None:
    save_file(vgg16.state, tmp_path / "mine.safetensors")
    mine = vgg_distance(tmp_path / "mine.safetensors")
    assert (mine.name, mine.source) == ("VGG16", "mine.safetensors")
    assert not any(parameter.requires_grad for parameter in mine.parameters())
    with pytest.raises(InputError, match="backbone is AlexNet.*; expected VGG16"):
        VggDistance(with_biases("alexnet"))
    with pytest.raises(InputError, match="expected equal shapes"):
        mine(torch.rand(1, 3, 40, 40), torch.rand(1, 3, 40, 41))


def batch(*arrays: np.ndarray) -> list[Tensor]:
    """Pictures (H, W, 3) -> (1, 3, H, W), masks (H, W) -> (1, 1, H, W)."""
    return [
        torch.from_numpy(np.atleast_3d(array)).permute(2, 0, 1)[None]
        for array in arrays
    ]


def test_psnr_ssim_and_l1_of_200_pairs() -> None:
    furthest = dict.fromkeys(list(METRICS)[:6], 0.0)
    for pair in pairs(200):
        found, expected = measure(*batch(*pair)), reference(*pair)
        assert list(found) == list(furthest)
        for name, value in expected.items():
            difference = abs(found[name].item() - value)
            furthest[name] = max(furthest[name], difference)
    print(furthest)
    # torchmetrics' PSNR takes the logarithm of 10 in float32.
    assert furthest.pop("PSNR") < 1e-5
    assert max(furthest.values()) < 1e-10


def test_ssim_is_torchmetrics_s_in_float64() -> None:
    """Theirs is a mean up to the border, ours where the window lies in the image."""
    a, b = (x.double() / 255 for x in batch(*next(pairs(1, seed=3))[:2]))
    _, similarity = structural_similarity_index_measure(
        a, b, data_range=1.0, return_full_image=True
    )
    inside = similarity[..., 5:-5, 5:-5].mean(dim=(1, 2, 3))
    assert torch.allclose(ssim(a, b), inside, rtol=0, atol=1e-9)
    assert (inside < 0.999).all()


def grey(level: int, size: int = 16) -> Tensor:
    return torch.full((1, 3, size, size), level, dtype=torch.uint8)


def quarter(size: int = 16) -> Tensor:
    mask = torch.zeros(1, 1, size, size)
    mask[..., : size // 2, : size // 2] = 1
    return mask


def test_known_numbers() -> None:
    """10 of 255 levels too bright in a quarter of a picture of level 100."""
    found = measure(grey(110), grey(100), quarter())
    expected = {
        "PSNR": 20 * math.log10(255 / 10) + 10 * math.log10(4),
        "L1 image": 100 * 10 / 255 / 4,
        "L1 hole": 100 * 10 / 255,
        "L1 relative": 100 * 10 / (4 * 100),
        "L1 edge-connect": 10 / (4 * 200 + 10),
    }
    for name, value in expected.items():
        assert found[name].item() == pytest.approx(value, rel=1e-6), name


def test_every_metric_each_pair_alone_in_order(exact: Lpips, vgg: VggDistance) -> None:
    image, target = pictures()
    mask, vgg = (image[:, :1] > 0.5).float(), copy.deepcopy(vgg).double()
    found = measure(image, target, mask, exact, vgg)
    assert list(found) == list(METRICS)
    for name, value in found.items():
        assert value.shape == (2,), name
        assert value.dtype == torch.float64, name
    for i in range(2):
        part = slice(i, i + 1)
        alone = measure(image[part], target[part], mask[part], exact, vgg)
        for name, value in alone.items():
            assert torch.allclose(value, found[name][part], rtol=1e-4), name
    pasted = composite(image, target, mask).float() / 255
    rounded = (target * 255).round() / 255
    assert torch.allclose(found["LPIPS"], exact(pasted, rounded))


def test_identical_pairs(metric: Lpips) -> None:
    image, _ = pictures()
    # A third of a level is lost in a file of 8 bits.
    image = (image * 255).round() / 255
    found = measure(image + 1 / 765, image, torch.ones(2, 1, 40, 56), metric)
    assert (found.pop("PSNR") == math.inf).all()
    assert (found.pop("SSIM") == 1).all()
    assert all((value == 0).all() for value in found.values())


def test_an_empty_hole_has_no_error_inside() -> None:
    mask = torch.cat([torch.zeros(1, 1, 16, 16), quarter()])
    found = measure(grey(9).repeat(2, 1, 1, 1), grey(7).repeat(2, 1, 1, 1), mask)
    assert found["L1 hole"].isnan().tolist() == [True, False]
    assert found["L1 image"][0] == 0
    assert found["PSNR"].isinf().tolist() == [True, False]


def test_a_black_photograph_has_nothing_to_be_relative_to() -> None:
    black = measure(grey(0), grey(0), quarter())
    assert black["L1 relative"].isnan().all()
    assert black["L1 edge-connect"].isnan().all()
    other = measure(grey(5), grey(0), quarter())
    assert other["L1 relative"].isinf().all()
    assert other["L1 edge-connect"] == 1


def test_what_is_outside_the_hole_is_not_looked_at() -> None:
    image, completed = pictures()
    mask = (image[:, :1] > 0.5).to(torch.uint8)
    expected = composite(completed, image, mask)
    for value in (math.nan, math.inf, -7.0):
        scrambled = torch.where(mask == 1, completed, value)
        assert torch.equal(composite(scrambled, image, mask), expected)
    known = (mask == 0).expand_as(image)
    assert torch.equal(expected[known], (image * 255).round().byte()[known])


def test_the_composite_is_clamped_and_rounded() -> None:
    levels = torch.tensor([-0.9, 0.499, 0.501, 99.499, 99.501, 254.9, 255.1, 500])
    completed = (levels / 255).repeat(1, 3, 16, 2)
    found = composite(completed, grey(7), torch.ones(1, 1, 16, 16))
    assert found[0, 0, 0, :8].tolist() == [0, 0, 1, 99, 100, 255, 255, 255]
    assert torch.equal(found, found[:, :1, :1].expand_as(found))
    as_bytes = composite(found, grey(7).double() / 255, quarter().bool())
    assert torch.equal(as_bytes, torch.where(quarter() == 1, found, 7))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"completed": grey(1, 17)}, "completed is .*17, 17.; expected .1, 3, 16, 16"),
        ({"mask": torch.ones(1, 3, 16, 16)}, "mask is .*; expected .1, 1, 16, 16"),
        ({"mask": torch.ones(2, 1, 16, 16)}, "mask is .2, 1, .*; expected .1, 1, "),
        ({"image": grey(1)[0]}, "image is .3, 16, 16.; expected .B, 3, H, W"),
        ({"image": torch.rand(16, 16)}, "image is .16, 16.; expected .B, 3, H, W"),
        ({"image": grey(1, 10)}, "image is .*10, 10.; expected .*11 pixels or more"),
        ({"image": grey(255).float()}, "image holds 255 to 255; expected 0 to 1"),
        ({"image": grey(1) / -255}, "image holds -0.00.* expected 0 to 1"),
        ({"image": grey(0) / torch.zeros(1)}, "image holds nan to nan; expected"),
        ({"image": grey(1).int()}, "image is torch.int32; expected uint8 or floats"),
        ({"completed": grey(255).float()}, "completed holds 0 to 255; expected 0 to 1"),
        ({"completed": grey(0) / torch.zeros(1)}, "completed holds nan to nan"),
        ({"mask": 255 * torch.ones(1, 1, 16, 16)}, "mask holds .255.0.; expected 0"),
        ({"mask": torch.full((1, 1, 16, 16), 0.5)}, "mask holds .0.5.; expected 0"),
    ],
)
def test_what_cannot_be_measured(changes: dict[str, Tensor], message: str) -> None:
    arguments = {"completed": grey(1), "image": grey(2), "mask": quarter()} | changes
    with pytest.raises(InputError, match=message):
        measure(**arguments)


def test_lpips_is_without_tf32(metric: Lpips, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, switch = [], torch.backends.cudnn
    distance = metric.distance.forward

    def watched(*args: Tensor, **kwargs: bool) -> Tensor:
        seen.append(switch.allow_tf32)
        return distance(*args, **kwargs)

    monkeypatch.setattr(metric.distance, "forward", watched)
    before = switch.allow_tf32
    metric(*pictures())
    assert before
    assert seen == [False]
    assert switch.allow_tf32
