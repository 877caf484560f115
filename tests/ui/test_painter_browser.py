"""The painter in a real browser, first on a page of its own, then in JupyterLab."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import browser as tools
import numpy as np
import pytest
from painter_page import Stage, boxed, stroked, write_page
from PIL import Image, ImageFilter

from gin import masks

reason = tools.why_not()
pytestmark = pytest.mark.skipif(bool(reason), reason=reason)

ROOT = Path(__file__).parents[2]
SIZE = (400, 300)
DENSITIES = pytest.mark.parametrize("density", [1, 2])


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with tools.chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("page")
    write_page(folder)
    Image.linear_gradient("L").resize(SIZE).save(folder / "photo.png")
    (folder / "text.png").write_text("no picture")
    with tools.served(folder) as url:
        yield url


@pytest.fixture
def visit(chromium: Any, address: str) -> Iterator[Any]:
    """Opens the page with one editor; errors on it fail the test."""
    contexts, errors = [], []

    def open_page(density: float = 1, options: str = "{}", **context: Any) -> Any:
        context = {"viewport": {"width": 900, "height": 800}, **context}
        contexts.append(chromium.new_context(device_scale_factor=density, **context))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address)
        page.wait_for_function("window.isLoaded")
        page.evaluate(f"create({options})")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not errors


def mask_of(page: Any, number: int = 0) -> np.ndarray:
    values = page.evaluate(f"Array.from(editors[{number}].getMask()).join('')")
    width, height = SIZE
    digits = np.frombuffer(values.encode(), np.uint8) - ord("0")
    return digits.reshape(height, width)


def same(page: Any, expected: np.ndarray) -> bool:
    return np.array_equal(mask_of(page), expected)


@DENSITIES
def test_a_rectangle_covers_the_pixels_from_the_first_to_the_last(visit, density):
    page = visit(density)
    stage = Stage(page, SIZE)
    stage.choose("Rectangle")
    stage.drag((40.5, 30.5), (60.2, 30.7), (129.5, 99.5))
    assert same(page, boxed(SIZE, (40, 30), (129, 99)))
    stage.drag((399.4, 299.4), (380.5, 290.5))  # towards the upper left
    expected = boxed(SIZE, (40, 30), (129, 99)) | boxed(SIZE, (380, 290), (399, 299))
    assert same(page, expected)
    assert page.evaluate("changes.length") == 2
    assert stage.missing == f"{100 * expected.mean():.1f} % missing"


@DENSITIES
@pytest.mark.parametrize("remainder", [0, 1])
def test_a_stroke_covers_what_lies_within_half_a_brush(visit, density, remainder):
    page = visit(density)
    stage = Stage(page, SIZE)
    size = stage.brush_of(remainder)
    line = [(60.2, 50.4), (160.6, 90.7), (161.1, 200.3), (-30.0, 250.0), (300.7, 20.2)]
    stage.drag(*line)
    assert same(page, stroked(SIZE, stage.near(*line), size))


def test_a_brush_of_one_pixel_paints_the_pixel_under_the_pointer(visit):
    page = visit()
    stage = Stage(page, SIZE)
    stage.stage.focus()
    while stage.brush > 1:
        page.keyboard.press("[")
    stage.drag((100.5, 80.5))
    assert same(page, boxed(SIZE, (100, 80), (100, 80)))
    stage.drag((10.5, 10.5), (90.5, 37.5))
    columns = mask_of(page)[:, 10:91].sum(axis=0)
    assert set(columns) <= {1, 2}  # without a gap


def test_the_eraser_and_alt_take_away(visit):
    page = visit()
    stage = Stage(page, SIZE)
    stage.choose("Invert")
    stage.choose("Eraser")
    line = [(60.2, 50.4), (160.6, 90.7)]
    stage.drag(*line)
    expected = 1 - stroked(SIZE, stage.near(*line), stage.brush)
    assert same(page, expected)
    stage.choose("Rectangle")
    page.keyboard.down("Alt")
    stage.drag((200.5, 100.5), (260.5, 180.5))
    page.keyboard.up("Alt")
    assert same(page, expected & (1 - boxed(SIZE, (200, 100), (260, 180))))


@pytest.mark.parametrize("way", ["freehand", "double-click", "Enter", "first corner"])
def test_the_lasso_fills_what_it_encloses(visit, way):
    page = visit()
    stage = Stage(page, SIZE)
    stage.choose("Lasso or polygon")
    # Twice round, which leaves no hole.
    corners = [(50.2, 60.2), (120.2, 60.2), (120.2, 150.2), (50.2, 150.2)] * 2
    if way == "freehand":
        stage.drag(*corners)
    elif way == "first corner":
        for corner in [*corners[:4], corners[0]]:
            page.mouse.click(*stage.at(corner))
    else:
        for corner in corners[1:4]:
            page.mouse.click(*stage.at(corner))
        last = stage.at(corners[4])
        if way == "Enter":
            page.mouse.click(*last)
            page.keyboard.press("Enter")
        else:
            page.mouse.dblclick(*last)
    assert same(page, boxed(SIZE, (50, 60), (119, 149)))
    assert page.evaluate("changes.length") == 1


def test_escape_gives_up_what_is_not_finished(visit):
    page = visit()
    stage = Stage(page, SIZE)
    stage.choose("Lasso or polygon")
    for corner in [(50, 60), (120, 60), (120, 150)]:
        page.mouse.click(*stage.at(corner))
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    stage.choose("Brush")
    page.mouse.move(*stage.at((200, 200)))
    page.mouse.down()
    page.mouse.move(*stage.at((250, 200)))
    page.keyboard.press("Escape")
    page.mouse.up()
    assert not mask_of(page).any()
    assert page.evaluate("changes.length") == 0


@DENSITIES
def test_a_zoomed_view_paints_the_pixel_that_is_seen(visit, density):
    page = visit(density)
    stage = Stage(page, SIZE)
    x, y = stage.at((120.5, 200.5))
    page.mouse.move(x, y)
    page.keyboard.down("Control")
    for _ in range(6):
        page.mouse.wheel(0, -300)
    page.keyboard.up("Control")
    stage.choose("Rectangle")
    page.mouse.move(x, y)  # zooming kept this point in its place
    page.mouse.down()
    page.mouse.up()
    assert same(page, boxed(SIZE, (120, 200), (120, 200)))
    stage.choose("Move the view")
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 90, y - 40)
    page.mouse.up()
    stage.choose("Rectangle")
    page.mouse.move(x + 90, y - 40)
    page.keyboard.down("Alt")
    page.mouse.down()
    page.mouse.up()
    assert not mask_of(page).any()


def test_what_is_missing_is_seen_where_it_is(visit, tmp_path):
    page = visit(2)
    stage = Stage(page, SIZE)
    stage.stage.screenshot(path=tmp_path / "before.png")
    stage.choose("Rectangle")
    stage.drag((100.5, 100.5), (199.5, 149.5))
    page.mouse.move(0, 0)
    page.evaluate("new Promise(done => requestAnimationFrame(() => done()))")
    stage.stage.screenshot(path=tmp_path / "after.png")
    before, after = (
        np.asarray(Image.open(tmp_path / name).convert("RGB")).astype(int)
        for name in ("before.png", "after.png")
    )
    box = stage.stage.bounding_box()
    edges = [stage.at(point) for point in [(100, 100), (200, 150)]]
    (left, top), (right, bottom) = (
        (round(2 * (x - box["x"])), round(2 * (y - box["y"]))) for x, y in edges
    )
    changed = np.abs(after - before).max(axis=2) > 20
    assert changed[top + 2 : bottom - 2, left + 2 : right - 2].all()
    changed[top - 2 : bottom + 2, left - 2 : right + 2] = False
    changed[:8] = changed[-8:] = changed[:, :8] = changed[:, -8:] = False  # the ring
    assert not changed.any()


def test_undo_and_redo_walk_through_every_step(visit):
    page = visit(
        options="{ random: (kind, w, h) => new Uint8Array(w * h).fill(1, 9, 99) }"
    )
    stage = Stage(page, SIZE)
    steps = [mask_of(page)]
    stage.drag((60, 50), (160, 90))
    steps.append(mask_of(page))
    for name in ("Invert", "Random blobs", "Clear", "Invert"):
        stage.choose(name)
        steps.append(mask_of(page))
    assert steps[3].sum() == 90
    for step in reversed(steps[:-1]):
        page.keyboard.press("Control+z")
        assert same(page, step)
    page.keyboard.press("Control+z")
    assert stage.status == "Nothing to undo."
    for step in steps[1:3]:
        page.keyboard.press("Control+Shift+Z")
        assert same(page, step)
    stage.choose("Redo")
    assert same(page, steps[3])
    stage.drag((60, 50), (160, 90))
    page.keyboard.press("Control+y")
    assert stage.status == "Nothing to redo."
    assert page.evaluate("changes.length") == 5 + 5 + 3 + 1


class Hand:
    """Fingers on a painter's stage; each call says where all of them are."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.line = stage.page.context.new_cdp_session(stage.page)

    def __call__(self, kind: str, *points: tuple[float, float]) -> None:
        places = [self.stage.at(point) for point in points]
        touches = [{"x": x, "y": y, "id": k} for k, (x, y) in enumerate(places)]
        event = {"type": f"touch{kind}", "touchPoints": touches}
        self.line.send("Input.dispatchTouchEvent", event)


