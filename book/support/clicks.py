"""A picture that Python draws again where it is clicked, for notebooks."""

import io
from collections.abc import Callable
from typing import Any

import anywidget
import numpy as np
import traitlets
from PIL import Image

# Arrow keys move the place as well, a sixteenth of the picture at a time.
_SCRIPT = """
export default {
  render({ model, el }) {
    const picture = document.createElement("img");
    picture.tabIndex = 0;
    picture.alt = model.get("label");
    picture.style.cssText = "max-width: 100%; cursor: crosshair";
    const draw = () => {
      const bytes = model.get("png");
      URL.revokeObjectURL(picture.src);
      picture.src = URL.createObjectURL(new Blob([bytes], { type: "image/png" }));
    };
    const move = (y, x) => {
      const inside = (value) => Math.min(Math.max(value, 0), 0.9999);
      model.set("place", [inside(y), inside(x)]);
      model.save_changes();
    };
    picture.addEventListener("click", (event) => {
      const box = picture.getBoundingClientRect();
      move((event.clientY - box.top) / box.height,
           (event.clientX - box.left) / box.width);
    });
    picture.addEventListener("keydown", (event) => {
      const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0],
                      ArrowLeft: [0, -1], ArrowRight: [0, 1] };
      const step = steps[event.key];
      if (!step) return;
      event.preventDefault();
      const [y, x] = model.get("place");
      move(y + step[0] / 16, x + step[1] / 16);
    });
    model.on("change:png", draw);
    draw();
    el.append(picture);
  }
};
"""


class ClickablePicture(anywidget.AnyWidget):
    """A picture of what `draw` makes of the place that the reader clicks.

    Args:
        draw: takes y and x from 0 to 1 and returns (H, W, 3) in [0, 1].
        place: the first (y, x).
        label: the picture in words.
        scale: by how much the pixels are enlarged.

    Attributes:
        place: (y, x) of the last click.
    """

    _esm = _SCRIPT
    png = traitlets.Bytes().tag(sync=True)
    place = traitlets.List([0.5, 0.5]).tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        draw: Callable[[float, float], np.ndarray],
        place: tuple[float, float] = (0.5, 0.5),
        label: str = "A picture to click",
        scale: int = 1,
    ) -> None:
        self._draw, self._scale = draw, scale
        super().__init__(png=self._drawn(*place), place=list(place), label=label)
        self.observe(self._clicked, "place")

    def _clicked(self, change: Any) -> None:
        self.png = self._drawn(*change.new)

    def _drawn(self, y: float, x: float) -> bytes:
        pixels = (255 * self._draw(y, x).clip(0, 1)).round().astype(np.uint8)
        image, stream = Image.fromarray(pixels), io.BytesIO()
        width, height = image.size
        image = image.resize((width * self._scale, height * self._scale), 0)
        image.save(stream, "PNG")
        return stream.getvalue()
