"""The app: choose a photograph, paint what is missing, complete it, compare, keep it.

Needs anywidget and ipywidgets, which the extra `app` brings.
"""

import io
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ipywidgets
import numpy as np
from PIL import Image

from gin.data.sources import find_photographs
from gin.errors import InputError
from gin.ui.app.choices import Catalogue, Weights
from gin.ui.app.panel import Message, Panel
from gin.ui.app.worker import Controller, State, Watch
from gin.ui.painter import MaskPainter
from gin.ui.painter.painter import Photo, check
from gin.utils.images import Photograph, read_picture, write_png

WIDE = "1 1 420px"  # side by side where there is room, else below each other
MOST_BYTES = 200_000_000  # of an uploaded file; panel.js has the same limit
SHOWN = 2048  # px: the longer side of what a page shows of a result
EXACT = 1_000_000  # px: up to here the page is shown every bit


def shown(picture: Image.Image) -> bytes:
    """`picture` for a page: a PNG of every pixel, or a smaller JPEG if it is large."""
    view = Photograph.read(picture).in_8_bits()
    stream = io.BytesIO()
    if view.width * view.height <= EXACT:
        view.save(stream, "png", compress_level=1)
    else:
        view.thumbnail((SHOWN, SHOWN))
        view.convert("RGB").save(stream, "jpeg", quality=92)
    return stream.getvalue()


@dataclass(frozen=True)
class Outcome:
    """A finished completion: its pictures by stage, the best last, and its story."""

    name: str
    stages: dict[str, Image.Image]
    shown: dict[str, bytes]
    about: str


