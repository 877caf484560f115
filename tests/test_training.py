"""The warm-up trainer: it learns, resumes, keeps what it has, and stops."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import gin
from gin.losses import reconstruction_loss
from gin.recipes import DEMO, SMOKE
from gin.training import WarmUp, train

TINY = replace(SMOKE, crops=((0.0, 32, 1),), rate=3e-3)
HOURS = 5 / 3600


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Photographs of one colour each: what a hole hides is what surrounds it."""
    path = tmp_path / "photographs"
    path.mkdir()
    for i, colour in enumerate([(200, 40, 40), (40, 200, 40), (40, 40, 200)]):
        pixels = np.full((48, 48, 3), colour, np.uint8)
        Image.fromarray(pixels).save(path / f"{i}.png")
    return path


def one_batch(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    image = torch.rand(3, 3, 1, 1).expand(3, 3, 32, 32).contiguous()
    mask = torch.zeros(3, 1, 32, 32)
    mask[..., 8:24, 8:24] = 1
    return image, mask


def test_the_loss_falls() -> None:
    run = WarmUp(TINY, hours=1, seed=0)
    batch = one_batch()
    losses = [run.step(*batch) for _ in range(40)]
    assert losses[-1] < 0.6 * losses[0]
    assert (run.steps, run.images) == (40, 120)


def test_the_average_follows_the_network() -> None:
    run = WarmUp(TINY, hours=1, seed=0)
    batch = one_batch()
    for _ in range(20):
        run.step(*batch)
    with torch.no_grad():
        start = WarmUp(TINY, hours=1, seed=0).net
        loss = {
            name: reconstruction_loss(net(*batch), *batch, 5).item()
            for name, net in (("start", start), ("average", run.ema))
        }
    assert loss["average"] < 0.9 * loss["start"]


def test_a_resumed_run_goes_on_bit_for_bit(tmp_path: Path) -> None:
    batches = [one_batch(seed) for seed in range(6)]
    whole = WarmUp(TINY, hours=1, seed=0)
    first = WarmUp(TINY, hours=1, seed=0)
    for run, part in ((whole, batches), (first, batches[:3])):
        run.rate = lambda: 1e-3  # the clock must not matter here
        for batch in part:
            run.step(*batch)
    first.save(tmp_path)
    second = WarmUp(TINY, hours=1, seed=1)
    second.rate = lambda: 1e-3
    second.restore(tmp_path)
    for batch in batches[3:]:
        second.step(*batch)
    assert (second.steps, second.images) == (6, 18)
    for name in ("net", "ema"):
        resumed = getattr(second, name).state_dict()
        for key, tensor in getattr(whole, name).state_dict().items():
            assert torch.equal(resumed[key], tensor), key


def test_the_rate_climbs_stays_and_falls(monkeypatch: pytest.MonkeyPatch) -> None:
    run = WarmUp(replace(TINY, ramp_steps=10, decay_from=0.5), hours=1, seed=0)

    def at(steps: int, progress: float) -> float:
        monkeypatch.setattr(WarmUp, "progress", property(lambda self: progress))
        run.steps = steps
        return run.rate() / TINY.rate

    assert at(0, 0) == pytest.approx(0.1)
    assert at(9, 0.1) == at(500, 0.5) == 1
    assert at(500, 0.75) == pytest.approx(0.5)
    assert at(500, 1.0) == pytest.approx(0)


def test_crops_follow_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    crops = ((0.0, 64, 2), (0.5, 128, 1))
    run = WarmUp(replace(SMOKE, crops=crops, natural_from=0.3), hours=1, seed=0)
    spent = iter([0.0, 0.49, 0.5, 1.0])
    monkeypatch.setattr(WarmUp, "progress", property(lambda self: next(spent)))
    assert list(run.keys()) == [
        (0, 64, 2, True),
        (1, 64, 2, False),
        (2, 128, 1, False),
    ]


def test_train_writes_weights_that_load(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    net = train(TINY, folder, out, HOURS)
    back = gin.load(out / "weights.safetensors")
    assert back.base_channels == TINY.base_channels
    for name, tensor in net.state_dict().items():
        torch.testing.assert_close(
            back.state_dict()[name], tensor, rtol=1e-3, atol=1e-6
        )
    before = (out / "state.pt").read_bytes()
    with pytest.raises(gin.InputError, match="run: holds a run already"):
        train(TINY, folder, out, HOURS)
    assert (out / "state.pt").read_bytes() == before
    with pytest.raises(gin.InputError, match="written with another recipe"):
        train(replace(TINY, base_channels=16), folder, out, HOURS, resume=True)


def test_nothing_to_resume(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(gin.InputError, match="run: there is no run to resume"):
        train(TINY, folder, tmp_path / "run", HOURS, resume=True)


def test_a_loss_that_is_not_finite_stops_the_run() -> None:
    run = WarmUp(TINY, hours=1, seed=0)
    image, mask = one_batch()
    run.step(image, mask)
    before = {k: v.clone() for k, v in run.net.state_dict().items()}
    with pytest.raises(FloatingPointError, match="the loss is nan at step 1"):
        run.step(image.fill_(float("nan")), mask)
    assert all(torch.equal(v, before[k]) for k, v in run.net.state_dict().items())


def test_the_demo_recipe_is_what_the_shipped_weights_say() -> None:
    net = gin.load(gin.pretrained.shipped())
    assert (net.variant, net.base_channels, net.composite) == (
        DEMO.variant,
        DEMO.base_channels,
        DEMO.composite,
    )