@DENSITIES
def test_a_finger_paints_and_two_fingers_zoom(visit, density):
    page = visit(density, has_touch=True, is_mobile=True)
    stage = Stage(page, SIZE)
    line = [(60.2, 50.4), (160.6, 90.7), (161.1, 200.3)]
    hand = Hand(stage)
    hand("Start", line[0])
    for point in line[1:]:
        hand("Move", point)
    hand("End")
    expected = stroked(SIZE, stage.near(*line), stage.brush)
    assert same(page, expected)
    hand("Start", (150, 150))
    hand("Move", (155, 150))
    hand("Start", (155, 150), (250, 150))
    hand("Move", (105, 150), (300, 150))
    hand("End")
    assert same(page, expected)
    scale = page.evaluate("editors[0].view.scale / editors[0].view.smallest")
    assert scale == pytest.approx(195 / 95, rel=0.1)
    assert page.evaluate("changes.length") == 1


def test_a_pen_paints(visit):
    page = visit()
    stage = Stage(page, SIZE)
    line = page.context.new_cdp_session(page)
    points = [(60.2, 50.4), (160.6, 90.7)]
    for kind, point, buttons in [
        ("mousePressed", points[0], 1),
        ("mouseMoved", points[1], 1),
        ("mouseReleased", points[1], 0),
    ]:
        x, y = stage.at(point)
        event = {"type": kind, "x": x, "y": y, "buttons": buttons, "pointerType": "pen"}
        line.send("Input.dispatchMouseEvent", event | {"button": "left", "force": 0.5})
    assert same(page, stroked(SIZE, stage.near(*points), stage.brush))


