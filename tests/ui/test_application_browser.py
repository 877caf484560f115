"""The app end to end in a browser: in JupyterLab, and as a page served by Voila."""

import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import browser as tools
import nbformat
import numpy as np
import pytest
from painter_page import Stage, boxed
from PIL import Image

import gin

reason = tools.why_not()
pytestmark = pytest.mark.skipif(bool(reason), reason=reason)

ROOT = Path(__file__).parents[2]
SIZE = (160, 120)
BOX = (40, 30), (99, 79)
CONTROLS = {"button", "slider", "checkbox", "radio", "combobox", "textbox"}
CELL = "import gin\napp = gin.app('photo.png')\napp"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with tools.chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    with Image.open(ROOT / "data" / "photos" / "erase_alpaca.jpg") as photo:
        return photo.convert("RGB").resize(SIZE)


@pytest.fixture(scope="module")
def expected(photo: Image.Image) -> Image.Image:
    return gin.Inpainter.from_pretrained()(photo, boxed(SIZE, *BOX))


class Page:
    """The app on a page, used as a person uses it."""

    def __init__(self, page: Any) -> None:
        self.page = page
        page.set_default_timeout(120_000)  # machines may be slow
        self.connection = tools.Connection(page)
        self.source = page.locator(".gin-app-source")
        self.outcome = page.locator(".gin-app-outcome")
        self.painter = Stage(page, SIZE, 1)  # between the two

    def paint(self) -> None:
        self.painter.choose("Rectangle")
        self.painter.drag(*(np.add(BOX, 0.5).tolist()))
        self.painter.root.get_by_text("15.6 % missing").wait_for()

    def says(self, words: str | re.Pattern[str]) -> None:
        self.outcome.get_by_role("status").get_by_text(words).wait_for()

    @property
    def result(self) -> str:
        """The address of the picture that is shown: another for each completion."""
        return self.outcome.locator("img").nth(1).get_attribute("src")

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def upload(self, name: str, content: bytes) -> None:
        file = {"name": name, "mimeType": "image/png", "buffer": content}
        self.source.locator("input[type=file]").set_input_files([file])

    def download(self) -> tuple[str, Image.Image]:
        with self.page.expect_download() as found:
            self.press("Download PNG")
        return found.value.suggested_filename, Image.open(found.value.path())

    def completes(self, name: str, expected: Image.Image) -> None:
        """Paint, complete and download; the file has this name and these pixels."""
        self.paint()
        self.press("Complete")
        self.says(re.compile(r"DeepGIN, shipped weights: \d+\.\d s"))
        found, file = self.download()
        assert found == name
        np.testing.assert_array_equal(pixels(file), pixels(expected))

    def controls(self) -> list[tuple[str, str]]:
        """Role and name of everything that can be used, as a screen reader has it."""
        line = self.page.context.new_cdp_session(self.page)
        root = "document.querySelector('.gin-app').closest('.widget-box')"
        found = line.send("Runtime.evaluate", {"expression": root})["result"]
        asked = {"objectId": found["objectId"]}
        nodes = line.send("Accessibility.queryAXTree", asked)["nodes"]
        shown = [n for n in nodes if not n["ignored"]]
        named = [(n["role"]["value"], n["name"]["value"]) for n in shown]
        return [(role, name) for role, name in named if role in CONTROLS]

    def cut_off(self) -> list[str]:
        """What does not fit: labels that are cut, and a page that scrolls sideways."""
        return self.page.evaluate(
            """() => [...document.querySelectorAll(".gin-app, .gin-app *")].filter(
              (node) => !(node instanceof HTMLInputElement)
                && node.clientWidth && node.scrollWidth > node.clientWidth + 1
            ).map((node) => node.outerHTML.slice(0, 80))"""
        )


def pixels(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.convert("RGB"))


def png(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "png")
    return stream.getvalue()


# --- JupyterLab --------------------------------------------------------------------


