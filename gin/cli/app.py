"""The `gin` program: runs a command and prints errors in one line.

Taught in book/00_start.md.
"""

import ctypes
import re
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from typer import Option

from gin.cli import evaluate, info, inpaint, train
from gin.cli.options import Force, Weights, examples, flag
from gin.errors import (
    InputError,
    Interrupted,
    Terminated,
    check_import_name,
    install,
    memory_errors,
    printable,
)

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's malloc.h
BAD_INPUT, DIVERGED, INTERRUPTED, TERMINATED = 2, 1, 130, 143
# Usage errors are click's class in some versions of typer, typer's own in others.
UsageError: Any = typer.BadParameter.__base__
app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line (`sys.argv` if None) and return the exit code.

    0, 1 for a training that diverged or photographs that failed (`--keep-going`), 2 for
    bad input, 130 after Ctrl-C, 143 after SIGTERM. A code other than 0 comes with a
    line on stderr.
    """
    try:
        check_import_name()
    except ImportError as error:
        return _fail(str(error), BAD_INPUT)
    try:
        _escape_what_cannot_be_shown()
        keep_freed_memory()
        _check_given(sys.argv[1:] if arguments is None else arguments)
        with warnings.catch_warnings(), _sigterm_raises(), memory_errors():
            if not sys.warnoptions:  # users of the command cannot act on them
                warnings.simplefilter("ignore")
            code = app(arguments, prog_name="gin", standalone_mode=False)
    except UsageError as error:
        return _fail(error.format_message(), BAD_INPUT)
    except InputError as error:
        return _fail(str(error), BAD_INPUT)
    except ModuleNotFoundError as error:
        needed = install("train,export")
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
        print(error)  # a limit set by the user
        return 0
    except Terminated:
        return _fail("stopped by SIGTERM", TERMINATED)
    except typer.Abort:
        code = INTERRUPTED
    return _fail("interrupted", code) if code == INTERRUPTED else code or 0


def _escape_what_cannot_be_shown() -> None:
    """Escape characters that the output's encoding lacks, instead of an error."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # not a notebook's
            stream.reconfigure(errors="backslashreplace")


def keep_freed_memory() -> None:
    """Let glibc keep the memory of freed tensors for the next ones.

    It would return large blocks to the system; to get them again takes a fifth of the
    time of a completion or a training step. Other C libraries stay as they are.
    """
    with suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, -1)  # never


def _check_given(arguments: list[str]) -> None:
    """Raise InputError for an empty text, which as a path is the working folder."""
    if any(re.fullmatch("|--[a-z-]+=", argument) for argument in arguments):
        raise InputError(
            "an argument is empty; expected a value (is a shell variable unset?)"
        )


def _fail(message: str, code: int) -> int:
    line = re.sub(r"\s*\n\s*", " ", message)  # a usage error lists choices in lines
    print("gin:", printable(line), file=sys.stderr)
    return code


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    """Raise Terminated on SIGTERM, so that the program cleans up before it exits."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def terminate(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)  # a second one would stop the clean-up
        raise Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def _print_version(show: bool) -> None:
    if show:
        typer.echo(f"gin {version('deepgin-book')}")
        raise typer.Exit


@app.callback(
    invoke_without_command=True,
    epilog=examples(
        "gin inpaint photo.jpg --mask mask.png --out results",
        "gin mask --kind cellular --size 512x512 --out mask.png",
        "gin evaluate --data photos/ --baseline telea --out results/table.md",
        "gin info",
    ),
)
def root(
    context: typer.Context,
    show_version: Annotated[
        bool,
        Option(
            "--version", help="The version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """DeepGIN: deep generative inpainting. Fills holes in photographs."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


for module in (inpaint, train, evaluate, info):
    app.add_typer(module.app)


@app.command(
    epilog=examples(
        "gin export --out deepgin.onnx",
        "gin export --weights run/weights.safetensors --half --out deepgin.onnx",
    )
)
def export(
    out: Annotated[Path, Option(metavar="FILE", help="A new .onnx file.")],
    weights: Weights = None,
    half: Annotated[bool, flag("half", "Weights of 16 bits: half the size.")] = False,
    force: Force = False,
) -> None:
    """Write the network as ONNX, if its pictures equal PyTorch's."""
    from gin.weights.onnx_export import export_weights

    written = export_weights(weights, out, half, force)
    typer.echo(
        f"{out}: {written.size / 1e6:.1f} MB; its pictures differ from PyTorch's by "
        f"{written.difference:.1e} at most (1 is white)"
    )


@app.command(
    "app",
    epilog=examples("gin app", "gin app --photo photo.jpg --port 9000 --no-browser"),
)
def application(
    photo: Annotated[
        Path | None, Option(metavar="FILE", help="The first photograph.")
    ] = None,
    weights: Annotated[
        list[str] | None,
        Option(
            metavar="[deepfillv2=]FILE|FOLDER|released|hf:OWNER/NAME",
            help="Further weights to choose from. May be given again.",
        ),
    ] = None,
    port: Annotated[
        int | None, Option(min=1, max=65535, help="Default: the first free from 8866.")
    ] = None,
    no_browser: Annotated[bool, flag("no-browser", "Print the address only.")] = False,
) -> None:
    """Serve the inpainting app on this computer only, until Ctrl-C."""
    from gin.ui.app.server import serve

    serve(photo, weights or [], port, not no_browser)
