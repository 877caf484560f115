"""The modules of the pages, in a browser without a network: Python's numbers."""

import io
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import module_data
import numpy as np
import pytest
import torch
from browser import chromium, served, why_not
from PIL import Image
from torch.nn import functional as F

from gin.blocks import COARSE_RATES, REFINEMENT_RATES, SPDBlock
from gin.weights import checkpoints

in_browser = pytest.mark.skipif(bool(why_not()), reason=why_not())

ROOT = Path(__file__).parents[2]
NAMES = {
    "receptive-field": "receptive_field",
    "back-projection": "back_projection",
    "loss-power": "loss_power",
    "attention": "attention",
    "training": "training",
}
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Modules</title>
<meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,">
<link rel="stylesheet" href="../_static/modules/modules.css"></head><body>
{modules}
</body></html>
"""
SNIPPET = """<div class="gin-module" data-gin-module="{name}"></div>
<script type="module" src="../_static/modules/{script}.js"></script>"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("modules") / "data"
    module_data.assemble(folder)
    return folder


@pytest.fixture(scope="module")
def page(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """All modules on one page; fails if a script does, or asks for another site."""
    site = tmp_path_factory.mktemp("site")
    modules = site / "_static" / "modules"
    shutil.copytree(ROOT / "book" / "_static" / "modules", modules)
    shutil.copytree(data, modules / "data")
    (site / "book").mkdir()
    snippets = [SNIPPET.format(name=name, script=NAMES[name]) for name in NAMES]
    text = PAGE.format(modules="\n".join(snippets))
    (site / "book" / "page.html").write_text(text, encoding="utf-8")
    errors, asked = [], []
    with chromium() as browser, served(site) as address:
        page = browser.new_page(viewport={"width": 390, "height": 844})
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{address}book/page.html")
        for name in NAMES:
            page.wait_for_selector(f"[data-gin-module={name}][data-ready]")
        yield page
    assert not errors
    assert not [url for url in asked if not url.startswith((address, "data:"))]


def call(page: Any, script: str, body: str, *arguments: object) -> Any:
    """The value of `body`, in which `m` is the module's exports and `a` arguments."""
    return page.evaluate(
        f"""async (a) => {{
          const m = await import("../_static/modules/{script}.js");
          const parts = await import("../_static/modules/parts.js");
          {body}
        }}""",
        list(arguments),
    )


def status(page: Any, name: str) -> str:
    return page.locator(f"[data-gin-module={name}] p[role=status]").inner_text()


def numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"\d+(?:\.\d+)?", text)]


def move(page: Any, name: str, label: str, value: float) -> None:
    module = page.locator(f"[data-gin-module={name}]")
    control = module.get_by_role("slider", name=label, exact=True)
    control.evaluate(
        """(node, value) => {
          node.value = value;
          node.dispatchEvent(new Event("input"));
        }""",
        value,
    )


# --- receptive field (chapter 4) ---------------------------------------------------