def focused(page: Any) -> str:
    return page.evaluate("document.activeElement.getAttribute('aria-label') ?? ''")


def test_everything_can_be_done_by_keyboard_alone(visit):
    page = visit(
        options="{ random: (kind, w, h) => new Uint8Array(w * h).fill(1, 9, 99) }"
    )
    stage, press = Stage(page, SIZE), page.keyboard.press
    reached = []
    while not focused(page).startswith("Photograph"):
        press("Tab")
        reached.append(focused(page))
    assert {"Brush", "Brush size", "Random strokes", "Clear", "Show all"} <= {*reached}
    press("r")
    press(" ")
    for _ in range(5):
        press("ArrowRight")  # 400 / 64: 6 px
        press("Shift+ArrowDown")
    press(" ")
    expected = boxed(SIZE, (200, 150), (230, 155))
    assert same(page, expected)
    press("b")
    press(" ")
    press("ArrowLeft")
    press(" ")
    expected |= stroked(SIZE, [(230.5, 155.5), (224.5, 155.5)], stage.brush)
    assert same(page, expected)
    press("Control+z")
    press("Control+Shift+Z")
    press("i")
    assert same(page, 1 - expected)
    press("Delete")
    press("l")
    for arrow in ("ArrowRight", "ArrowDown", "ArrowLeft"):
        press(" ")
        for _ in range(5):
            press(arrow)
    press(" ")
    press("Enter")
    # Corners lie on pixel centres: the left and upper edge belong to the shape or not.
    assert mask_of(page)[156:185, 225:254].all()
    assert 29 * 29 <= mask_of(page).sum() <= 31 * 31
    for _ in range(8):
        press("+")
    for _ in range(80):
        press("ArrowUp")
    assert stage.status.endswith(", 0")
    press("0")
    for name in reversed(reached):
        press("Shift+Tab")
        if name == "Random strokes":
            break
    press("Enter")
    assert mask_of(page).sum() == 90


