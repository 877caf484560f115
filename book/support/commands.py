"""`gin` commands inside a chapter, with what they print.

Taught in book/16_data.md and book/18_main_stage.md.
"""

import io
import shlex
from contextlib import redirect_stderr, redirect_stdout

from gin.cli.app import main


def gin_says(command: str) -> tuple[str, int]:
    """Run `gin COMMAND` in this process: what it prints, errors last, and its code."""
    with (
        redirect_stdout(io.StringIO()) as out,
        redirect_stderr(io.StringIO()) as errors,
    ):
        code = main(shlex.split(command))
    return out.getvalue() + errors.getvalue(), code
