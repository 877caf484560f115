"""DeepGIN: Table 1's counts, what it may and may not see, and how it runs."""

import copy
import itertools

import pytest
import torch
from torch import Tensor

import gin
from gin.attention import SelfAttention
from gin.blocks import EdgePadding, SPDBlock
from gin.generator import composite
from gin.initialisation import identity_initialisation

TABLE_1 = {
    "StdResBlk (Coarse only)": 8_167_843,
    "StdResBlk": 40_849_990,
    "StdResBlk-SA": 41_375_558,
    "StdResBlk-MSSA": 42_892_134,
    "DilatedResBlk-MSSA": 42_892_134,
    "SPDResBlk-MSSA": 42_892_134,
    "SPDResBlk-MSSA-BP": 42_930_186,
}


def network(variant: str = "SPDResBlk-MSSA-BP", composite: bool = False) -> gin.DeepGIN:
    """A small network whose signal reaches the heads and whose holes differ."""
    torch.manual_seed(0)
    net = gin.DeepGIN(variant, base_channels=8, composite=composite)
    identity_initialisation(net)
    return net


def exact(*given: Tensor) -> list[Tensor]:
    return [tensor.double() for tensor in given]


def batch(height: int = 32, width: int = 48, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(2, 3, height, width, generator=generator)
    mask = (torch.rand(2, 1, height, width, generator=generator) > 0.5).float()
    return image, mask


def test_parameter_counts_of_table_1() -> None:
    with torch.device("meta"):
        counts = {
            variant: sum(p.numel() for p in gin.DeepGIN(variant).parameters())
            for variant in gin.VARIANTS
        }
    assert counts == TABLE_1
    assert list(counts) == list(TABLE_1)  # in the table's order


@pytest.mark.parametrize("composite", [False, True])
@pytest.mark.parametrize("variant", gin.VARIANTS)
def test_outputs_and_gradients_of_every_variant(variant: str, composite: bool) -> None:
    net = network(variant, composite)
    torch.nn.init.normal_(net.coarse.rgb.bias)
    for module in net.modules():  # zero at the start, so that nothing passes
        if isinstance(module, SelfAttention):
            torch.nn.init.normal_(module.project.weight)
    image, mask = batch()
    done = net(image, mask)
    assert done.coarse.shape == done.completed.shape == image.shape
    assert (done.out is None) == (variant == "StdResBlk (Coarse only)")
    assert (done.low_res is None) == (not variant.endswith("-BP"))
    if done.low_res is not None:
        assert done.low_res.shape == (2, 3, 8, 12)
    sum(x.square().sum() for x in done if x is not None).backward()
    without = [
        name
        for name, p in net.named_parameters()
        if p.grad is None or not p.grad.abs().sum() > 0
    ]
    assert without == []


@pytest.mark.parametrize("composite", [False, True])
@pytest.mark.parametrize("hidden", [0.0, 1e9, float("inf"), float("nan")])
def test_what_lies_under_the_hole_is_never_seen(hidden: float, composite: bool) -> None:
    net = network(composite=composite)
    image, mask = batch()
    spoilt = torch.where(mask > 0.5, hidden, image)
    for expected, found in zip(net(image, mask), net(spoilt, mask), strict=True):
        assert torch.equal(expected, found)


def test_known_pixels_come_back_unchanged() -> None:
    image, mask = batch()
    completed = network()(image, mask).completed
    known = (mask == 0).expand_as(image)
    assert torch.equal(completed[known], image[known])
    assert (completed[~known] != image[~known]).all()


def test_polarity_one_is_missing() -> None:
    """Only where the mask is 1 may the result differ; there it comes from I_out."""
    image = torch.rand(1, 3, 32, 32)
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 8:20, 4:12] = 1
    done = network()(image, mask)
    changed = (done.completed != image).any(1, keepdim=True)
    assert torch.equal(changed, mask > 0.5)
    assert torch.equal(done.completed[..., 8:20, 4:12], done.out[..., 8:20, 4:12])


def test_composite_feeds_the_known_pixels_to_refinement() -> None:
    """composite=True must equal composite=False on a G1 that is right where known."""
    net = network(composite=True)
    image, mask = batch()
    seen = []
    net.refinement.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    done = net(image, mask)
    net.composite = False
    other = net(image, mask)
    assert torch.equal(seen[0], composite(done.coarse, image, mask))
    assert torch.equal(seen[1], other.coarse)
    assert torch.equal(done.coarse, other.coarse)
    assert not torch.equal(done.out, other.out)


def test_each_image_is_completed_on_its_own() -> None:
    net, (image, mask) = network().double(), exact(*batch())
    together = net(image, mask).completed
    for i in range(2):
        alone = net(image[i : i + 1], mask[i : i + 1]).completed
        torch.testing.assert_close(together[i : i + 1], alone)


