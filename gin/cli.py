"""The `gin` program: runs a command and says in one line what went wrong.

Taught in book/00_start.md.
"""

import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import typer

from gin._names import check_import_name
from gin.commands import app
from gin.errors import InputError, Interrupted, Terminated

BAD_INPUT, DIVERGED, INTERRUPTED, TERMINATED = 2, 1, 130, 143

# A usage error's class is click's in some versions of typer, typer's own in others.
UsageError: Any = typer.BadParameter.__base__


def main(arguments: list[str] | None = None) -> int:
    """Run the command line (`sys.argv` if None) and return the exit code.

    0, 1 for a training that diverged, 2 for bad input, 130 after Ctrl-C, 143 after
    SIGTERM; other than 0 goes with one line on stderr.
    """
    try:
        check_import_name()
    except ImportError as error:
        return _fail(str(error), BAD_INPUT)
    try:
        with warnings.catch_warnings(), _sigterm_raises():
            if not sys.warnoptions:  # they speak to programmers
                warnings.simplefilter("ignore")
            code = app(arguments, prog_name="gin", standalone_mode=False)
    except UsageError as error:
        return _fail(error.format_message(), BAD_INPUT)
    except InputError as error:
        return _fail(str(error), BAD_INPUT)
    except ModuleNotFoundError as error:
        needed = 'pip install "deepgin-book[train,export]"'
        return _fail(f"{error.name} is not installed: {needed}", BAD_INPUT)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _fail(f"{where}{error.strerror or error}", BAD_INPUT)
    except MemoryError as error:
        return _fail(f"not enough memory ({error})", BAD_INPUT)
    except FloatingPointError as error:
        return _fail(f"the training diverged: {error}", DIVERGED)
    except Interrupted as error:
        if error.code:
            return _fail(str(error), error.code)
        print(error)  # a limit that was asked for
        code = 0
    except Terminated:
        return _fail("stopped by SIGTERM", TERMINATED)
    except typer.Abort:
        code = INTERRUPTED
    return _fail("interrupted", code) if code == INTERRUPTED else code or 0


def _fail(message: str, code: int) -> int:
    print("gin:", " ".join(message.split("\n")), file=sys.stderr)
    return code


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    """SIGTERM raises Terminated, so that the program tidies up before it ends."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def _terminate(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # a second one would disturb the tidying
    raise Terminated
