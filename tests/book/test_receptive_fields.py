"""Receptive fields: the formulas of chapter 4 against gradients."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from support import receptive_fields as fields
from support import spd

from gin.blocks import COARSE_RATES, REFINEMENT_RATES
from gin.errors import InputError


@pytest.mark.parametrize("rates", [(1,), (8,), (3, 7), REFINEMENT_RATES, COARSE_RATES])
@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_paths_span_the_field_of_the_formula(rates, blocks):
    layers = blocks * [(3, max(rates), 1), (3, 1, 1)]
    width, cell = fields.receptive_field(layers)
    assert cell == 1
    assert fields.extent(fields.paths(rates, blocks)) == min(width, 61)
    picture, full = fields.paths_picture(rates, blocks)
    assert picture.shape == (61, 61, 3)
    assert 0 < full <= 100


def test_one_large_rate_sees_islands_and_many_rates_fill_the_square():
    assert fields.paths_picture((8,), 1)[1] < 30
    assert fields.paths_picture(COARSE_RATES, 2)[1] > 85


@pytest.mark.parametrize("rate", [1, 2, 5])
@pytest.mark.parametrize("layers", [1, 4, 12])
def test_equal_weights_spread_like_a_random_walk(rate, layers):
    x = torch.ones(1, 1, 161, 161, requires_grad=True)
    y = x
    for _ in range(layers):
        padded = F.pad(y, (rate,) * 4, "replicate")
        y = F.conv2d(padded, torch.full((1, 1, 3, 3), 1 / 9), dilation=rate)
    y[0, 0, 80, 80].backward()
    offsets = torch.arange(161) - 80
    spread = float((x.grad[0, 0].sum(0) * offsets**2).sum().sqrt())
    assert spread == pytest.approx(rate * np.sqrt(2 * layers / 3), abs=1e-3)


@pytest.mark.parametrize("rate", [1, 5, 8])
@pytest.mark.parametrize("cells", [16, 32])
def test_the_share_of_positions_with_all_taps_on_the_map(rate, cells):
    ones, kernel = torch.ones(1, 1, cells, cells), torch.ones(1, 1, 3, 3)
    taps = F.conv2d(ones, kernel, padding=rate, dilation=rate)
    share = 100 * float((taps == 9).float().mean())
    assert spd.taps_inside(rate, cells) == pytest.approx(share, abs=1e-4)


def test_rates_are_read_from_a_text():
    assert fields.read_rates(" 2, 3,10 ") == (2, 3, 10)
    for text in ("", "0", "16", "1, x", "1 2", "1,", "1,1,1,1,1,1,1,1,1", "-1"):
        with pytest.raises(InputError, match="rates"):
            fields.read_rates(text)


@pytest.mark.parametrize("place", [(0, 0), (0.5, 0.5), (0.9999, 0.2)])
def test_the_effective_field_of_a_place_is_around_it(place):
    layer = fields.with_equal_weights(torch.nn.Conv2d(4, 3, 5, padding=2))
    images, mask = torch.rand(2, 3, 64, 64), torch.zeros(2, 1, 64, 64)
    share = fields.effective_field(
        lambda masked, mask: layer(torch.cat([masked, mask], 1)), images, mask, place
    )
    assert share.sum() == pytest.approx(1, abs=1e-5)
    rows, columns = share.nonzero().T
    for places, part in ((rows, place[0]), (columns, place[1])):
        middle = min(max(int(part * 64), 4), 60)
        assert abs(float(places.float().mean()) - middle) < 3
