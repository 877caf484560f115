"""The parts of the app around the painter. The JavaScript side is panel.js."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from gin.ui.app.worker import error_message
from gin.ui.esm import joined

Message = dict[str, Any]


class Panel(anywidget.AnyWidget):
    """Shows `state` and `pictures`; sends the user's actions as messages.

    `part` is "source" (the photograph) or "outcome" (the method and the result),
    `options` are the choices, constant. `act` is called with each message and its
    buffers; its exceptions are shown as sentences.
    """

    _esm = joined(Path(__file__).with_name("panel.js"))
    _css = Path(__file__).with_name("panel.css")

    part = traitlets.Unicode().tag(sync=True)
    options = traitlets.Dict().tag(sync=True)
    state = traitlets.Dict().tag(sync=True)
    pictures = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        part: str,
        options: Message,
        act: Callable[[Message, list[memoryview]], None],
    ) -> None:
        super().__init__(part=part, options=options)
        self._act = act
        self.on_msg(self._received)

    def say(self, text: str, wrong: bool = False, **more: Any) -> None:
        """Update the state: a sentence, whether it reports an error, and more."""
        self.state = {**self.state, "said": text, "wrong": wrong, **more}

    def __repr__(self) -> str:
        return f"Panel({self.part!r})"

    def _received(self, _: object, message: Message, buffers: list[memoryview]) -> None:
        self.send({"heard": message["number"]})
        try:
            self._act(message, buffers)
        except Exception as error:  # ipywidgets would show a traceback
            self.say(error_message(error), wrong=True)