def test_every_control_has_a_name(visit):
    page = visit(options="{ random: () => undefined }")
    line = page.context.new_cdp_session(page)
    nodes = line.send("Accessibility.getFullAXTree")["nodes"]
    controls = [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in nodes
        if any(p["name"] == "focusable" for p in node.get("properties", []))
        and node["role"]["value"] != "RootWebArea"
    ]
    names = [name for _, name in controls]
    assert len(controls) == 5 + 1 + 6 + 3 + 3 + 1 + 1
    assert all(names)
    assert len({*names}) == len(names)
    assert ("slider", "Brush size") in controls
    assert ("application", "Photograph, 400 by 300 pixels") in controls
    assert (
        page.locator("button[aria-pressed=true]").get_attribute("title") == "Brush (B)"
    )


def test_two_painters_on_a_page_do_not_meet(visit):
    page = visit(viewport={"width": 600, "height": 1200})
    page.evaluate("create()")
    for number, tool in enumerate(["Rectangle", "Brush"]):
        stage = Stage(page, SIZE, number)
        stage.choose(tool)
        stage.drag((40.5, 30.5), (129.5, 99.5))
    expected = stroked(SIZE, stage.near((40.5, 30.5), (129.5, 99.5)), stage.brush)
    assert np.array_equal(mask_of(page, 1), expected)
    page.keyboard.press("Control+z")
    assert not mask_of(page, 1).any()
    assert same(page, boxed(SIZE, (40, 30), (129, 99)))
    page.evaluate("editors[0].destroy()")
    assert page.locator(".gin-painter").count() == 1


def test_bad_input_is_a_sentence_and_loses_nothing(visit):
    page = visit()
    stage = Stage(page, SIZE)
    stage.drag((60, 50), (160, 90))
    before = mask_of(page)

    def failed(call: str) -> str:
        return page.evaluate(f"(async () => {call})().catch(e => e.message)")

    assert failed("editors[0].setImage('text.png')") == stage.status
    assert stage.status == "This is not a picture that the browser can show."
    failed("editors[0].setImage('photo.png', { width: 10000, height: 6000 })")
    expected = "60.0 megapixels (10000 x 6000); expected at most 50."
    assert stage.status == f"The photograph has {expected}"
    message = failed("editors[0].setMask(new Uint8Array(7))")
    assert message == "The mask has 7 values; expected 400 x 300 = 120000."
    message = failed("editors[0].setMask(new Uint8Array(120000).fill(255))")
    assert message == "The mask has the value 255; expected 0 and 1 only."
    assert same(page, before)
    page.keyboard.press("Control+z")
    assert not mask_of(page).any()


