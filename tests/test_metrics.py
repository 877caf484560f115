"""LPIPS against its formula, written out, and with weights of our own choice."""

import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from random_backbones import with_biases
from safetensors.torch import save_file
from torch import Tensor

from gin.backbone_weights import Backbone
from gin.errors import InputError
from gin.metrics import Lpips, lpips_metric

package = pytest.importorskip("lpips")


@pytest.fixture(scope="session")
def alexnet() -> Backbone:
    return with_biases("alexnet")


@pytest.fixture(scope="session")
def metric(alexnet: Backbone) -> Lpips:
    return Lpips(alexnet)


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


def test_lpips_is_its_formula(metric: Lpips, alexnet: Backbone) -> None:
    image, target = pictures()
    found = metric(image, target)
    assert found.shape == (2,)
    expected = formula(image, target, alexnet.state)
    assert (expected > 1e-3).all()
    assert torch.allclose(found.double(), expected, rtol=1e-4, atol=1e-7)


def test_lpips_of_equal_images_is_nought_and_grows_with_the_change(
    metric: Lpips,
) -> None:
    image, target = pictures()
    assert torch.equal(metric(image, image), torch.zeros(2))
    steps = [metric(image, torch.lerp(image, target, t)) for t in (0.1, 0.4, 1.0)]
    assert (steps[0] < steps[1]).all()
    assert (steps[1] < steps[2]).all()
    assert torch.allclose(metric(target, image), steps[2])


def test_each_pair_is_measured_alone(metric: Lpips) -> None:
    image, target = pictures()
    alone = [metric(image[i : i + 1], target[i : i + 1]) for i in range(2)]
    assert torch.allclose(metric(image, target), torch.cat(alone))


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
    monkeypatch.setattr("gin.downloads.urlopen", download)
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
    install = r'expected pip install "deepgin-book\[train\]"'
    with pytest.raises(InputError, match=install):
        Lpips(alexnet)
