"""Exceptions, each of which the command line turns into an exit code."""

from importlib.metadata import PackageNotFoundError, version


class InputError(ValueError):
    """Input that cannot be used.

    The message is one sentence with the file or argument, its value and the expected
    values. The command line prints it and exits with code 2.
    """


class Unavailable(InputError):
    """A file that cannot be downloaded from one of its sources."""


class Interrupted(Exception):
    """A signal or a limit has stopped a training, after it saved a checkpoint.

    Attributes:
        code: the exit code of the program; 0 after a limit.
    """

    def __init__(self, reason: str, steps: int, code: int) -> None:
        super().__init__(f"{reason}: stopped after step {steps}; --resume goes on")
        self.code = code


class Terminated(BaseException):
    """SIGTERM, raised as an exception so that partly written files are removed.

    It derives from BaseException, so `except Exception` does not catch it.
    """


def check_import_name() -> None:
    """Refuse to run beside `gin-config`, whose files and ours overwrite each other.

    Both install into a folder called `gin`, so parts of both would be imported, which
    fails later with a misleading message.

    Raises:
        ImportError: `gin-config` is installed in this environment.
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
