"""The tour stops at every layer of the network, in the order of the picture."""

import torch
from support import tour

from gin.generator import DeepGIN


def test_every_layer_is_recorded_in_the_order_in_which_it_ran() -> None:
    torch.manual_seed(0)
    net, calls = DeepGIN(base_channels=8), []
    for name, module in tour.layers(net):
        module.register_forward_hook(lambda *_, name=name: calls.append(name))
    shapes = tour.record(
        net,
        torch.rand(1, 3, 32, 32),
        torch.ones(1, 1, 32, 32),
        lambda output: tuple(output.shape[1:]),
    )
    assert list(shapes) == calls
    assert len(calls) == 33
    assert shapes["G1 m6"] == (32, 4, 4)
    assert shapes["G2 a5"] == (64, 2, 2)
    assert shapes["G2 rgb"] == (3, 32, 32)


def test_recording_leaves_no_hook_behind() -> None:
    net = DeepGIN(base_channels=8)
    picture = torch.rand(1, 3, 32, 32), torch.ones(1, 1, 32, 32)
    tour.record(net, *picture, tour.rms)
    assert not any(module._forward_hooks for _, module in tour.layers(net))


def test_the_root_mean_square_is_over_the_channels() -> None:
    output = torch.tensor([3.0, 4.0]).reshape(1, 2, 1, 1).expand(1, 2, 5, 6)
    assert torch.allclose(tour.rms(output), torch.full((5, 6), 12.5**0.5))