@pytest.mark.parametrize(
    ("height", "width"), [*itertools.product((16, 48), (16, 80)), (112, 32)]
)
def test_any_sides_divisible_by_16(height: int, width: int) -> None:
    image, mask = batch(height, width)
    assert network()(image, mask).completed.shape == (2, 3, height, width)


def test_channels_last_changes_nothing() -> None:
    net, (image, mask) = network().double(), exact(*batch())
    expected = net(image, mask).completed
    last = copy.deepcopy(net).to(memory_format=torch.channels_last)
    found = last(image.contiguous(memory_format=torch.channels_last), mask).completed
    torch.testing.assert_close(found, expected)


def test_bf16_changes_little() -> None:
    net, (image, mask) = network(), batch()
    expected = net(image, mask).completed
    with torch.autocast("cpu", torch.bfloat16):
        half = net(image, mask).completed
    assert 0 < (half.float() - expected).abs().max() < 0.02


@pytest.mark.parametrize("variant", gin.VARIANTS)
def test_compiles_without_a_graph_break(variant: str) -> None:
    net, (image, mask) = network(variant, composite=True).double(), exact(*batch())
    torch._dynamo.reset()
    torch.compiler.allow_in_graph(EdgePadding)  # as a training does
    compiled = torch.compile(net, fullgraph=True, backend="eager")
    expected, found = net(image, mask), compiled(image, mask)
    torch.testing.assert_close(found.completed, expected.completed)


def test_exports_for_any_size() -> None:
    net, (image, mask) = network(composite=True).eval().double(), exact(*batch())
    sixteenth = {
        2: 16 * torch.export.Dim("h", min=2),
        3: 16 * torch.export.Dim("w", min=2),
    }
    dynamic = {0: torch.export.Dim("b", min=2), **sixteenth}
    program = torch.export.export(net, (image, mask), dynamic_shapes=(dynamic, dynamic))
    image, mask = exact(*batch(64, 32, seed=1))
    found, expected = program.module()(image, mask), net(image, mask)
    torch.testing.assert_close(found.completed, expected.completed)


def test_paper_initialisation_is_a_tenth_of_kaiming() -> None:
    net = gin.DeepGIN()
    layer = net.coarse.middle[0].fusion  # 256 inputs x 3 x 3
    assert layer.weight.std().item() == pytest.approx(0.1 * (2 / 2304) ** 0.5, rel=0.01)
    assert not layer.bias.any()


def test_identity_initialisation() -> None:
    """Every block begins (nearly) as the identity, the heads grey, alpha low."""
    net = network()
    for module in net.modules():
        if isinstance(module, SelfAttention):
            x = torch.randn(1, module.theta.in_channels, 6, 6)
            assert torch.equal(module(x), x)
        elif isinstance(module, SPDBlock):
            x = torch.randn(1, module.fusion.in_channels, 24, 24)
            assert 0 < (module(x) - x).std() < 0.2
    for head in (net.coarse.rgb, net.refinement.rgb):
        assert (head.bias == 0.5).all()
    assert net.refinement.back_projection.alpha.bias.item() == -2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"variant": "ResNet"}, "variant is 'ResNet'; expected one of StdResBlk"),
        ({"base_channels": 7}, "base_channels is 7; expected an even number"),
        ({"base_channels": 0}, "base_channels is 0; expected an even number"),
        ({"base_channels": "16"}, "base_channels is '16'; expected an even number"),
        ({"base_channels": 16.0}, "base_channels is 16.0; expected an even number"),
    ],
)
def test_bad_arguments(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(gin.InputError, match=message):
        gin.DeepGIN(**arguments)


@pytest.mark.parametrize(
    ("image", "mask", "message"),
    [
        ((2, 1, 32, 32), (2, 1, 32, 32), r"image has shape \(2, 1, 32, 32\)"),
        ((3, 32, 32), (1, 32, 32), r"image has shape \(3, 32, 32\)"),
        ((2, 3, 32, 32), (1, 1, 32, 32), r"mask has shape \(1, 1, 32, 32\)"),
        ((2, 3, 32, 32), (2, 3, 32, 32), r"mask has shape \(2, 3, 32, 32\)"),
        ((1, 3, 40, 32), (1, 1, 40, 32), "40 x 32; both sides must be divisible by 16"),
    ],
)
def test_bad_shapes(
    image: tuple[int, ...], mask: tuple[int, ...], message: str
) -> None:
    with pytest.raises(gin.InputError, match=message):
        network()(torch.zeros(image), torch.zeros(mask))
