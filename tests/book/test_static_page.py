"""The book's page without a kernel: what the browser completes is what torch does."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import in_browser
import numpy as np
import pytest
import torch
from browser import chromium, served, why_not
from PIL import Image

from gin import Inpainter, inpainting, masks, subsampling
from gin.inference import passes, regions

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())

PHOTO = in_browser.ROOT / "data" / "photos" / "monuments_colosseum.jpg"
FILE = ".gin-inpaint-choice input[type=file]"
WAIT = 120_000  # ms: a slow machine


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page's address."""
    folder = tmp_path_factory.mktemp("site")
    try:
        in_browser.build(folder)
    except in_browser.vendor.NotVendored as error:
        pytest.skip(str(error))
    with served(folder) as address:
        yield f"{address}book/page.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@contextmanager
def opened(browser: Any, site: str) -> Iterator[Any]:
    """The page with the network off; fails if anything else is asked for."""
    own = site.removesuffix("book/page.html")
    context = browser.new_context(accept_downloads=True)
    page = context.new_page()
    outside, errors = [], []

    def handle(route: Any) -> None:
        address = route.request.url
        if address.startswith((own, "blob:", "data:")):
            route.continue_()
        else:
            outside.append(address)
            route.abort()

    context.route("**/*", handle)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(site)
    page.wait_for_selector(".gin-inpaint[data-ready]", timeout=WAIT)
    yield page
    assert not outside
    assert not errors
    context.close()


@pytest.fixture(scope="module")
def shared(browser: Any, site: str) -> Iterator[Any]:
    """One page for the tests that leave it as it was."""
    with opened(browser, site) as page:
        yield page


def png(photo: Image.Image, name: str = "my.photo.png") -> dict[str, Any]:
    stream = io.BytesIO()
    photo.save(stream, "PNG")
    return {"name": name, "mimeType": "image/png", "buffer": stream.getvalue()}


def said(page: Any, words: str) -> None:
    page.wait_for_function(
        "words => document.querySelector('.gin-inpaint-status')"
        ".textContent.includes(words)",
        arg=words,
        timeout=WAIT,
    )


def downloaded(page: Any) -> tuple[np.ndarray, str]:
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download as PNG").click()
    name = waiting.value.suggested_filename
    with Image.open(waiting.value.path()) as picture:
        return np.asarray(picture.convert("RGB")), name


def middle(width: int, height: int) -> np.ndarray:
    """The hole that the page begins with."""
    inside = [np.abs(np.arange(n) - n / 2) < n / 8 for n in (height, width)]
    return np.outer(*inside).astype(np.uint8)


def completed(
    page: Any, photo: Image.Image, whole: bool = True
) -> tuple[np.ndarray, str]:
    page.get_by_label("the whole photograph").set_checked(whole)
    page.set_input_files(FILE, png(photo))
    said(page, f"my.photo.png: {photo.width} × {photo.height} px")
    page.get_by_role("button", name="Fill the hole").click()
    said(page, "Filled in")
    return downloaded(page)


@pytest.mark.parametrize("size", [(256, 256), (512, 512), (300, 203)])
def test_the_browser_gives_torchs_picture(shared: Any, size: tuple[int, int]) -> None:
    photo = Image.open(PHOTO).convert("RGB").resize(size)
    found, name = completed(shared, photo)
    hole = middle(*size)
    inpaint = Inpainter.from_pretrained(device="cpu", precision="float32")
    expected = np.asarray(inpaint(photo, hole, region="whole"))
    gap = np.abs(found.astype(int) - expected)
    assert gap.max() <= 1, f"{gap.max()} levels"
    assert (gap > 0).mean() < 1e-3
    assert np.array_equal(found[hole == 0], np.asarray(photo)[hole == 0])
    assert (found[hole == 1] != np.asarray(photo)[hole == 1]).any()
    assert name == "my.photo.completed.png"


@pytest.mark.parametrize(
    "size", [(256, 256), (257, 40), (700, 300), (16, 900), (1200, 40), (700, 17)]
)
def test_phases_are_those_of_gin(shared: Any, size: tuple[int, int]) -> None:
    width, height = size
    numbers = torch.arange(width * height).view(1, 1, height, width)
    strides = inpainting._strides(height, width)
    padded = passes.pad(numbers, (16 * strides[0], 16 * strides[1]))
    expected = subsampling.split(padded, strides)
    found = shared.evaluate(
        """async ([width, height]) => {
          const { division, phase } = await import("../_static/inpaint/phases.js");
          const { down, across } = division(width, height);
          const parts = [];
          for (let i = 0; i < down * across; i++) {
            const dy = Math.floor(i / across);
            const { pixels, own } = phase(width, height, dy, i % across);
            parts.push([Array.from(pixels), Array.from(own)]);
          }
          return parts;
        }""",
        size,
    )
    assert [pixels for pixels, _ in found] == expected.flatten(1).tolist()
    own = [p for pixels, mine in found for p, o in zip(pixels, mine, strict=True) if o]
    assert sorted(own) == list(range(width * height))