class InpaintApp(ipywidgets.Box):
    """The app as a widget; shown where it is a cell's last expression.

    Args:
        photo: as `MaskPainter` takes them; None begins with a sample.
        weights: as `gin.ui.app.choices.Catalogue` takes them; None offers the
            shipped ones.

    Attributes:
        painter: the `gin.MaskPainter`, with `.image` and `.mask`.
        controller: runs the completions; its `.wait()` waits for the last one.

    Raises:
        InputError: a photograph or weights that cannot be used.
    """

    def __init__(self, photo: Photo | None = None, weights: Weights = None) -> None:
        self._catalogue = Catalogue(weights)
        self._samples = samples()
        self._upload: dict[str, Any] = {}
        self._name, chosen = "photograph", ""
        if photo is None:
            chosen, photo = self._first()
        elif isinstance(photo, str | os.PathLike):
            self._name = Path(photo).stem
        self.painter = MaskPainter(photo)
        self.controller: Controller[Outcome] = Controller(self._show)
        self._source = Panel("source", {"samples": [*self._samples]}, self._choose)
        choices = [vars(choice) for choice in self._catalogue.choices]
        self._outcome = Panel("outcome", {"choices": choices}, self._do)
        self._source.say(self._size(), chosen=chosen)
        self._shown: Outcome | None = None
        self._show(self.controller.state)
        self._source.layout.flex = "1 1 100%"
        self.painter.layout.flex = self._outcome.layout.flex = WIDE
        parts = (self._source, self.painter, self._outcome)
        for part in parts:
            part.layout.min_width = "0"
        super().__init__(parts, layout={"flex_flow": "row wrap", "grid_gap": "8px"})

    @property
    def result(self) -> Image.Image | None:
        """The last completion, as `Inpainter` returns it; None before the first."""
        outcome = self.controller.state.result
        return [*outcome.stages.values()][-1] if outcome else None

    def complete(self, method: str, ensemble: bool = False, other: str = "") -> None:
        """Start what the button starts, with a method that the page offers by name.

        What runs already is stopped first. Raises nothing: the page tells, and
        `controller.state`.
        """
        photo, mask, name = self.painter.image, self.painter.mask, self._name
        complete = self._catalogue.complete
        labels = {choice.name: choice.label for choice in self._catalogue.choices}

        def job(watch: Watch) -> Outcome:
            begun = time.perf_counter()
            stages = complete(
                method, photo, mask, ensemble=ensemble, other=other, watch=watch
            )
            seconds = time.perf_counter() - begun
            pictures = {"before": photo, **stages}
            shown = {stage: shown(each) for stage, each in pictures.items()}
            views = ", mean of five views" if ensemble and len(stages) > 1 else ""
            about = f"{other or labels.get(method, method)}{views}: {seconds:.1f} s"
            return Outcome(name, stages, shown, about)

        self.controller.start(job)

    def __repr__(self) -> str:
        return f"InpaintApp({self.painter!r})"

    def _first(self) -> tuple[str, Photo]:
        for name, path in self._samples.items():
            self._name = path.stem
            return name, path
        return "", pattern()

    def _size(self) -> str:
        width, height = self.painter.image.size
        return f"{width} × {height} px"

    # ---- from the page: which photograph

    def _choose(self, message: Message, buffers: list[memoryview]) -> None:
        if message["do"] == "sample":
            path = self._samples[message["name"]]
            self._take(path, path.stem, chosen=message["name"])
        elif content := self._collected(message, bytes(buffers[0])):
            name = message["name"]
            photo = read_picture(io.BytesIO(content), name, check)
            self._take(photo, Path(name).stem, chosen="")

    def _collected(self, message: Message, chunk: bytes) -> bytes | None:
        """The file once its last chunk is there; larger messages break connections."""
        if self._upload.get("id") != message["upload"]:
            self._upload = {"id": message["upload"], "chunks": {}}
        chunks: dict[int, bytes] = self._upload["chunks"]
        chunks[message["index"]] = chunk
        if len(chunks) < message["count"]:
            return None
        self._upload = {}
        content = b"".join(chunks[index] for index in range(message["count"]))
        if not content:
            raise InputError(f"{message['name']}: the file is empty")
        return content

    def _take(self, photo: Photo, name: str, chosen: str) -> None:
        self.painter.image = photo
        self._name = name
        self._source.say(self._size(), chosen=chosen)

    # ---- from the page: complete, cancel, save

    def _do(self, message: Message, _buffers: list[memoryview]) -> None:
        actions: dict[str, Callable[[Message], None]] = {
            "complete": lambda told: self.complete(
                told["method"], told["ensemble"], told["other"]
            ),
            "cancel": lambda _: self.controller.cancel(),
            "save": self._save,
        }
        actions[message["do"]](message)

    def _save(self, message: Message) -> None:
        outcome = self.controller.state.result
        if outcome is not None:
            stage = message["stage"]
            name = f"{outcome.name}-{stage}.png"
            file = png(outcome.stages[stage])
            self._outcome.send({"file": name, "view": message["view"]}, [file])

    # ---- to the page

    def _show(self, state: State[Outcome]) -> None:
        outcome = state.result
        if outcome is not None and outcome is not self._shown:
            self._shown = outcome
            self._outcome.pictures = outcome.shown
        said = state.said or (outcome.about if outcome and not state.running else "")
        self._outcome.say(
            said,
            wrong=state.error is not None,
            running=state.running,
            stopping=state.stopping,
            percent=round(100 * state.progress),
        )


app = InpaintApp  # `gin.app()` in a cell


def png(picture: Image.Image) -> bytes:
    """The file that `gin inpaint` would write, metadata included."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.png"
        write_png(picture, path)
        return path.read_bytes()


def samples() -> dict[str, Path]:
    """The sample photographs of a checkout, by a readable name; none in a wheel."""
    folder = Path(__file__).parents[3] / "data" / "photos"
    found: dict[str, Path] = {}
    for path in find_photographs(folder) if folder.is_dir() else []:
        collection, _, name = path.stem.replace("_", " ").partition(" ")
        found[f"{name} ({collection})" if name in found else name] = path
    return dict(sorted(found.items()))


def pattern() -> Image.Image:
    """Where there is no sample: coloured rings, 256 x 256 px."""
    y, x = np.mgrid[-1:1:256j, -1:1:256j]
    rings = 0.5 + 0.5 * np.cos(14 * np.hypot(x, y))
    colours = np.stack([rings, 0.5 + 0.4 * x, 0.5 + 0.4 * y], axis=-1)
    return Image.fromarray(np.rint(255 * colours).astype(np.uint8))