def test_masks_are_set_packed_and_told(visit):
    page = visit()
    size = SIZE[0] * SIZE[1]
    packed = page.evaluate(
        f"""(async () => {{
        const mask = new Uint8Array({size}).map((_, i) => (i * i) % 7 < 2);
        editors[0].setMask(mask);
        const bits = masks.packMask(editors[0].getMask());
        const back = await masks.inflate(await masks.deflate(bits));
        editors[0].setMask(masks.unpackMask(back, mask.length));
        return Array.from(bits);
    }})()"""
    )
    expected = (np.arange(size) ** 2 % 7 < 2).reshape(SIZE[::-1])
    assert same(page, expected)
    assert np.array_equal(np.packbits(expected), packed)
    assert page.evaluate("changes.length") == 0


@pytest.mark.parametrize("size", [(390, 844), (1280, 900)])
def test_no_page_scrolls_sideways(visit, size):
    width, height = size
    page = visit(
        options="{ random: () => undefined }",
        viewport={"width": width, "height": height},
        has_touch=width < 500,
        is_mobile=width < 500,
    )
    assert page.evaluate("document.documentElement.scrollWidth") == width
    if width < 500:
        sides = page.evaluate(
            "[...document.querySelectorAll('button')].map(b => b.offsetWidth)"
        )
        assert min(sides) >= 44


def test_dark_pages_and_systems_get_a_dark_painter(visit):
    def ground(page: Any) -> str:
        return page.evaluate(
            "getComputedStyle(document.querySelector('.gin-painter')).backgroundColor"
        )

    dark, light = "rgb(23, 25, 29)", "rgb(255, 255, 255)"
    page = visit(color_scheme="dark")
    assert ground(page) == dark
    page.evaluate("document.body.dataset.jpThemeLight = 'true'")
    assert ground(page) == light
    page = visit(color_scheme="light")
    assert ground(page) == light
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert ground(page) == dark


def test_the_cursor_is_drawn_for_the_keyboard_alone(visit):
    page = visit()
    stage = Stage(page, SIZE)
    outline = stage.root.locator("svg path.over")
    stage.drag((40.5, 30.5), (129.5, 99.5))
    page.mouse.move(1, 1)
    assert not outline.get_attribute("d")
    page.keyboard.press("ArrowRight")
    assert outline.get_attribute("d").endswith("v18")  # the cross
    stage.root.get_by_role("button", name="Undo", exact=True).focus()
    assert not outline.get_attribute("d")


@pytest.mark.parametrize(
    "style", ["transform: scale(0.6)", "transform: scale(1.3)", "zoom: 1.4"]
)
def test_the_pointer_is_right_where_the_page_scales_the_painter(visit, style):
    page = visit(viewport={"width": 1400, "height": 1000})
    main = "document.querySelector('main').style.cssText"
    page.evaluate(f"{main} = 'width: 700px; transform-origin: 0 0; {style}'")
    page.wait_for_timeout(200)
    stage = Stage(page, SIZE)
    x, y = stage.at((200, 150))
    page.mouse.move(x, y)
    page.keyboard.down("Control")
    for _ in range(4):
        page.mouse.wheel(0, -300)
    page.keyboard.up("Control")
    at = page.evaluate("editors[0].hovered")
    page.mouse.move(x + 1, y)
    page.mouse.move(x, y)  # zooming kept this point in its place
    assert page.evaluate("editors[0].hovered") == pytest.approx(at, abs=0.01)
    stage.choose("Show all")
    line = [(60.2, 50.4), (160.6, 90.7), (161.1, 200.3), (300.7, 20.2)]
    stage.drag(*line)
    expected = stroked(SIZE, stage.near(*line), stage.brush)
    found = mask_of(page)
    assert (found != expected).mean() < 2e-4  # a point on the border of a pixel
    assert found.any()