@pytest.mark.parametrize("size", [(256, 256), (300, 203), (700, 500), (1100, 900)])
def test_the_browser_completes_the_same_crops(
    shared: Any, size: tuple[int, int]
) -> None:
    photo = Image.open(PHOTO).convert("RGB").resize(size)
    found, _ = completed(shared, photo, whole=False)
    hole = middle(*size)
    inpaint = Inpainter.from_pretrained(device="cpu", precision="float32")
    expected = np.asarray(inpaint(photo, hole))
    gap = np.abs(found.astype(int) - expected)
    assert gap.max() <= 2, f"{gap.max()} levels"
    assert (gap > 0).mean() < 2e-3
    assert np.array_equal(found[hole == 0], np.asarray(photo)[hole == 0])


PLAN = """async ([bits, [height, width]]) => {
  const { plan } = await import("../_static/inpaint/regions.js");
  const list = ({ top, left, bottom, right }) => [top, bottom, left, right];
  const mask = Uint8Array.from(bits, Number);
  return plan(mask, [height, width]).map(({ window, size, tiles }) => [
    list(window), size, tiles.map(({ tile, core }) => [list(tile), list(core)]),
  ]);
}"""


def random_hole(rng: np.random.Generator) -> np.ndarray:
    """A few rectangles and strokes anywhere in a photograph of any size."""
    height, width = rng.integers(16, 1500, 2)
    mask = np.zeros((height, width), np.uint8)
    for _ in range(rng.integers(1, 5)):
        side = rng.integers(1, 1 + rng.choice([40, 200, 600]), 2).clip(1, mask.shape)
        top, left = rng.integers(0, np.array(mask.shape) - side + 1)
        part = mask[top : top + side[0], left : left + side[1]]
        if min(part.shape) >= 16 and rng.random() < 0.5:
            part |= masks.free_form(*part.shape, rng)
        else:
            part[:] = 1
    mask[0, 0] = 0  # something is known
    return mask


def sides(window: regions.Window, shape: tuple[int, int]) -> list[int]:
    """First and last row, first and last column; a core may reach beyond the edge."""
    spans = [part.indices(side) for part, side in zip(window, shape, strict=True)]
    return [value for start, stop, _ in spans for value in (start, stop)]


@pytest.mark.parametrize("seed", range(25))
def test_crops_and_tiles_are_those_of_gin(shared: Any, seed: int) -> None:
    mask = random_hole(np.random.default_rng(seed))
    expected = [
        [
            sides(crop.window, mask.shape),
            [*crop.size],
            [[sides(part, crop.size) for part in tile] for tile in crop.tiles],
        ]
        for crop in regions.plan(mask)
    ]
    bits = "".join(map(str, mask.ravel()))
    found = shared.evaluate(PLAN, [bits, [*mask.shape]])
    assert sorted(found) == sorted(expected)


@pytest.mark.parametrize("kind", ["rectangular", "free_form", "cellular_automata"])
def test_random_masks_hide_something_and_not_all(shared: Any, kind: str) -> None:
    areas = shared.evaluate(
        """async (kind) => {
          const { randomMask } = await import("../_static/inpaint/masks.js");
          return Array.from({ length: 20 }, () => {
            const mask = randomMask(kind, 90, 60);
            const zeros = mask.filter((value) => value === 0).length;
            const ones = mask.filter((value) => value === 1).length;
            return zeros + ones === 5400 ? ones / 5400 : NaN;
          });
        }""",
        kind,
    )
    assert all(0 < area <= 0.95 for area in areas)
    if kind == "rectangular":
        assert all(0.08 < area < 0.5 for area in areas)


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (("notes.png", b"no picture"), "notes.png: not a picture"),
        (("IMG 1.HEIC", b"\0\0\0\x18ftypheic"), "IMG 1.HEIC: is HEIC, which this"),
        (("small.png", (15, 40)), "small.png: 15 × 40 px; expected at least 16 px"),
        (("large.png", (8000, 7000)), "large.png: 56 megapixels; expected at most 50"),
    ],
)
def test_a_bad_file_is_refused_and_nothing_lost(
    shared: Any, file: tuple[str, bytes | tuple[int, int]], words: str
) -> None:
    name, content = file
    seen = "document.querySelector('.gin-painter-stage canvas').toDataURL()"
    before = shared.evaluate(seen)
    if isinstance(content, tuple):
        buffer = png(Image.new("L", content))["buffer"]
    else:
        buffer = content
    shared.set_input_files(FILE, {"name": name, "mimeType": "", "buffer": buffer})
    said(shared, words)
    assert shared.evaluate(seen) == before