def torch_paths(rates: tuple[int, ...], blocks: int) -> np.ndarray:
    """Paths to the middle through blocks of one channel a rate, all weights one."""
    channels, side = len(rates), 2 * blocks * (max(rates) + 1) + 1
    stack = torch.nn.Sequential(*(SPDBlock(channels, rates) for _ in range(blocks)))
    for name, parameter in stack.double().named_parameters():
        torch.nn.init.constant_(parameter, float(name.endswith("weight")))
    x = torch.ones(1, channels, side, side, dtype=torch.float64, requires_grad=True)
    stack(x)[0, 0, side // 2, side // 2].backward()
    return x.grad[0].sum(0).numpy()


@in_browser
@pytest.mark.parametrize("blocks", [1, 2, 3])
@pytest.mark.parametrize("rates", [(1,), (2,), (8,), REFINEMENT_RATES, COARSE_RATES])
def test_paths_are_those_of_torch(page: Any, rates: tuple, blocks: int) -> None:
    body = "const f = m.paths(...a); return [Array.from(f.counts), m.seen(f)];"
    counts, seen = call(page, "receptive_field", body, rates, blocks)
    expected = torch_paths(rates, blocks)
    np.testing.assert_allclose(np.reshape(counts, expected.shape), expected, rtol=1e-12)
    assert seen["side"] == len(expected)
    assert seen["share"] == pytest.approx(100 * (expected > 0).mean())


def tells(page: Any, expected: np.ndarray) -> None:
    side, _, share = numbers(status(page, "receptive-field"))
    assert side == len(expected)
    assert share == pytest.approx(100 * (expected > 0).mean(), abs=0.06)


@in_browser
def test_rates_are_chosen_and_the_field_is_told(page: Any) -> None:
    name = "receptive-field"
    expected = torch_paths(REFINEMENT_RATES, 1)
    side, _, share = numbers(status(page, name))
    assert (side, share) == (
        len(expected),
        pytest.approx(100 * (expected > 0).mean(), abs=0.05),
    )
    module = page.locator(f"[data-gin-module={name}]")
    for rate in REFINEMENT_RATES:
        module.get_by_label(str(rate), exact=True).uncheck()
    assert status(page, name) == "Choose at least one rate."
    module.get_by_label("8", exact=True).check()
    move(page, name, "Blocks", 2)
    expected = torch_paths((8,), 2)
    side, _, share = numbers(status(page, name))
    assert (side, share) == (
        len(expected),
        pytest.approx(100 * (expected > 0).mean(), abs=0.05),
    )


# --- back projection (chapter 8) ---------------------------------------------------


def planes(path: Path) -> torch.Tensor:
    """(1, 3, H, W) in [0, 1]."""
    values = np.asarray(Image.open(path)) / np.float32(255)
    return torch.from_numpy(values).permute(2, 0, 1)[None]


def torch_corrected(truth: torch.Tensor, mu: float, steps: int) -> tuple[float, float]:
    """What is left of the gap, and the distance from the truth, in percent."""
    small = F.avg_pool2d(truth, 4)
    x = F.interpolate(small, scale_factor=4, mode="bilinear")
    for _ in range(steps):
        gap = small - F.avg_pool2d(x, 4)
        x = x + mu * F.interpolate(gap, scale_factor=4, mode="bilinear")
    gaps = small - F.avg_pool2d(x, 4), truth - x
    return tuple(100 * float(gap.square().mean().sqrt()) for gap in gaps)


@in_browser
@pytest.mark.parametrize(("mu", "steps"), [(1, 0), (1, 1), (0.7, 5), (1, 20), (2.2, 8)])
def test_corrections_are_those_of_torch(
    page: Any, data: Path, mu: float, steps: int
) -> None:
    move(page, "back-projection", "mu", mu)
    move(page, "back-projection", "Steps", steps)
    expected = torch_corrected(planes(data / "kingfisher.png"), mu, steps)
    assert numbers(status(page, "back-projection")) == pytest.approx(expected, rel=6e-3)


# --- the power of the loss (chapter 10) --------------------------------------------


@in_browser
def test_the_answer_is_median_mean_and_middle(page: Any) -> None:
    values = np.random.default_rng(0).random((40, 9))
    body = "return a[0].map((values) => m.answer(values, a[1]));"
    for p, expected in [
        (1, np.median(values, axis=1)),
        (2, values.mean(axis=1)),
        (200, (values.min(axis=1) + values.max(axis=1)) / 2),
    ]:
        found = call(page, "loss_power", body, values.tolist(), p)
        np.testing.assert_allclose(found, expected, atol=1e-2 if p > 2 else 2.0**-12)


@in_browser
def test_the_picture_of_the_mean_is_as_soft_as_numpys(page: Any, data: Path) -> None:
    photo = planes(data / "coffee.png")[0].numpy()
    views = [photo[:, y : y + 128, 64:192] for y in 64 + 3 * (np.arange(9) - 4)]
    softness = [
        100 * np.abs(np.diff(image, axis=2)).mean()
        for image in (np.mean(views, axis=0), views[4])
    ]
    move(page, "loss-power", "Views", 9)
    move(page, "loss-power", "p", 1)
    p, *found = numbers(status(page, "loss-power"))
    assert p == 2
    assert found == pytest.approx(softness, abs=0.006)
    move(page, "loss-power", "p", 0)
    assert numbers(status(page, "loss-power"))[1] > found[0]  # the median is sharper


# --- attention (chapter 6) ---------------------------------------------------------


@pytest.fixture(scope="module")
def attention() -> list[np.ndarray]:
    """The weights (positions, positions) of each layer of the shipped network."""
    net = checkpoints.network(None).eval()
    image = np.asarray(module_data.photo(module_data.KINGFISHER)) / np.float32(255)
    tensors = module_data.attention_tensors(
        net,
        torch.from_numpy(image).permute(2, 0, 1)[None],
        torch.from_numpy(module_data.hole()).float()[None, None],
    )
    return [
        (q.flatten(1).T.double() @ k.flatten(1).double()).softmax(dim=1).numpy()
        for q, k in tensors
    ]


@in_browser
def test_attention_is_that_of_the_network(
    page: Any, attention: list[np.ndarray]
) -> None:
    body = """const layer = (await m.layers())[a[0]];
    return Array.from(m.weights(layer, a[1]));"""
    for index, expected in enumerate(attention):
        for position in (0, len(expected) // 2 + 7, len(expected) - 1):
            found = call(page, "attention", body, index, position)
            np.testing.assert_allclose(found, expected[position], atol=1e-5, rtol=1e-3)


@in_browser
def test_a_click_shows_the_map_of_that_position(
    page: Any, attention: list[np.ndarray]
) -> None:
    module = page.locator("[data-gin-module=attention]")
    canvas = module.locator("canvas").first
    mask = module_data.hole()
    for weights in attention:
        side = round(len(weights) ** 0.5)
        module.get_by_label("Layer").select_option(f"{side} x {side}")
        box = canvas.bounding_box()
        place = {"x": 0.4 * box["width"], "y": 0.7 * box["height"]}
        canvas.click(position=place)
        row, column, share, chance, largest = numbers(status(page, "attention"))
        assert (row, column) == (int(0.7 * side), int(0.4 * side))
        cells = mask.reshape(side, 256 // side, side, 256 // side)
        known = 1 - cells.max(axis=(1, 3)).ravel()
        expected = weights[int(row * side + column)]
        assert share == pytest.approx(100 * expected @ known, abs=0.06)
        assert chance == pytest.approx(100 * known.mean(), abs=0.06)
        assert largest == pytest.approx(100 * expected.max(), abs=0.006)
        canvas.press("ArrowRight")
        assert numbers(status(page, "attention"))[1] == column + 1


# --- the training (chapter 18) -----------------------------------------------------


@in_browser
def test_the_scrubber_tells_the_recorded_values(page: Any, data: Path) -> None:
    recorded = json.loads((data / "training.json").read_text())
    module = page.locator("[data-gin-module=training]")
    for share in (0.1, 0.5, 1.0):
        step = int(share * recorded["steps"])
        move(page, "training", "Step", step)
        for name, points in recorded["curves"].items():
            before = [point for point in points if point[0] <= step]
            said = module.get_by_text(f"{name}: ").inner_text()
            if before:
                at, value = before[-1]
                value_said, at_said = said.removeprefix(f"{name}: ").split(" at step ")
                assert (int(at_said), float(value_said)) == (
                    at,
                    pytest.approx(value, rel=1e-3),
                )
            else:
                assert said == f"{name}: not yet"


def test_milestones_are_copied_in_the_order_of_their_steps(tmp_path: Path) -> None:
    run, folder = tmp_path / "run", tmp_path / "data"
    (run / "milestones").mkdir(parents=True)
    folder.mkdir()
    shutil.copy(module_data.RUN / "curves.csv", run)
    for name in ("warm-up-0900.jpg", "warm-up-50.jpg", "notes.txt"):
        (run / "milestones" / name).write_bytes(b"x")
    module_data.write_training(folder, run)
    written = json.loads((folder / "training.json").read_text())
    assert written["milestones"] == [
        {"step": 50, "file": "warm-up-50.jpg"},
        {"step": 900, "file": "warm-up-0900.jpg"},
    ]
    assert (folder / "warm-up-50.jpg").is_file()


# --- all of them -------------------------------------------------------------------


@in_browser
def test_no_module_scrolls_sideways_and_each_draws(page: Any) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    for name in ("receptive-field", "back-projection", "loss-power", "attention"):
        canvas = page.locator(f"[data-gin-module={name}] canvas").last
        shot = np.asarray(Image.open(io.BytesIO(canvas.screenshot())).convert("L"))
        assert shot.std() > 1, name


@in_browser
def test_every_control_has_a_name(page: Any) -> None:
    nameless = page.evaluate(
        """() => Array.from(document.querySelectorAll(".gin-module :is(input, select)"))
           .filter((node) => !node.labels?.length).map((node) => node.outerHTML)"""
    )
    assert not nameless
