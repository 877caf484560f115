"""Classes of completed pictures: the networks, their files and the two metrics."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from segmenters import by_brightness
from torch import Tensor, nn
from torchvision.models import get_model

from gin.errors import InputError, Unavailable
from gin.evaluation.segmentation import (
    ARCHITECTURES,
    SEGMENTATION_METRICS,
    Segmenter,
    colours,
    compare,
    segmenter,
)


def random_net(name: str, **options: object) -> nn.Module:
    """A network with random weights, normalised as a trained one would be."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return get_model(
            ARCHITECTURES[name], weights=None, weights_backbone=None, **options
        ).eval()


@pytest.fixture(scope="module")
def lraspp() -> nn.Module:
    return random_net("lraspp")


def test_the_file_s_weights_are_the_network_s(
    lraspp: nn.Module, tmp_path: Path
) -> None:
    torch.save(lraspp.state_dict(), tmp_path / "w.pth")
    before = torch.get_rng_state()
    found = segmenter("lraspp", tmp_path / "w.pth")
    assert torch.equal(torch.get_rng_state(), before)
    assert (found.name, found.source) == ("lraspp", "w.pth")
    assert (found.classes[0], len(found.classes)) == ("__background__", 21)
    assert not any(p.requires_grad for p in found.parameters())
    assert not any(module.training for module in found.modules())
    for own, theirs in zip(found.net.parameters(), lraspp.parameters(), strict=True):
        assert torch.equal(own, theirs)
    image = torch.rand(2, 3, 40, 56, generator=torch.Generator().manual_seed(0))
    classes = found(image)
    assert (classes.shape, classes.dtype) == ((2, 40, 56), torch.int64)
    assert torch.equal(found((image * 255).round().byte()), classes)


def test_deeplab_s_second_head_is_left_out(tmp_path: Path) -> None:
    """torchvision's file has the head; so has one of 16-bit floats."""
    state = random_net("deeplabv3", aux_loss=True).half().state_dict()
    assert any(name.startswith("aux_classifier.") for name in state)
    save_file(state, tmp_path / "w.safetensors")
    found = segmenter("deeplabv3", tmp_path / "w.safetensors")
    weight = found.net.classifier[4].weight
    assert torch.equal(weight, state["classifier.4.weight"].float())


def test_a_file_of_another_network_is_refused(
    lraspp: nn.Module, tmp_path: Path
) -> None:
    torch.save(lraspp.state_dict(), tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"w\.pth: not the weights .* missing"):
        segmenter("deeplabv3", tmp_path / "w.pth")
    torch.save(random_net("lraspp", num_classes=5).state_dict(), tmp_path / "five.pth")
    with pytest.raises(InputError, match=r"five\.pth: .*size mismatch"):
        segmenter("lraspp", tmp_path / "five.pth")
    with pytest.raises(InputError, match=r"no\.pth: no such file"):
        segmenter("lraspp", tmp_path / "no.pth")
    with pytest.raises(InputError, match="network is 'star'; expected lraspp"):
        segmenter("star")


def test_weights_come_from_torchvision(
    lraspp: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for the download, which has another hash than theirs."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def stand_in(url: str, path: Path, sha256: str) -> None:
        assert url == "https://download.pytorch.org/models/" + path.name
        assert path.name == f"lraspp_mobilenet_v3_large-{sha256}.pth"
        path.parent.mkdir(parents=True)
        torch.save(lraspp.state_dict(), path)

    monkeypatch.setattr("gin.weights.downloads.from_url", stand_in)
    with pytest.raises(InputError, match="refused, its SHA-256 is"):
        segmenter()

    def offline(*_: object) -> None:
        raise Unavailable("far away")

    monkeypatch.setattr("gin.weights.downloads.from_url", offline)
    with pytest.raises(Unavailable, match="far away"):
        segmenter("deeplabv3")


def test_pictures_are_normalised_at_520_px() -> None:
    shapes, levels = [], []

    class Watched(nn.Module):
        def forward(self, image: Tensor) -> dict[str, Tensor]:
            shapes.append(tuple(image.shape))
            levels.append(image.mean(dim=(0, 2, 3)))
            return {"out": image}

    found = Segmenter("lraspp", Watched(), "")
    level = torch.tensor([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1)
    classes = found(level.expand(1, 3, 130, 260))
    assert shapes == [(1, 3, 520, 1040)]
    assert classes.shape == (1, 130, 260)
    assert torch.allclose(levels[0], torch.zeros(3), atol=0.01)


def test_known_numbers() -> None:
    """A hole of 8 pixels: 6 have their class; class 2 occurs only in the completion."""
    truth = torch.zeros(1, 4, 4, dtype=torch.long)
    truth[0, :2] = 1
    found = truth.clone()
    found[0, 0, :2] = 2
    mask = torch.zeros(1, 1, 4, 4)
    mask[..., :2, :] = 1
    values = compare(found, truth, mask)
    assert list(values) == list(SEGMENTATION_METRICS)
    assert values["Agreement"].tolist() == [75]
    assert values["mIoU"].item() == pytest.approx((1 + 6 / 8 + 0) / 3)
    assert all(value.dtype == torch.float64 for value in values.values())
    same = compare(truth, truth, mask)
    assert (same["Agreement"].item(), same["mIoU"].item()) == (100, 1)
    assert math.isnan(compare(truth, truth, 0 * mask)["Agreement"])


def test_each_picture_is_compared_alone() -> None:
    generator = torch.Generator().manual_seed(0)
    found, truth = torch.randint(0, 4, (2, 3, 9, 7), generator=generator)
    mask = torch.randint(0, 2, (3, 1, 9, 7), generator=generator)
    values = compare(found, truth, mask)
    for i in range(3):
        part = slice(i, i + 1)
        alone = compare(found[part], truth[part], mask[part])
        for name in SEGMENTATION_METRICS:
            assert torch.equal(alone[name], values[name][part])


def test_colours_are_pascal_voc_s() -> None:
    classes = np.array([[0, 1, 2, 3], [7, 8, 15, 20]])
    assert colours(classes).tolist() == [
        [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]],
        [[128, 128, 128], [64, 0, 0], [192, 128, 128], [0, 64, 128]],
    ]
    assert colours(classes).dtype == np.uint8


def test_the_stand_in_has_three_classes() -> None:
    image = torch.tensor([0.0, 0.45, 1.0]).expand(1, 3, 16, 3)
    assert by_brightness()(image)[0].unique().numel() == 3
