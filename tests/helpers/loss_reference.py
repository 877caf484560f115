"""Section 4.2's losses once more: float64, from the equations, in plain loops.

`terms` is the independent computation, `measured` what `gin.losses` makes of the same
example.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from gin.generator import Completion
from gin.losses import Features, discriminator_loss, generator_terms
from gin.recipes import LossRecipe

Array = np.ndarray
Layers = list[Array]


class Example(NamedTuple):
    """Everything the losses read, float64; the truth's features are computed once
    for the `copies` masked copies of an image."""

    image: Array
    mask: Array
    coarse: Array
    out: Array
    low_res: Array
    features_out: Layers
    features_completed: Layers
    features_true: Layers
    real_maps: Layers
    fake_maps: Layers

    @property
    def completed(self) -> Array:
        return np.where(self.mask == 1, self.out, self.image)


def example(
    seed: int, side: int = 32, photographs: int = 2, copies: int = 3
) -> Example:
    """Random tensors of the shapes in training, few channels and layers apart."""
    rng = np.random.default_rng(seed)
    batch = photographs * copies
    image = rng.random((photographs, 3, side, side)).repeat(copies, axis=0)
    mask = np.zeros((batch, 1, side, side))
    for b in range(batch):
        top, left = rng.integers(0, side // 2, 2)
        height, width = rng.integers(side // 4, side // 2, 2)
        mask[b, :, top : top + height, left : left + width] = 1

    def layers(images: int) -> Layers:
        shapes = [(2, side), (3, side // 2), (4, side // 4), (5, 3), (5, 2)]
        return [rng.normal(size=(images, c, n, n)) for c, n in shapes]

    def maps(opinion: float) -> Layers:
        sides = side // 4, side // 8
        return [rng.normal(opinion, size=(batch, 4, n, n)) for n in sides]

    return Example(
        image,
        mask,
        coarse=image + rng.normal(scale=0.3, size=image.shape),
        out=image + rng.normal(scale=0.1, size=image.shape),
        low_res=rng.random((batch, 3, side // 4, side // 4)),
        features_out=layers(batch),
        features_completed=layers(batch),
        features_true=layers(photographs),
        real_maps=maps(0.5),
        fake_maps=maps(-0.5),
    )


def terms(given: Example, recipe: LossRecipe) -> dict[str, float]:
    """The value of each term, of Eq. 7 and of Eq. 3, by name."""
    fakes = (given.features_out, given.features_completed)
    true, weights = given.features_true, recipe.layer_weights
    found = {
        "l1": reconstruction(given, recipe.hole_weight, recipe.l1),
        "adversarial": adversarial(given.fake_maps),
        "perceptual": sum(perceptual(fake, true, weights) for fake in fakes),
        "style": sum(style(fake, true, weights, recipe.style) for fake in fakes),
        "variation": variation(given.completed, recipe.variation),
    }
    weighted = {
        "l1": 1,
        "adversarial": recipe.adversarial_weight,
        "perceptual": recipe.perceptual_weight,
        "style": recipe.style_weight,
        "variation": recipe.variation_weight,
    }
    loss_d = discriminator(given.real_maps, given.fake_maps)
    return {
        **found,
        "total": sum(weighted[name] * value for name, value in found.items()),
        "discriminator": recipe.discriminator_factor * loss_d,
    }


def measured(
    given: Example, recipe: LossRecipe, dtype: torch.dtype
) -> dict[str, torch.Tensor]:
    """The same values out of `gin.losses`, its inputs of the given type."""
    (image, mask, coarse, out, low_res, completed), *layers = (
        [torch.from_numpy(x).to(dtype) for x in arrays]
        for arrays in ((*given[:5], given.completed), *given[5:])
    )
    done = Completion(coarse, low_res, out, completed)
    *features, real_maps, fake_maps = layers
    found = generator_terms(done, image, mask, Features(*features), fake_maps, recipe)
    loss_d = discriminator_loss(real_maps, fake_maps, recipe.discriminator_factor)
    return {**found._asdict(), "total": found.total(recipe), "discriminator": loss_d}


def l1(
    prediction: Array, target: Array, mask: Array, hole_weight: float, variant: str
) -> float:
    """Eq. 1, image by image, pixel by pixel."""
    total = 0.0
    for b in range(len(mask)):
        hole, valid = [], []
        for y, x in np.ndindex(*mask.shape[2:]):
            m, p, t = mask[b, 0, y, x], prediction[b, :, y, x], target[b, :, y, x]
            if variant == "released":
                hole.append(np.abs(m * p - m * t).mean())
                valid.append(np.abs((1 - m) * p - (1 - m) * t).mean())
            else:
                assert m in (0, 1)
                (hole if m == 1 else valid).append(np.abs(p - t).mean())
        total += hole_weight * sum(hole) / max(len(hole), 1)
        total += sum(valid) / max(len(valid), 1)
    return total / len(mask)


def reconstruction(given: Example, hole_weight: float, variant: str) -> float:
    """Eq. 1 over the three pairs."""
    small, small_mask = quarter(given.image), quarter(given.mask)
    if variant == "paper":
        small_mask = np.ceil(small_mask.round(12))
    pairs = [
        (given.coarse, given.image, given.mask),
        (given.out, given.image, given.mask),
        (given.low_res, small, small_mask),
    ]
    return sum(l1(*pair, hole_weight, variant) for pair in pairs)


def quarter(image: Array) -> Array:
    """A quarter of the size: the corners stay, straight lines between the pixels."""
    for axis in (2, 3):
        n = image.shape[axis]
        places = np.linspace(0, n - 1, n // 4)
        image = np.apply_along_axis(
            lambda line, n=n, places=places: np.interp(places, np.arange(n), line),
            axis,
            image,
        )
    return image


def adversarial(fake_maps: Layers) -> float:
    """Eq. 2."""
    total = 0.0
    for fake in fake_maps:
        total -= sum(fake.flat) / fake.size
    return total


def discriminator(real_maps: Layers, fake_maps: Layers) -> float:
    """Eq. 3."""
    total = 0.0
    for real, fake in zip(real_maps, fake_maps, strict=True):
        total += sum(max(0.0, 1 - value) for value in real.flat) / real.size
        total += sum(max(0.0, 1 + value) for value in fake.flat) / fake.size
    return total


def perceptual(found: Layers, true: Layers, weights: Sequence[float]) -> float:
    """A sum of Eq. 4, mean over the batch."""
    total = 0.0
    for weight, layer, true_layer in zip(weights, found, true, strict=True):
        copies = len(layer) // len(true_layer)
        for b, phi in enumerate(layer):
            gap = np.abs(phi - true_layer[b // copies]).sum()
            total += weight * gap / phi.size / len(layer)
    return total


def style(found: Layers, true: Layers, weights: Sequence[float], variant: str) -> float:
    """The inner sum of Eq. 5, mean over the batch."""
    total = 0.0
    for weight, layer, true_layer in zip(weights, found, true, strict=True):
        copies, channels = len(layer) // len(true_layer), layer.shape[1]
        for b, phi in enumerate(layer):
            phi_true, norm = true_layer[b // copies], 0.0
            for i, j in np.ndindex(channels, channels):
                gap = (phi[i] * phi[j]).sum() - (phi_true[i] * phi_true[j]).sum()
                gap /= phi.size
                norm += gap**2 if variant == "released" else abs(gap)
            total += weight * norm / channels**2 / len(layer)
    return total


def variation(completed: Array, variant: str) -> float:
    """Eq. 6, mean over the batch."""
    batch, channels, height, width = completed.shape
    down = across = 0.0
    for b, y, x in np.ndindex(batch, height, width):
        for other, is_down in (((y + 1, x), True), ((y, x + 1), False)):
            if other[0] == height or other[1] == width:
                continue
            gap = completed[b, :, *other] - completed[b, :, y, x]
            value = (gap**2).sum() if variant == "released" else np.abs(gap).sum()
            if is_down:
                down += value
            else:
                across += value
    sides = down / ((height - 1) * width) + across / (height * (width - 1))
    return sides * 2 / (channels * batch) if variant == "released" else sides / batch
