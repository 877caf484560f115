"""The app as a widget: choose a photograph, paint a mask, complete, compare, save.

Needs anywidget and ipywidgets, from the extra `app`.
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
from gin.ui.app.choices import Catalogue, Choice, Weights
from gin.ui.app.panel import Message, Panel
from gin.ui.app.worker import Controller, Progress, State
from gin.ui.painter import MaskPainter
from gin.ui.painter.painter import Photo, check_photo
from gin.utils.image_writing import write_png
from gin.utils.images import Photograph, cmyk_to_srgb, read_picture

FLEX = "1 1 420px"  # side by side in a wide window, else below each other
PREVIEW_SIDE = 2048  # px, of a preview in JPEG
CMYK = (
    "its colours are CMYK, for print, and are not completed as they are; conversion "
    "to sRGB goes through its colour profile and changes all pixels"
)
LOSSLESS_PIXELS = 1_000_000  # largest preview in PNG


def preview(picture: Image.Image) -> bytes:
    """`picture` as a PNG for the page, or as a smaller JPEG above a megapixel."""
    view = Photograph.read(picture).in_8_bits()
    stream = io.BytesIO()
    if view.width * view.height <= LOSSLESS_PIXELS:
        view.save(stream, "png", compress_level=1)
    else:
        view.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
        view.convert("RGB").save(stream, "jpeg", quality=92)
    return stream.getvalue()


@dataclass(frozen=True)
class Completion:
    """A completed photograph."""

    name: str  #: the photograph's, without a suffix
    stages: dict[str, Image.Image]  #: stage -> picture, the final one last
    #: stage -> picture file for the page, with the photograph as "before"
    previews: dict[str, bytes]
    description: str  #: the method and its seconds


class InpaintApp(ipywidgets.Box):
    """The app as a widget; displayed as the last expression of a cell.

    `photo` as for `MaskPainter`; None takes a sample. `weights` as for
    `gin.ui.app.choices.Catalogue`; None takes the shipped ones. `painter` is the
    `gin.MaskPainter`, with `.image` and `.mask`; `controller` runs the completions, and
    its `.wait()` waits for the last one. Raises InputError for a photograph or weights
    that cannot be used.
    """

    def __init__(self, photo: Photo | None = None, weights: Weights = None) -> None:
        self._catalogue = Catalogue(weights)
        self._samples = samples()
        self._upload: dict[str, Any] = {}
        self._cmyk = Image.new("CMYK", (1, 1))  # uploaded, not converted yet
        self._name, chosen = "photograph", ""
        if photo is None and self._samples:
            chosen, photo = next(iter(self._samples.items()))
        if isinstance(photo, str | os.PathLike):
            self._name = Path(photo).stem
        self.painter = MaskPainter(pattern() if photo is None else photo)
        self.controller: Controller[Completion] = Controller(self._show)
        self._source = Panel("source", {"samples": [*self._samples]}, self._choose)
        choices = [vars(choice) for choice in self._catalogue.choices]
        self._outcome = Panel("outcome", {"choices": choices}, self._do)
        self._source.say(self._size(), chosen=chosen)
        self._shown: Completion | None = None
        self._show(self.controller.state)
        self._source.layout.flex = "1 1 100%"
        self.painter.layout.flex = self._outcome.layout.flex = FLEX
        parts = (self._source, self.painter, self._outcome)
        for part in parts:
            part.layout.min_width = "0"
        super().__init__(parts, layout={"flex_flow": "row wrap", "grid_gap": "8px"})

    @property
    def result(self) -> Image.Image | None:
        """The last completion, as `Inpainter` returns it; None before the first."""
        completion = self.controller.state.result
        return [*completion.stages.values()][-1] if completion else None

    def complete(self, method: str, ensemble: bool = False, other: str = "") -> None:
        """Start a completion, as the button does; a running one is cancelled.

        Arguments as for `Catalogue.complete`. Errors are in `controller.state` and on
        the page; none is raised.
        """
        photo, mask, name = self.painter.image, self.painter.mask, self._name
        complete = self._catalogue.complete
        choices = {choice.name: choice for choice in self._catalogue.choices}

        def job(progress: Progress) -> Completion:
            started = time.perf_counter()
            stages = complete(
                method, photo, mask, ensemble=ensemble, other=other, progress=progress
            )
            seconds = time.perf_counter() - started
            pictures = {"before": photo, **stages}
            previews = {stage: preview(picture) for stage, picture in pictures.items()}
            choice = choices.get(method, Choice(method, method))
            views = ", mean of five views" if ensemble and choice.deepgin else ""
            label = f"{other or choice.label}{views}"
            return Completion(name, stages, previews, f"{label}: {seconds:.1f} s")

        self.controller.start(job)

    def __repr__(self) -> str:
        return f"InpaintApp({self.painter!r})"

    def _size(self) -> str:
        width, height = self.painter.image.size
        return f"{width} × {height} px"

    # ---- messages of the panel "source"

    def _choose(self, message: Message, buffers: list[memoryview]) -> None:
        if message["do"] == "sample":
            path = self._samples[message["name"]]
            self._take(path, path.stem, chosen=message["name"])
        elif message["do"] == "convert":
            name = str(getattr(self._cmyk, "filename", ""))
            self._take(cmyk_to_srgb(self._cmyk, name), Path(name).stem, chosen="")
        elif content := self._uploaded(message, bytes(buffers[0])):
            name = message["name"]
            self._source.say("", cmyk=False)
            photo = read_picture(io.BytesIO(content), name, check_photo)
            if photo.mode == "CMYK":
                self._cmyk = photo
                self._source.say(f"{name}: {CMYK}", wrong=True, cmyk=True)
            else:
                self._take(photo, Path(name).stem, chosen="")

    def _uploaded(self, message: Message, chunk: bytes) -> bytes | None:
        """The uploaded file, None before its last chunk (large messages fail)."""
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
        self._source.say(self._size(), chosen=chosen, cmyk=False)

    # ---- messages of the panel "outcome"

    def _do(self, message: Message, _buffers: list[memoryview]) -> None:
        actions: dict[str, Callable[[Message], None]] = {
            "complete": lambda m: self.complete(m["method"], m["ensemble"], m["other"]),
            "cancel": lambda _: self.controller.cancel(),
            "save": self._save,
        }
        actions[message["do"]](message)

    def _save(self, message: Message) -> None:
        if (completion := self.controller.state.result) is not None:
            # A newer completion may lack the stage that the page still shows.
            stages = [*completion.stages]
            stage = message["stage"] if message["stage"] in stages else stages[-1]
            file = {"file": f"{completion.name}-{stage}.png", "view": message["view"]}
            self._outcome.send(file, [png(completion.stages[stage])])

    def _show(self, state: State[Completion]) -> None:
        completion = state.result
        if completion is not None and completion is not self._shown:
            self._shown = completion
            self._outcome.pictures = completion.previews
        text = state.message
        if completion is not None and not state.running:
            text = text or completion.description
        self._outcome.say(
            text,
            wrong=state.error is not None,
            running=state.running,
            stopping=state.stopping,
            percent=round(100 * state.progress),
        )


app = InpaintApp  # `gin.app()` in a cell


def png(picture: Image.Image) -> bytes:
    """The PNG file that `gin inpaint` writes, with metadata."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.png"
        write_png(picture, path)
        return path.read_bytes()


def samples() -> dict[str, Path]:
    """Readable name -> sample photograph of a checkout; empty in a wheel."""
    folder = Path(__file__).parents[3] / "data" / "photos"
    paths: dict[str, Path] = {}
    for path in find_photographs(folder) if folder.is_dir() else []:
        collection, _, name = path.stem.replace("_", " ").partition(" ")
        paths[f"{name} ({collection})" if name in paths else name] = path
    return dict(sorted(paths.items()))


def pattern() -> Image.Image:
    """Coloured rings, 256 x 256 px, for the app without samples."""
    y, x = np.mgrid[-1:1:256j, -1:1:256j]
    rings = 0.5 + 0.5 * np.cos(14 * np.hypot(x, y))
    colours = np.stack([rings, 0.5 + 0.4 * x, 0.5 + 0.4 * y], axis=-1)
    return Image.fromarray(np.rint(255 * colours).astype(np.uint8))
