"""What the chapters on the losses compute outside their pages."""

import math

import pytest
import torch
from support.adversarial_games import off_circle
from support.feature_distances import DAMAGES, damaged, l1, seen_sizes
from support.gradients import cosines, shares, shares_from_products
from support.loss_pictures import photograph, sharpness_in_hole
from support.pixel_losses import shares_of_kinds, skewed_pixel, views
from support.textures import mean_filled, middle_hole, shuffled
from support.variation_solvers import (
    edge_costs,
    harmonic,
    scenes,
    smallest_variation,
    square_hole,
)

from gin.losses import total_variation

GRADIENTS = torch.tensor([[3.0, 0.0], [0.0, 4.0], [0.0, -1.0]])


def test_views_overlap_by_all_but_the_step() -> None:
    stack = views("skimage_coffee", count=5, step=3, size=64)
    assert stack.shape == (5, 3, 64, 64)
    assert torch.equal(stack[0, :, 3:], stack[1, :, :-3])


def test_the_skewed_pixel_is_sorted_and_one_of_the_stacks() -> None:
    values = skewed_pixel(views("skimage_coffee"))
    assert values.shape == (9,)
    assert torch.equal(values, values.sort().values)


def test_sharpness_counts_steps_between_missing_pixels_alone() -> None:
    image = torch.arange(8.0).expand(1, 3, 4, 8)
    mask = torch.zeros(1, 1, 4, 8)
    mask[..., 2:5] = 1
    half = torch.where(mask > 0, image / 2, 100 * image)
    assert sharpness_in_hole(half, image, mask).tolist() == [50]


@pytest.mark.parametrize("variant", ["paper", "released"])
def test_the_kinds_shares_follow_the_areas_as_released_only(variant: str) -> None:
    masks = []
    for width in (2, 4, 8):
        mask = torch.zeros(1, 1, 16, 16)
        mask[..., :width] = 1
        masks.append(mask)
    drawn = dict(zip("abc", ([mask] for mask in masks), strict=True))
    expected = [100 / 3] * 3 if variant == "paper" else [100 / 7, 200 / 7, 400 / 7]
    assert shares_of_kinds(drawn, variant) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damage_has_the_l1_that_was_asked_for(damage: str) -> None:
    x = photograph("erase_kingfisher", 64)
    assert l1(damaged(x, damage, 0.03), x) == pytest.approx(0.03, abs=1e-4)


def test_receptive_fields_of_both_networks() -> None:
    vgg16 = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24]
    vgg19 = [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28]
    assert seen_sizes(vgg16) == [3, 10, 24, 60, 132]
    assert seen_sizes(vgg19) == [3, 10, 24, 68, 156]


def test_shuffling_keeps_every_value_and_a_fill_every_known_pixel() -> None:
    image = photograph("skimage_gravel", 80)
    mixed = shuffled(image, 16)
    assert torch.equal(mixed.flatten().sort().values, image.flatten().sort().values)
    assert not torch.equal(mixed, image)
    filled, mask = mean_filled(image, middle_hole()), middle_hole()
    assert torch.equal(filled * (1 - mask), image * (1 - mask))


def test_shares_add_up_to_one_with_and_without_the_vectors() -> None:
    assert shares(GRADIENTS) == pytest.approx([1 / 2, 2 / 3, -1 / 6])
    products = GRADIENTS @ GRADIENTS.T
    weighted = GRADIENTS * torch.tensor([2.0, 3.0, 5.0])[:, None]
    assert shares_from_products(products, [2, 3, 5]) == pytest.approx(shares(weighted))
    assert cosines(GRADIENTS)[1].tolist() == [0, 1, -1]


def test_the_smallest_variation_is_near_its_bound_and_films_are_harmonic() -> None:
    image, mask = scenes()["an edge"], square_hole()
    fill, bound = smallest_variation(image, mask)
    assert bound < float(total_variation(fill)) < 1.01 * bound
    film = harmonic(image, mask)
    rows = film[..., :-2, 1:-1] + film[..., 2:, 1:-1]
    means = (rows + film[..., 1:-1, :-2] + film[..., 1:-1, 2:]) / 4
    inside = mask[..., 1:-1, 1:-1].expand_as(means) > 0
    assert torch.allclose(film[..., 1:-1, 1:-1][inside], means[inside], atol=1e-5)


@pytest.mark.parametrize("degrees", [0, 30, 45, 90])
def test_an_edges_cost_depends_on_its_direction_in_eq_6_only(degrees: int) -> None:
    angle = math.radians(degrees)
    expected = (math.cos(angle) + math.sin(angle), 1)
    assert edge_costs(degrees) == pytest.approx(expected, abs=0.02)


def test_the_mean_of_the_circle_is_off_it() -> None:
    x = torch.tensor([[0.0], [0.6]])
    assert off_circle(x, [torch.zeros(2, 1)]) == pytest.approx(0.7)
    assert off_circle(x, [torch.tensor([[1.0], [-0.8]])]) == pytest.approx(0, abs=1e-6)