@pytest.fixture(scope="module")
def lab(
    tmp_path_factory: pytest.TempPathFactory, photo: Image.Image
) -> Iterator[tools.JupyterLab]:
    folder = tmp_path_factory.mktemp("lab")
    photo.save(folder / "photo.png")
    kernel = {"name": "python3", "display_name": "Python 3"}
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(CELL)], metadata={"kernelspec": kernel}
    )
    nbformat.write(notebook, folder / "main.ipynb")
    server = tools.JupyterLab(folder)
    yield server
    server.close()


@pytest.fixture(scope="module")
def app(lab: tools.JupyterLab, chromium: Any) -> Page:
    app = Page(chromium.new_page(viewport={"width": 1280, "height": 1600}))
    app.page.goto(lab.address("main.ipynb"))
    tools.run_cell(app.page)
    app.outcome.wait_for()
    app.painter.root.get_by_text("0.0 % missing", exact=True).wait_for()
    return app


def test_nothing_painted_is_said_on_the_page(app: Page) -> None:
    app.press("Complete")
    app.says("Nothing is painted yet; paint over what should be filled.")


def test_painted_completed_compared_and_downloaded(
    app: Page, expected: Image.Image
) -> None:
    app.completes("photo-refined.png", expected)
    app.page.get_by_label("coarse").check()
    name, coarse = app.download()
    assert name == "photo-coarse.png"
    different = (pixels(coarse) != pixels(expected)).any(axis=2)
    assert different.any()
    assert not different[boxed(SIZE, *BOX) == 0].any()
    app.page.get_by_label("refined").check()


def test_twenty_rapid_completions_end_with_the_last_mask(
    app: Page, photo: Image.Image
) -> None:
    app.painter.choose("Rectangle")
    app.painter.choose("Clear")
    for k in range(20):
        app.painter.drag((20.5 + 4 * k, 30.5), (23.5 + 4 * k, 60.5))
        app.press("Complete")
    last = pixels(
        gin.Inpainter.from_pretrained()(photo, boxed(SIZE, (20, 30), (99, 60)))
    )
    tools.wait_for(
        lambda: np.array_equal(pixels(app.download()[1]), last), "result of the last"
    )
    app.says(re.compile("DeepGIN, shipped weights"))


def test_the_slider_moves_by_keys_and_by_drag(app: Page) -> None:
    slider = app.page.get_by_label("From before to after")
    slider.focus()
    for _ in range(3):
        app.page.keyboard.press("ArrowRight")
    picture = app.outcome.locator(".gin-app-picture")
    edge = "(picture) => picture.style.getPropertyValue('--gin-edge')"
    assert (slider.input_value(), picture.evaluate(edge)) == ("53", "53%")
    box = picture.bounding_box()
    app.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    app.page.mouse.down()
    app.page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 30)
    app.page.mouse.up()
    assert slider.input_value() == "25"


def test_another_photograph_cancelled_and_completed(app: Page) -> None:
    app.page.get_by_label("or a sample").select_option("air balloon")
    app.source.get_by_text("512 × 512 px").wait_for()
    app.painter.root.get_by_text("0.0 % missing", exact=True).wait_for()
    app.painter.choose("Random rectangle")
    app.painter.root.get_by_text("0.0 % missing", exact=True).wait_for(state="hidden")
    app.page.get_by_label("Mean of five views").check()
    app.press("Complete")
    app.says("Completing …")
    app.press("Cancel")
    app.says("Cancelled.")
    app.page.get_by_label("Mean of five views").uncheck()
    app.page.get_by_label("Method").select_option("telea")
    app.press("Complete")
    app.says(re.compile(r"telea: \d"))
    assert app.download()[0] == "avatars_air_balloon-completed.png"


def test_the_keyboard_is_enough(app: Page) -> None:
    """Painted, completed and cleared without a mouse; Jupyter's keys stay out."""
    keys = app.page.keyboard
    app.painter.choose("Clear")
    app.painter.choose("Brush")
    app.painter.stage.focus()
    for key in ("Space", *["ArrowRight"] * 4, "Space"):
        keys.press(key)
    assert app.painter.missing != "0.0 % missing"
    names = []
    for _ in range(30):
        keys.press("Tab")
        names.append(app.page.evaluate("document.activeElement.textContent"))
        if names[-1] == "Complete":
            break
    assert names[-1] == "Complete"
    before = app.result
    keys.press("Enter")
    tools.wait_for(lambda: app.result != before, "new result")
    keys.press("a")
    assert app.page.locator(".jp-Cell").count() == 1


