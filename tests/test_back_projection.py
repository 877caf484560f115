"""The back-projection head: its closed forms and its sign."""

import torch

from gin.back_projection import BackProjection, back_project, resize


def test_closed_form_on_constant_images() -> None:
    """Constant images pass through resizing: out = rgb + alpha (low_res - rgb)."""
    rgb = torch.full((1, 3, 32, 32), 0.2, dtype=torch.double)
    low_res = torch.full((1, 3, 8, 8), 0.6, dtype=torch.double)
    for alpha in (0.0, 0.25, 1.0):
        weight = torch.full((1, 1, 32, 32), alpha, dtype=torch.double)
        out = back_project(rgb, low_res, weight)
        torch.testing.assert_close(out, torch.full_like(rgb, 0.2 + alpha * 0.4))


def test_an_image_that_agrees_is_left_alone() -> None:
    rgb = torch.rand(2, 3, 32, 48)
    out = back_project(rgb, resize(rgb, (8, 12)), torch.rand(2, 1, 32, 48))
    torch.testing.assert_close(out, rgb)


def test_the_result_is_nearer_to_the_low_resolution_image() -> None:
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        rgb = torch.rand(1, 3, 64, 64, generator=generator)
        low_res = torch.rand(1, 3, 16, 16, generator=generator)
        out = back_project(rgb, low_res, torch.ones(1, 1, 64, 64))

        def gap(image: torch.Tensor, low_res: torch.Tensor = low_res) -> float:
            return (resize(image, (16, 16)) - low_res).square().mean().item()

        assert gap(out) < 0.2 * gap(rgb)


def test_shapes_and_alpha_between_zero_and_one() -> None:
    head = BackProjection(16).double()
    rgb, quarter, full = (
        torch.rand(2, 3, 32, 32, dtype=torch.double),
        torch.randn(2, 32, 8, 8, dtype=torch.double),
        torch.zeros(2, 8, 32, 32, dtype=torch.double),
    )
    out, low_res = head(rgb, quarter, full)
    assert out.shape == rgb.shape
    assert low_res.shape == (2, 3, 8, 8)
    # With features of zero alpha is the sigmoid of its bias, everywhere.
    alpha = torch.sigmoid(head.alpha.bias)
    expected = back_project(rgb, low_res, alpha.view(1, 1, 1, 1).expand(2, 1, 32, 32))
    torch.testing.assert_close(out, expected)
