"""The parts of the app's page around the painter. The page's side is panel.js."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from gin.ui.app.worker import sentence

Message = dict[str, Any]


class Panel(anywidget.AnyWidget):
    """Shows `state` and `pictures`; what a person does there comes as messages.

    Args:
        part: "source" (which photograph) or "outcome" (how to complete it, and what
            became of it).
        options: what can be chosen; never changes.
        act: called with each message and its buffers. What it raises is shown as a
            sentence.
    """

    _esm = Path(__file__).with_name("panel.js")
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

    def say(self, said: str, wrong: bool = False, **more: Any) -> None:
        """Change the state: a sentence, whether it is about a mistake, and more."""
        self.state = {**self.state, "said": said, "wrong": wrong, **more}

    def __repr__(self) -> str:
        return f"Panel({self.part!r})"

    def _received(self, _: object, message: Message, buffers: list[memoryview]) -> None:
        self.send({"heard": message["number"]})
        try:
            self._act(message, buffers)
        except Exception as error:  # ipywidgets would print a traceback on the page
            self.say(sentence(error), wrong=True)
