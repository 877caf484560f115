"""DeepFillv1 and v2: published sizes, parity, files, and what the network sees."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch._subclasses.fake_tensor as fake_tensor
import torch.cuda.amp.common as common
from deepfill_reference import BASE_WIDTHS, published_shapes, published_state
from operator_calls import Calls
from reference import FIXTURES
from safetensors.torch import save_file
from torch import Tensor, nn

import gin
from gin.baselines import (
    DeepFillV1,
    DeepFillV2,
    inpaint_function,
    load_deepfill,
    load_deepfillv2,
)
from gin.baselines.deepfill.layers import SameConv2d
from gin.baselines.deepfill.networks import Critics, DeepFill, PatchDiscriminator
from gin.baselines.deepfill.weights import published_names

both = pytest.mark.parametrize("model", [DeepFillV1, DeepFillV2])


def tiny(model: type[DeepFill], seed: int = 0) -> DeepFill:
    torch.manual_seed(seed)
    return model(8).eval()  # type: ignore[call-arg]


def pair(height: int, width: int, batch: int = 1) -> tuple[Tensor, Tensor]:
    """Images, and masks with one hole that differs from image to image."""
    torch.manual_seed(height)
    mask = torch.zeros(batch, 1, height, width)
    for place, each in enumerate(mask):
        each[:, height // 4 : height // 2, place : width // 2] = 1
    return torch.rand(batch, 3, height, width), mask


def parameters(*modules: nn.Module) -> int:
    return sum(p.numel() for module in modules for p in module.parameters())


# Sizes


def test_the_published_numbers_of_parameters() -> None:
    with torch.device("meta"):
        v1, v2, critics = DeepFillV1(), DeepFillV2(), Critics()
        stages = [(net.coarse, net.refinement) for net in (v1, v2)]
        found = [[parameters(stage) for stage in both] for both in stages]
        discriminators = [critics.whole, critics.box]
    assert found == [[1_448_227, 2_153_315], [1_631_151, 2_421_327]]
    assert parameters(v1) == 3_601_542
    assert parameters(v2) == 4_052_478
    assert [parameters(discriminator) for discriminator in discriminators] == [
        2_733_441,
        4_339_329,
    ]
    assert parameters(PatchDiscriminator()) == 5_946_816


def test_the_discriminators_maps_have_the_published_shapes() -> None:
    image, mask = pair(256, 256)
    with torch.no_grad():
        assert PatchDiscriminator()(mask, image).shape == (1, 256, 4, 4)
        scores = Critics()(image[..., :128, :128], image)
    assert [score.shape for score in scores] == [(1, 1), (1, 1)]


def test_the_discriminator_is_spectrally_normalised() -> None:
    """After some power iterations each layer's largest singular value is 1."""
    discriminator = PatchDiscriminator()
    with torch.no_grad():
        for layer in discriminator.layers:
            layer.parametrizations.weight.original.mul_(7)
    for _ in range(30):
        weights = [layer.weight.flatten(1) for layer in discriminator.layers]
    for weight in weights[:3]:
        assert torch.linalg.matrix_norm(weight, 2).item() == pytest.approx(1, abs=0.05)


