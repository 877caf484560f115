"""Two painters in a notebook, run in JupyterLab, and their kernel."""

import ast
import json
from pathlib import Path
from typing import Any

import numpy as np
from browser import JupyterLab, run_cell, wait_for
from painter_page import Stage

CELL = """import gin
painter, other = gin.MaskPainter("photo.png"), gin.MaskPainter("photo.png")
display(painter, other)"""


def write_notebook(path: Path) -> None:
    """A notebook with one cell, which shows two painters."""
    cell = {"cell_type": "code", "source": CELL, "metadata": {}, "outputs": []}
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = {
        "cells": [{**cell, "id": "only", "execution_count": None}],
        "metadata": {"kernelspec": kernel},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    path.write_text(json.dumps(notebook))


class Lab:
    """A notebook with two painters, run on a page, and its kernel."""

    def __init__(
        self, server: JupyterLab, page: Any, size: tuple[int, int], notebook: str
    ) -> None:
        self.server, self.page, self.size = server, page, size
        page.set_default_timeout(120_000)  # machines may be slow
        page.goto(server.address(notebook))
        self.run_cell()
        self.client = server.kernel()

    def run_cell(self) -> None:
        run_cell(self.page)
        self.page.locator(".gin-painter canvas").nth(3).wait_for()

    def ask(self, expression: str, code: str = "") -> Any:
        """The value of an expression in the kernel, after `code`."""
        reply = self.client.execute(
            code, user_expressions={"asked": expression}, reply=True, timeout=60
        )
        assert reply["content"]["status"] == "ok", reply["content"]
        answer = reply["content"]["user_expressions"]["asked"]
        return ast.literal_eval(answer["data"]["text/plain"])

    def mask(self, name: str = "painter") -> np.ndarray:
        bits = bytes.fromhex(self.ask(f"{name}.mask_bits.hex()"))
        mask = np.unpackbits(
            np.frombuffer(bits, np.uint8), count=self.size[0] * self.size[1]
        )
        return mask.reshape(self.size[::-1])

    def wait_for_mask(self, expected: np.ndarray, name: str = "painter") -> None:
        def arrived() -> bool:
            self.page.wait_for_timeout(20)
            return np.array_equal(self.mask(name), expected)

        wait_for(arrived, "such mask in the kernel")

    def wait_for_text(self, stage: Stage, text: str) -> None:
        stage.root.get_by_text(text).first.wait_for()