def test_every_control_has_a_name_and_fits(app: Page) -> None:
    controls = app.controls()
    assert all(name for _, name in controls)
    assert {
        ("button", "Upload a photograph"),
        ("combobox", "or a sample"),
        ("combobox", "Method"),
        ("button", "Complete"),
        ("button", "Cancel"),
        ("slider", "From before to after"),
        ("button", "Download PNG"),
    } <= set(controls)
    assert app.cut_off() == []


def test_a_bad_file_is_said_and_nothing_is_lost(app: Page) -> None:
    before = app.painter.missing
    app.upload("letter.png", b"no picture at all")
    reason = "not a picture, or of a format that is not known"
    words = f"letter.png: cannot be read as a picture ({reason})."
    app.source.get_by_text(words).wait_for()
    large = io.BytesIO()
    Image.new("L", (10000, 6000)).save(large, "png")
    app.upload("large.png", large.getvalue())
    app.source.get_by_text("60.0 megapixels").wait_for()
    assert app.painter.missing == before != "0.0 % missing"


def test_a_picture_is_pasted(app: Page, lab: tools.JupyterLab) -> None:
    origin = f"http://127.0.0.1:{lab.port}"
    allowed = ["clipboard-read", "clipboard-write"]
    app.page.context.grant_permissions(allowed, origin=origin)
    app.page.evaluate(
        """async () => {
          const canvas = new OffscreenCanvas(90, 60);
          canvas.getContext("2d").fillRect(0, 0, 30, 30);
          const blob = await canvas.convertToBlob({ type: "image/png" });
          await navigator.clipboard.write([new ClipboardItem({ "image/png": blob })]);
        }"""
    )
    app.painter.stage.focus()
    app.page.keyboard.press("Control+v")
    app.source.get_by_text("90 × 60 px").wait_for()
    assert app.page.locator(".jp-Cell").count() == 1


def test_cmyk_is_converted_through_its_profile_where_the_user_asks(app: Page) -> None:
    stream = io.BytesIO()
    noise = Image.effect_noise((64, 48), 90).convert("CMYK")
    noise.save(stream, "tiff")
    app.upload("For Print.tif", stream.getvalue())
    app.source.get_by_text("For Print.tif: its colours are CMYK").wait_for()
    app.press("Convert it to sRGB")
    app.source.get_by_text("64 × 48 px").wait_for()
    button = app.page.get_by_role("button", name="Convert it to sRGB")
    assert not button.is_visible()


def test_a_mask_is_loaded_from_a_file_and_completed(
    app: Page, photo: Image.Image, expected: Image.Image
) -> None:
    app.upload("Mine too.png", png(photo))
    app.source.get_by_text("160 × 120 px").wait_for()
    mask = png(Image.fromarray(255 * boxed(SIZE, *BOX)))
    file = {"name": "the mask.png", "mimeType": "image/png", "buffer": mask}
    app.painter.root.locator("input[type=file]").set_input_files([file])
    app.painter.root.get_by_text("15.6 % missing").wait_for()
    app.page.get_by_label("Method").select_option("shipped weights")
    app.press("Complete")
    app.says(re.compile(r"DeepGIN, shipped weights: \d+\.\d s"))
    name, file = app.download()
    assert name == "Mine too-refined.png"
    np.testing.assert_array_equal(pixels(file), pixels(expected))


def test_a_lost_connection_is_said_and_mends_itself(app: Page) -> None:
    before = app.painter.missing
    app.connection.cut()
    app.says(re.compile("The connection is lost. .* is kept on this page"))
    assert app.painter.missing == before
    app.connection.mend()
    app.outcome.get_by_text("The connection is lost").wait_for(state="hidden")
    shown = app.result
    app.painter.choose("Random strokes")  # by the kernel
    app.painter.root.get_by_text(before, exact=True).wait_for(state="hidden")
    app.press("Complete")
    tools.wait_for(lambda: app.result != shown, "new result")


