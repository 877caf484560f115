"""The painter in JupyterLab: what is painted reaches the kernel, and is never lost."""

from collections.abc import Iterator
from typing import Any

import browser as tools
import numpy as np
import pytest
from painter_lab import Lab, write_notebook
from painter_page import Stage, boxed, stroked
from PIL import Image

reason = tools.why_not()
pytestmark = pytest.mark.skipif(bool(reason), reason=reason)

SIZE = (400, 300)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tools.JupyterLab]:
    folder = tmp_path_factory.mktemp("lab")
    Image.linear_gradient("L").resize(SIZE).save(folder / "photo.png")
    for name in ("main.ipynb", "line.ipynb"):
        write_notebook(folder / name)
    lab = tools.JupyterLab(folder)
    yield lab
    lab.close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with tools.chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def opened(server: tools.JupyterLab, chromium: Any) -> Iterator[Lab]:
    page = chromium.new_page(viewport={"width": 1000, "height": 1500})
    lab = Lab(server, page, SIZE, "main.ipynb")
    yield lab
    lab.client.stop_channels()


@pytest.fixture
def lab(opened: Lab) -> Lab:
    """With empty masks, on the page too."""
    opened.ask("0", "painter.image = other.image = 'photo.png'")
    for number in (0, 1):
        opened.wait_for_text(Stage(opened.page, SIZE, number), "0.0 % missing")
        opened.wait_for_text(Stage(opened.page, SIZE, number), "what is to be filled")
    return opened


def share(mask: np.ndarray) -> str:
    return f"{100 * int(mask.sum()) / mask.size:.1f} % missing"


def test_the_kernel_has_each_painters_mask_to_the_pixel(lab):
    first, second = Stage(lab.page, SIZE, 0), Stage(lab.page, SIZE, 1)
    first.choose("Rectangle")
    first.drag((40.5, 30.5), (129.5, 99.5))
    expected = boxed(SIZE, (40, 30), (129, 99))
    lab.wait_for_mask(expected)
    line = [(60.2, 50.4), (160.6, 90.7), (161.1, 200.3)]
    second.drag(*line)
    lab.wait_for_mask(stroked(SIZE, second.near(*line), second.brush), "other")
    lab.wait_for_mask(expected)
    lab.page.keyboard.press("Control+z")
    lab.wait_for_mask(0 * expected, "other")
    first.choose("Brush")


def test_jupyters_own_keys_stay_out(lab):
    stage = Stage(lab.page, SIZE)
    stage.stage.click()
    for key in "abab":  # a cell above, below
        lab.page.keyboard.press(key)
    stage.root.get_by_role("button", name="Brush").focus()
    for key in "abab":
        lab.page.keyboard.press(key)
    assert lab.page.locator(".jp-Cell").count() == 1


def test_a_mask_set_in_the_kernel_is_shown_and_can_be_undone(lab):
    stage = Stage(lab.page, SIZE)
    lab.ask("0", "painter.mask = painter.mask | (painter.mask.cumsum(1) >= 0)")
    lab.wait_for_text(stage, "100.0 % missing")
    stage.choose("Undo")
    lab.wait_for_mask(np.zeros(SIZE[::-1], np.uint8))


def test_a_random_mask_comes_from_the_kernel(lab):
    stage = Stage(lab.page, SIZE)
    stage.choose("Random rectangle")
    stage.root.get_by_text("0.0 % missing").wait_for(state="hidden")
    mask = lab.mask()
    assert 0.09 <= mask.mean() <= 0.49
    assert stage.missing == share(mask)


def test_a_busy_kernel_stops_no_brush_and_gets_the_last_mask(lab):
    stage = Stage(lab.page, SIZE)
    go = lab.server.folder / "go"
    wait = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.05)"
    lab.client.execute(wait)
    expected, lines = 0, [[(50, y), (350, y + 10)] for y in (40, 120, 200, 260)]
    for line in lines:
        stage.drag(*line)
        expected |= stroked(SIZE, stage.near(*line), stage.brush)
        assert stage.missing == share(expected)
    lab.wait_for_text(stage, "Python has not taken the mask yet; it is kept")
    go.touch()
    lab.wait_for_mask(expected)
    lab.wait_for_text(stage, "what is to be filled")


def test_what_is_painted_while_the_photograph_is_replaced_is_left_out(lab):
    stage = Stage(lab.page, SIZE)
    replace = "import time; time.sleep(2); painter.image = painter.image.rotate(180)"
    lab.client.execute(replace)
    stage.drag((50, 50), (350, 60))
    lab.wait_for_text(stage, "0.0 % missing")
    lab.wait_for_mask(np.zeros(SIZE[::-1], np.uint8))
    stage.drag((50, 50), (350, 60))
    line = stage.near((50, 50), (350, 60))
    lab.wait_for_mask(stroked(SIZE, line, stage.brush))


def test_a_reloaded_page_shows_the_kernels_mask(lab):
    stage = Stage(lab.page, SIZE)
    stage.drag((50, 50), (350, 60))
    expected = stroked(SIZE, stage.near((50, 50), (350, 60)), stage.brush)
    lab.wait_for_mask(expected)
    lab.page.keyboard.press("Control+s")
    lab.page.wait_for_timeout(1000)
    tools.reload(lab.page, ".gin-painter")
    lab.wait_for_text(stage, share(expected))
    stage.drag((50, 150), (350, 160))
    line = stage.near((50, 150), (350, 160))
    lab.wait_for_mask(expected | stroked(SIZE, line, stage.brush))


def test_a_kernel_that_dies_loses_nothing(lab):
    stage, second = Stage(lab.page, SIZE), Stage(lab.page, SIZE, 1)
    stage.drag((50, 50), (350, 60))
    expected = stroked(SIZE, stage.near((50, 50), (350, 60)), stage.brush)
    lab.wait_for_mask(expected)
    second.drag((200, 100), (200, 250))
    other = stroked(SIZE, second.near((200, 100), (200, 250)), second.brush)
    lab.wait_for_mask(other, "other")
    lab.client.execute("import os; os._exit(1)")
    lab.page.locator(".jp-Dialog button").click()
    lab.wait_for_text(stage, "The kernel has ended. The mask is kept")
    stage.drag((50, 150), (350, 160))
    line = stage.near((50, 150), (350, 160))
    expected |= stroked(SIZE, line, stage.brush)
    lab.wait_for_text(stage, share(expected))
    lab.run_cell()
    lab.wait_for_text(stage, "The mask that was painted before is back.")
    lab.wait_for_mask(expected)
    lab.wait_for_mask(other, "other")


def test_a_lost_connection_loses_nothing(server, chromium):
    page = chromium.new_page(viewport={"width": 1000, "height": 1500})
    connection = tools.Connection(page)
    lab = Lab(server, page, SIZE, "line.ipynb")
    stage = Stage(page, SIZE)
    connection.cut()
    lab.wait_for_text(stage, "The connection is lost. The mask is kept")
    stage.drag((50, 50), (350, 60))
    assert not lab.mask().any()
    connection.mend()
    line = stage.near((50, 50), (350, 60))
    lab.wait_for_mask(stroked(SIZE, line, stage.brush))
    lab.client.stop_channels()
    page.close()