PASTE = """async () => {
  const canvas = new OffscreenCanvas(90, 60);
  canvas.getContext("2d").fillRect(0, 0, 30, 30);
  const blob = await canvas.convertToBlob({ type: "image/png" });
  await navigator.clipboard.write([new ClipboardItem({ "image/png": blob })]);
}"""


def test_a_picture_is_pasted(browser: Any, site: str) -> None:
    with opened(browser, site) as page:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.evaluate(PASTE)
        page.locator(".gin-painter-stage").focus()
        page.keyboard.press("Control+v")
        said(page, "90 × 60 px")
        page.get_by_role("button", name="Fill the hole").click()
        said(page, "Filled in")


def test_a_mask_from_a_file_is_filled(browser: Any, site: str) -> None:
    photo = Image.open(PHOTO).convert("RGB").resize((256, 256))
    mask = masks.free_form(256, 256, np.random.default_rng(1))
    file = png(Image.fromarray(255 * mask), "mask.png")
    with opened(browser, site) as page:
        page.set_input_files(FILE, png(photo))
        said(page, "my.photo.png: 256 × 256 px")
        page.set_input_files(".gin-painter input[type=file]", file)
        missing = f"{100 * mask.mean():.1f} % missing"
        page.get_by_text(missing, exact=True).wait_for()
        page.get_by_role("button", name="Fill the hole").click()
        said(page, "Filled in")
        found, _ = downloaded(page)
    changed = (found != np.asarray(photo)).any(axis=2)
    assert changed.any()
    assert not changed[mask == 0].any()


def test_the_keyboard_alone_fills_a_hole_and_an_empty_mask_is_refused(
    browser: Any, site: str
) -> None:
    with opened(browser, site) as page:
        page.keyboard.press("Tab")
        focused = "document.activeElement.textContent || document.activeElement.type"
        assert "Aitzgorri" in page.evaluate(focused)
        page.keyboard.press("ArrowDown")
        said(page, "Colosseum, by ")
        clear = page.get_by_role("button", name="Clear")
        clear.focus()
        page.keyboard.press("Enter")
        _tab_to(page, "Fill the hole")
        page.keyboard.press("Enter")
        said(page, "Nothing is painted")
        page.get_by_role("button", name="Undo").focus()
        page.keyboard.press("Enter")
        _tab_to(page, "Fill the hole")
        page.keyboard.press("Enter")
        said(page, "Filled in")
        _tab_to(page, "range")
        before = page.locator(".gin-inpaint-compare canvas").last
        page.keyboard.press("End")
        assert "inset(0px 0%" in before.evaluate("node => node.style.clipPath")


def _tab_to(page: Any, name: str) -> None:
    focused = "document.activeElement.textContent || document.activeElement.type"
    for _ in range(40):
        if page.evaluate(focused) == name:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not come to {name!r}")


def test_a_network_that_cannot_be_loaded_is_said_and_can_be_tried_again(
    browser: Any, site: str
) -> None:
    with opened(browser, site) as page:
        page.context.route("**/*.onnx", lambda route: route.abort())
        page.get_by_role("button", name="Fill the hole").click()
        said(page, "The network could not be loaded")
        page.context.unroute("**/*.onnx")
        page.get_by_role("button", name="Fill the hole").click()
        said(page, "Filled in")


def test_stop_ends_a_long_run_and_keeps_the_mask(browser: Any, site: str) -> None:
    with opened(browser, site) as page:
        page.set_input_files(FILE, png(Image.open(PHOTO).resize((2048, 1024))))
        said(page, "2048 × 1024 px")
        page.get_by_label("the whole photograph").check()
        page.get_by_role("button", name="Fill the hole").click()
        said(page, "part 2 of 64")
        page.get_by_role("button", name="Stop").click()
        said(page, "Stopped")
        assert page.get_by_role("button", name="Fill the hole").is_enabled()
        assert "6.2" in page.locator(".gin-painter-facts").inner_text()


def test_every_control_has_a_name(shared: Any) -> None:
    nameless = shared.evaluate(
        """() => Array.from(document.querySelectorAll(
             ".gin-inpaint :is(button, input, select, progress)"))
           .filter((node) => !(node.ariaLabel || node.getAttribute("aria-label")
             || node.title || node.textContent.trim() || node.labels?.length))
           .map((node) => node.outerHTML)"""
    )
    assert not nameless


SENT = """async (address) => {
  const photograph = { method: "POST", body: "a photograph", mode: "no-cors" };
  return fetch(address, photograph).then(() => "sent", () => "refused");
}"""


def test_the_browser_lets_nothing_leave_the_page(browser: Any, site: str) -> None:
    with opened(browser, site) as page:
        page.get_by_role("button", name="Fill the hole").click()
        said(page, "Filled in")
        (worker,) = page.workers
        for place in (page, worker):
            assert place.evaluate(SENT, "https://elsewhere.invalid/") == "refused"
        # `opened` finds no attempt: the browser refused before it asked.