def test_a_reloaded_page_shows_the_mask_and_the_result(app: Page) -> None:
    before = app.painter.missing
    app.page.keyboard.press("Control+s")
    app.page.wait_for_timeout(1000)
    tools.reload(app.page, ".gin-app-outcome")
    app.painter.root.get_by_text(before, exact=True).wait_for()
    tools.wait_for(lambda: app.result, "result")
    app.press("Complete")
    app.says(re.compile(r"telea: \d|DeepGIN, shipped weights: \d"))


def test_a_kernel_that_died_is_said_and_nothing_is_lost(
    app: Page, lab: tools.JupyterLab
) -> None:
    before = app.painter.missing
    kernel = lab.kernel()
    kernel.execute("import os; os._exit(1)")
    app.page.locator(".jp-Dialog button").click()
    kernel.stop_channels()
    app.says(re.compile("The kernel has ended: .* is kept on this page"))
    assert app.painter.missing == before


# --- Voila -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, photo: Image.Image
) -> Iterator[subprocess.Popen[str]]:
    folder = tmp_path_factory.mktemp("voila")
    photo.save(folder / "photo.png")
    own = {f"JUPYTER_{x}_DIR": str(folder / x) for x in ("CONFIG", "DATA", "RUNTIME")}
    program = [sys.executable, str(ROOT / "tests" / "helpers" / "gin_program.py")]
    process = subprocess.Popen(
        [*program, "app", "--photo", "photo.png", "--no-browser"],
        cwd=folder,
        env={**os.environ, **own, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        # What a shell starts in the background ignores Ctrl-C, and so do its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    yield process
    process.kill()
    process.communicate()


@pytest.fixture(scope="module")
def address(server: subprocess.Popen[str]) -> str:
    assert server.stdout is not None
    told = [server.stdout.readline() for _ in range(4)]
    address = re.fullmatch(r"The app: (http://127\.0\.0\.1:\d+/\?token=\S+)\n", told[0])
    port = re.search(r":(\d+)/", told[0])[1]
    assert f"ssh -L {port}:127.0.0.1:{port} " in told[2]
    return address[1]


def test_without_the_token_there_is_no_app(address: str, chromium: Any) -> None:
    page = chromium.new_page()
    for wrong in (address.partition("?")[0], f"{address}wrong"):
        page.goto(wrong)
        assert "/login" in page.url
        assert page.locator(".gin-app").count() == 0
    page.close()


def test_the_page_completes_what_was_uploaded_and_painted(
    address: str, chromium: Any, photo: Image.Image, expected: Image.Image
) -> None:
    app = Page(chromium.new_page(viewport={"width": 390, "height": 844}))
    asked = []
    app.page.on("request", lambda request: asked.append(request.url))
    app.page.goto(address)
    app.painter.root.get_by_text("0.0 % missing", exact=True).wait_for()
    rng = np.random.default_rng(0)
    noise = rng.integers(256, size=(1000, 1200, 3), dtype=np.uint8)
    for picture, text in (
        (Image.fromarray(noise), "1200 × 1000"),
        (photo, "160 × 120"),
    ):
        stream = io.BytesIO()
        picture.save(stream, "png")
        app.upload("mine.png", stream.getvalue())
        app.source.get_by_text(f"{text} px").wait_for()
    app.painter.root.get_by_text("0.0 % missing", exact=True).wait_for()
    app.completes("mine-refined.png", expected)
    assert all(name for _, name in app.controls())
    assert app.cut_off() == []
    width = app.page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390
    assert "Traceback" not in app.page.content()
    own = (address.partition("?")[0], "data:", "blob:")
    assert not [url for url in asked if not url.startswith(own)]
    app.page.close()


def test_ctrl_c_ends_it(server: subprocess.Popen[str], address: str) -> None:
    server.send_signal(signal.SIGINT)
    said, _ = server.communicate(timeout=60)
    assert (server.returncode, said) == (0, "The app has ended.\n")
