"""Statements of chapter 6 that hold for any weights, and its helpers."""

import copy

import pytest
import torch
import torch.nn.functional as F
from support import attention_maps, probes
from torch import nn

import gin
from gin.attention import SelfAttention
from gin.initialisation import small_initialisation


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return gin.DeepGIN(base_channels=4).eval()


def test_distances_and_products_give_the_same_weights_for_keys_of_one_length():
    torch.manual_seed(0)
    q, k, h = torch.randn(5, 24).double(), torch.randn(40, 24).double(), 0.7
    k = F.normalize(k, dim=1)
    by_distance = torch.softmax(-(torch.cdist(q, k) ** 2) / h**2, 1)
    by_product = torch.softmax((2 / h**2 * q) @ k.T, dim=1)
    assert torch.allclose(by_distance, by_product)


def test_pixels_of_a_white_hole_receive_the_same():
    torch.manual_seed(0)
    x = torch.rand(1, 4, 16, 16)
    x[..., 4:9, 4:9] = 1
    with torch.no_grad():
        added = (SelfAttention(4)(x) - x)[0, :, 4:9, 4:9].flatten(1)
    assert added.std(dim=1).max() < 1e-6


def test_a_flat_picture_stays_flat_unless_zeros_are_padded():
    net, zeros = (probes.load(), probes.load())
    for part in zeros.modules():
        if isinstance(part, nn.Conv2d):
            part.padding_mode = "zeros"
    grey, nothing = torch.full((1, 3, 64, 64), 0.5), torch.zeros(1, 1, 64, 64)
    with torch.no_grad():
        flat, framed = (
            n.refinement(grey, nothing, lambda raw: raw)[0].std(dim=(2, 3)).max()
            for n in (net, zeros)
        )
    assert flat < 1e-4 < 1e-3 < framed


def test_a_fresh_block_of_small_weights_is_nearly_a_plain_mean():
    torch.manual_seed(0)
    block = SelfAttention(32)
    small_initialisation(block)
    x = torch.randn(32, 16, 16)
    weights = attention_maps.attention_weights(x, block)
    assert attention_maps.effective_number(weights).mean() > 0.95 * 256
    with torch.no_grad():
        change = (block(x[None])[0] - x).norm() / x.norm()
    assert 0 < change < 0.2


def test_without_queries_a_block_adds_the_plain_mean_of_its_values():
    torch.manual_seed(0)
    block, x = SelfAttention(8).double(), torch.randn(2, 8, 5, 7).double()
    silent = copy.deepcopy(block)
    for parameter in silent.theta.parameters():
        nn.init.zeros_(parameter)
    assert torch.allclose(silent(x), attention_maps.plain_mean(block, (x,), x))


def test_matrices_have_a_row_for_each_query(net):
    images, mask = torch.rand(2, 3, 256, 256), torch.zeros(2, 1, 256, 256)
    mask[..., 60:200, 80:180] = 1
    matrices = attention_maps.attention_matrices(net, images, mask)
    for weights in matrices[0].values():
        assert weights.sum(1) == pytest.approx(1, abs=1e-4)
    shares = attention_maps.hole_attention(matrices, mask)
    assert list(shares) == [16, 32, 64]
    for size, (known, chance, number) in shares.items():
        assert 0 < known < 100
        assert chance == pytest.approx(100 * (1 - 140 * 100 / 256**2), abs=8)
        assert 1 <= number <= size**2 + 0.5


@pytest.mark.parametrize("place", [(0, 0), (0.5, 0.3), (0.9999, 0.9999)])
@pytest.mark.parametrize("size", [16, 32, 64])
def test_an_overlay_marks_the_query(size, place):
    weights = torch.softmax(torch.randn(size**2, size**2), dim=1)
    shown = attention_maps.overlay(torch.rand(3, 256, 256), weights, size, *place)
    assert shown.shape == (256, 256, 3)
    row, column = (int(part * 256) for part in place)
    assert shown[row, column] == pytest.approx((0, 0.45, 0.7))
