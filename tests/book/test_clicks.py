"""The clickable picture of the chapters, in Python and in a real browser."""

import base64
import io

import numpy as np
import pytest
from browser import chromium, served, why_not
from PIL import Image
from support.clicks import ClickablePicture

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Picture</title>
<link rel="icon" href="data:,"><main></main><script type="module">
import widget from "./clicks.js";
const bytes = Uint8Array.from(atob("PNG"), (letter) => letter.charCodeAt(0));
const traits = { png: new DataView(bytes.buffer), label: "Squares", place: [0.5, 0.5] };
window.saved = [];
const model = {
  get: (name) => traits[name],
  set: (name, value) => { traits[name] = value; },
  save_changes: () => saved.push(traits.place),
  on: () => {},
};
widget.render({ model, el: document.querySelector("main") });
</script></html>
"""


def widget() -> ClickablePicture:
    return ClickablePicture(lambda y, x: np.full((4, 6, 3), y * x), scale=30)


def test_a_click_draws_the_picture_again():
    picture = widget()
    assert Image.open(io.BytesIO(picture.png)).size == (180, 120)
    picture.place = [1.0, 1.0]
    assert np.asarray(Image.open(io.BytesIO(picture.png))).min() == 255


@pytest.mark.skipif(bool(why_not()), reason=why_not())
def test_clicks_and_arrow_keys_give_a_place_in_the_picture(tmp_path):
    picture = widget()
    page = PAGE.replace("PNG", base64.b64encode(picture.png).decode())
    (tmp_path / "index.html").write_text(page, encoding="utf-8")
    (tmp_path / "clicks.js").write_text(str(picture._esm), encoding="utf-8")
    with served(tmp_path) as address, chromium() as browser:
        tab = browser.new_page()
        tab.goto(address)
        shown = tab.get_by_alt_text("Squares")
        shown.wait_for()
        assert shown.evaluate("picture => picture.decode()") is None
        shown.click(position={"x": 45, "y": 30})
        shown.press("ArrowRight")
        for _ in range(20):
            shown.press("ArrowUp")
        places = tab.evaluate("saved")
    assert places[0] == pytest.approx([0.25, 0.25], abs=0.01)
    assert places[1] == pytest.approx([0.25, 0.3125], abs=0.01)
    assert places[-1][0] == 0