def picture_file(name: str, picture: Image.Image, **options: Any) -> dict[str, Any]:
    stream = io.BytesIO()
    picture.save(stream, Path(name).suffix[1:], **options)
    return {"name": name, "mimeType": "image/*", "buffer": stream.getvalue()}


def mask_files() -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    mask = masks.free_form(SIZE[1], SIZE[0], rng)
    clear = np.zeros((*mask.shape, 4), np.uint8)
    clear[..., 0], clear[..., 3] = 200, 255 * mask
    soft = Image.fromarray(255 * mask).filter(ImageFilter.GaussianBlur(1))
    labels = Image.fromarray(mask + np.uint8(1))
    return [
        picture_file("plain.png", Image.fromarray(255 * mask)),
        picture_file("one bit.png", Image.fromarray(255 * mask).convert("1")),
        picture_file("zero and one.png", Image.fromarray(mask)),
        picture_file("labels.png", labels),
        picture_file("clear.png", Image.fromarray(clear)),
        picture_file("noise.jpeg", Image.fromarray(255 * mask), quality=60),
        picture_file("soft.png", soft),
    ]


@pytest.mark.parametrize("file", mask_files(), ids=lambda file: file["name"])
def test_a_mask_from_a_file_is_the_one_that_gin_reads(visit, file):
    page = visit()
    stage = Stage(page, SIZE)
    stage.drag((60, 50), (160, 90))
    before = mask_of(page)
    with page.expect_file_chooser() as chooser:
        stage.choose("Load a mask from a file")
    chooser.value.set_files([file])
    page.wait_for_function("changes.length == 2")
    picture = Image.open(io.BytesIO(file["buffer"]))
    assert same(page, masks.load_mask(picture, SIZE))
    stage.choose("Undo")
    assert same(page, before)


def test_a_saved_mask_can_be_loaded(visit, tmp_path):
    page = visit()
    stage = Stage(page, SIZE)
    stage.drag((60, 50), (160, 90))
    before = mask_of(page)
    with page.expect_download() as waiting:
        stage.choose("Save the mask as PNG")
    waiting.value.save_as(tmp_path / "mask.png")
    assert np.array_equal(masks.load_mask(tmp_path / "mask.png", SIZE), before)
    stage.choose("Clear")
    stage.root.locator("input[type=file]").set_input_files(tmp_path / "mask.png")
    page.wait_for_function("changes.length == 3")
    assert same(page, before)


def bad_masks() -> list[tuple[dict[str, Any], str]]:
    with Image.open(ROOT / "data" / "photos" / "avatars_pancakes.jpg") as photo:
        photo = photo.convert("RGB").resize(SIZE)
    empty = Image.new("L", SIZE)
    return [
        ({"name": "My Notes.png", "mimeType": "", "buffer": b"no"}, "not a picture"),
        (
            picture_file("size.png", Image.new("L", (40, 30))),
            "has 40 x 30 px; expected",
        ),
        (picture_file("photo.jpeg", photo), "coloured; expected a mask"),
        (
            picture_file("grey.png", Image.linear_gradient("L").resize(SIZE)),
            "grey; exp",
        ),
        (picture_file("empty.png", empty), "no pixel is white"),
    ]


@pytest.mark.parametrize(
    ("file", "words"), bad_masks(), ids=lambda case: str(case)[:30]
)
def test_a_file_that_is_no_mask_is_refused_by_its_name(visit, file, words):
    page = visit()
    stage = Stage(page, SIZE)
    stage.drag((60, 50), (160, 90))
    before = mask_of(page)
    stage.root.locator("input[type=file]").set_input_files([file])
    stage.root.get_by_text(words).wait_for()
    assert stage.status.startswith(f"{file['name']}: ")
    assert same(page, before)