def test_the_discriminators_power_iteration_stays_in_float32_on_cuda(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On tensors without values; CUDA's autocast would take its products in bf16."""
    monkeypatch.setattr(fake_tensor, "init_gpu_context", lambda *_: None)
    monkeypatch.setattr(common, "amp_definitely_not_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *_: True)
    with fake_tensor.FakeTensorMode(), torch.device("cuda"), Calls() as calls:
        discriminator = PatchDiscriminator(4)
        image, mask = torch.empty(1, 3, 64, 64), torch.empty(1, 1, 64, 64)
        with torch.autocast("cuda", torch.bfloat16):
            discriminator(mask, image)
    assert {call.dtype for call in calls.inputs("mv")} == {torch.float32}
    assert {call.dtype for call in calls.inputs("convolution")} == {torch.bfloat16}


# Parity


@pytest.mark.usefixtures("in_float64")
@pytest.mark.parametrize("name", ["a", "b"])
def test_parity_with_the_published_network(name: str, tmp_path: Path) -> None:
    # 1e-5 is asked for; but contextual attention moves these outputs by little more
    # (fusion by 1.7e-5, other masks by 2e-6), so that only less can tell. In float64
    # the file's own rounding is all that differs.
    torch.save({"G": published_state(BASE_WIDTHS[name])}, tmp_path / "states.pth")
    net = load_deepfillv2(tmp_path / "states.pth").double()
    stored = np.load(FIXTURES / f"deepfillv2_{name}.npz")
    image, mask = (torch.from_numpy(stored[key]).double() for key in ("gt", "mask"))
    with torch.no_grad():
        done = net(image, mask)
    stages = {"stage1": done.coarse, "stage2": done.out}
    largest = {
        key: np.abs(2 * value.numpy() - 1 - stored[key]).max()
        for key, value in stages.items()
    }
    print(largest)
    assert max(largest.values()) < 5e-7


def test_every_published_tensor_has_its_own_place() -> None:
    names, shapes = published_names(), published_shapes()
    assert set(names) == set(shapes)
    with torch.device("meta"):
        ours = DeepFillV2().state_dict()
    assert sorted(names.values()) == sorted(ours)
    assert {names[name]: shape for name, shape in shapes.items()} == {
        name: tuple(tensor.shape) for name, tensor in ours.items()
    }


# TensorFlow's padding


@pytest.mark.parametrize("size", [7, 8])
@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
def test_same_padding_by_its_definition(size: int, kernel: int, stride: int) -> None:
    """Output i is the sum over k of w_k x_{i s + k - before}, in plain loops."""
    conv = SameConv2d(1, 1, kernel, stride).double()
    assert conv.bias is not None
    nn.init.zeros_(conv.bias)
    x = torch.randn(size, size, dtype=torch.double)
    count = -(-size // stride)
    before = max(0, (count - 1) * stride + kernel - size) // 2
    expected = torch.zeros(count, count, dtype=torch.double)
    for i in range(count):
        for j in range(count):
            for k in range(kernel):
                for m in range(kernel):
                    row, column = i * stride + k - before, j * stride + m - before
                    if 0 <= row < size and 0 <= column < size:
                        expected[i, j] += conv.weight[0, 0, k, m] * x[row, column]
    with torch.no_grad():
        torch.testing.assert_close(conv(x[None, None])[0, 0], expected)


def test_same_padding_is_lopsided_at_stride_2() -> None:
    """Of an even side, a kernel of ones takes 3, 3, 3 and then 2 values."""
    conv = SameConv2d(1, 1, 3, stride=2)
    nn.init.ones_(conv.weight)
    assert conv.bias is not None
    nn.init.zeros_(conv.bias)
    out = conv(torch.ones(1, 1, 8, 8))[0, 0]
    assert out[0].tolist() == [9, 9, 9, 6]
    assert out[:, 0].tolist() == [9, 9, 9, 6]


def test_a_dilated_convolution_keeps_the_size() -> None:
    for rate in (2, 16):
        conv = SameConv2d(1, 1, 3, dilation=rate)
        assert conv(torch.ones(1, 1, 8, 24)).shape == (1, 1, 8, 24)


# What the networks see and give


@both
@pytest.mark.parametrize(("height", "width"), [(8, 8), (24, 40), (64, 8)])
def test_sizes_ranges_and_known_pixels(
    model: type[DeepFill], height: int, width: int
) -> None:
    net = tiny(model)
    image, mask = pair(height, width, batch=2)
    with torch.no_grad():
        for p in net.parameters():
            p.mul_(3)  # so that the bounds are reached
        done = net(image, mask)
    assert done.out is not None
    for part in (done.coarse, done.out, done.completed):
        assert part.shape == image.shape
        assert part.min() >= 0
        assert part.max() <= 1
    known = mask.expand_as(image) == 0
    assert torch.equal(done.completed[known], image[known])
    assert torch.equal(done.completed[~known], done.out[~known])


@both
def test_hidden_pixels_are_not_seen(model: type[DeepFill]) -> None:
    net = tiny(model)
    image, mask = pair(32, 32)
    noise = torch.where(mask > 0, torch.full_like(image, float("nan")), image)
    with torch.no_grad():
        for a, b in zip(net(image, mask), net(noise, mask), strict=True):
            assert (a is None and b is None) or torch.equal(a, b)


@pytest.mark.usefixtures("in_float64")
@both
def test_a_batch_is_its_images_each_under_its_mask(model: type[DeepFill]) -> None:
    net = tiny(model)
    image, mask = pair(32, 48, batch=3)
    with torch.no_grad():
        together = net(image, mask).out
        alone = [net(image[i : i + 1], mask[i : i + 1]).out for i in range(3)]
    torch.testing.assert_close(together, torch.cat(alone))


def test_stage_2_sees_the_mask_in_v1_alone() -> None:
    for model, channels in ((DeepFillV1, 5), (DeepFillV2, 3)):
        weight = next(tiny(model).refinement.parameters())
        assert weight.shape[1] == channels


@both
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_nothing_or_everything_missing_is_finite(
    model: type[DeepFill], value: float
) -> None:
    net = tiny(model)
    image = torch.full((1, 3, 16, 24), 0.5, requires_grad=True)
    done = net(image, torch.full((1, 1, 16, 24), value))
    assert all(p is None or p.isfinite().all() for p in done)
    done.out.mean().backward()
    assert all(p.grad.isfinite().all() for p in net.parameters())


@both
def test_wrong_shapes_are_named(model: type[DeepFill]) -> None:
    net = tiny(model)
    image, mask = pair(16, 16)
    with pytest.raises(gin.InputError, match=r"16 x 12; both sides .* by 8"):
        net(image[..., :12], mask[..., :12])
    with pytest.raises(
        gin.InputError, match=r"\(1, 1, 16, 8\); expected \(1, 1, 16, 16\)"
    ):
        net(image, mask[..., :8])
    for width in (0, 3, 6 if model is DeepFillV2 else 7):
        with pytest.raises(gin.InputError, match="base_channels"):
            model(width)  # type: ignore[call-arg]


def test_the_critics_side_is_checked() -> None:
    with pytest.raises(gin.InputError, match="side is 48; expected a multiple of 32"):
        Critics(48)


# Files


@both
def test_weights_go_through_a_file(model: type[DeepFill], tmp_path: Path) -> None:
    net, path = tiny(model), tmp_path / "weights.safetensors"
    gin.save(net, path)  # type: ignore[arg-type]
    found = load_deepfill(path)
    assert type(found) is model
    assert not found.training
    for name, tensor in net.state_dict().items():
        assert torch.equal(found.state_dict()[name], tensor)
    if model is DeepFillV2:
        assert type(load_deepfillv2(path)) is model
    else:
        with pytest.raises(gin.InputError, match="holds deepfillv1; expected"):
            load_deepfillv2(path)


def test_the_generator_alone_or_under_g() -> None:
    state = published_state(8)
    parallel = {f"module.{name}": tensor for name, tensor in state.items()}
    for source in (
        state,
        {"G": state, "D": {}},
        {"G": parallel},
        {"state_dict": state},
    ):
        assert load_deepfillv2(source).base_channels == 8


@pytest.mark.parametrize("width", [10**6, 10**30, True, "8", 0])
def test_an_absurd_base_width_is_refused(width: object, tmp_path: Path) -> None:
    notes = {"gin": json.dumps({"variant": "deepfillv2", "base_channels": width})}
    save_file({"a": torch.zeros(1)}, tmp_path / "wide.safetensors", notes)
    with pytest.raises(gin.InputError, match="wide.safetensors: its base width is"):
        load_deepfill(tmp_path / "wide.safetensors")


def test_a_missing_and_an_extra_tensor_are_named() -> None:
    state = published_state(8)
    state["stray.weight"] = state.pop("allconv17.conv.weight")
    with pytest.raises(gin.InputError) as error:
        load_deepfillv2(state)
    assert "1 missing: refinement.decoder.8.weight" in str(error.value)
    assert "1 not expected: stray.weight" in str(error.value)
    state = published_state(8)
    state["conv3.conv.bias"] = torch.zeros(3)
    with pytest.raises(gin.InputError, match=r"encoder.2.conv.bias is \(3,\)"):
        load_deepfillv2(state)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(gin.InputError, match="none.pth: no such file"):
        load_deepfillv2(tmp_path / "none.pth")
    for content, words in (
        ([1], "holds something other than named tensors"),
        ({"G": 1}, "holds something other than named tensors"),
        ({"G": {}}, "has no conv1.conv.bias"),
        (
            {"conv1.conv.bias": torch.zeros(9).expand(9000, 9)},
            "would take 324,000 bytes",
        ),
    ):
        torch.save(content, tmp_path / "other.pth")
        with pytest.raises(gin.InputError, match=f"other.pth: .*{words}"):
            load_deepfillv2(tmp_path / "other.pth")
    torch.save(Path("runs code"), tmp_path / "code.pth")
    with pytest.raises(gin.InputError, match="code.pth: refused"):
        load_deepfillv2(tmp_path / "code.pth")
    (tmp_path / "cut.pth").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(gin.InputError, match="cut.pth: not a readable"):
        load_deepfillv2(tmp_path / "cut.pth")
    gin.save(gin.DeepGIN(base_channels=8), tmp_path / "deepgin.safetensors")
    with pytest.raises(gin.InputError, match="deepgin.safetensors: holds no weights"):
        load_deepfill(tmp_path / "deepgin.safetensors")


# As a method


@both
@pytest.mark.parametrize("size", [(30, 45), (8, 8), (5, 3), (64, 17)])
def test_any_size_is_padded_and_cropped(
    model: type[DeepFill], size: tuple[int, int]
) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (*size, 3), np.uint8)
    mask = np.zeros(size, np.uint8)
    mask[size[0] // 2 :, : size[1] // 2] = 1
    done = inpaint_function(tiny(model))(image, mask)
    assert done.shape == image.shape
    assert done.dtype == np.uint8
    assert np.array_equal(done[mask == 0], image[mask == 0])
    assert not np.array_equal(done[mask == 1], np.full_like(done[mask == 1], 255))


def test_a_method_gives_what_the_network_does() -> None:
    net = tiny(DeepFillV2)
    image, mask = pair(16, 24)
    image = (255 * image).round() / 255
    with torch.no_grad():
        expected = 255 * net(image, mask).completed
    found = inpaint_function(net)(
        (255 * image[0]).round().permute(1, 2, 0).byte().numpy(),
        mask[0, 0].byte().numpy(),
    )
    # A picture's values lie in another order in memory, so that float32 is rounded
    # otherwise: by some 1e-6, which may turn the scale between two levels.
    gap = np.abs(found - expected[0].permute(1, 2, 0).numpy()).max()
    assert gap < 0.5 + 255 * 1e-5
