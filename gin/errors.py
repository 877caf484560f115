"""Exceptions, each of which the command line turns into an exit code."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version

# In PyTorch's messages, by device and system.
EXHAUSTED = "out of memory|can't allocate memory|cannot allocate memory|not enough mem"


def printable(text: str) -> str:
    """Escape what does not print, so that names from a file cannot drive a terminal."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


class InputError(ValueError):
    """Input that cannot be used; the command line prints it and exits with code 2.

    The message is one sentence with the file or argument, its value and the expected
    values, on one line: see `printable`.
    """

    def __str__(self) -> str:
        return printable(super().__str__())


class Unavailable(InputError):
    """A file, package or method that is not available; an evaluation leaves it out."""


class Interrupted(Exception):
    """A signal or a limit has stopped a training, after it saved a checkpoint.

    `code` is the exit code of the program: 0 after a limit.
    """

    def __init__(self, reason: str, steps: int, code: int) -> None:
        super().__init__(
            f"{reason}: stopped after step {steps}; continue with --resume"
        )
        self.code = code


class Terminated(BaseException):
    """SIGTERM as an exception, so that partly written files are removed.

    `except Exception` does not catch it.
    """


@contextmanager
def input_error(
    what: str, *kinds: type[Exception], expected: str = ""
) -> Iterator[None]:
    """Turn exceptions of `kinds` into InputError: `what`, the reason, `expected`."""
    try:
        yield
    except InputError:
        raise
    except kinds as error:
        text = getattr(error, "strerror", None) or str(error)
        reason = " ".join(text.split()) or type(error).__name__
        hint = f"; expected {expected}" if expected else ""
        raise InputError(f"{what} ({reason}){hint}") from error


@contextmanager
def memory_errors() -> Iterator[None]:
    """Turn PyTorch's errors about exhausted memory, of two types, into MemoryError."""
    try:
        yield
    except RuntimeError as error:
        if not re.search(EXHAUSTED, str(error)):
            raise
        raise MemoryError(str(error).strip().splitlines()[0]) from error


def install(extra: str) -> str:
    """How to install the packages of an extra."""
    return f"pip install '.[{extra}]' in the folder of this project"


def needs(what: str, extra: str, error: ImportError) -> str:
    """The message that `what` needs the packages of an extra."""
    return f"{what} needs {install(extra)} ({error})"


@contextmanager
def required(
    what: str, extra: str, kind: type[InputError] = InputError
) -> Iterator[None]:
    """Turn ImportError into the exception `kind`, which names the extra to install."""
    try:
        yield
    except ImportError as error:
        raise kind(needs(what, extra, error)) from error


def check_choice(name: str, value: object, choices: Iterable[str]) -> None:
    """Raise InputError, starting with `name`, unless `value` is one of `choices`."""
    if value not in (known := list(choices)):
        several = f"one of {', '.join(known)}"
        expected = several if len(known) > 2 else " or ".join(known)
        raise InputError(f"{name} is {value!r}; expected {expected}")


def check_import_name() -> None:
    """Raise ImportError beside `gin-config`, which has the same import name, gin.

    Parts of both would be imported, which fails later with a misleading message.
    """
    try:
        installed = version("gin-config")
    except PackageNotFoundError:
        return
    raise ImportError(
        f"gin-config {installed} is installed in this environment and has the same "
        "import name, gin, as deepgin-book, so the two overwrite each other: use a "
        "separate environment, or run `pip uninstall gin-config` and then reinstall "
        "deepgin-book with `pip install --force-reinstall --no-deps deepgin-book`."
    )
