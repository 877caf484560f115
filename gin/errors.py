"""Exceptions, each of which the command line turns into an exit code."""

from importlib.metadata import PackageNotFoundError, version


class InputError(ValueError):
    """Input that cannot be used; the command line prints it and exits with code 2.

    The message is one sentence with the file or argument, its value and the expected
    values.
    """


class Unavailable(InputError):
    """A file that cannot be downloaded from one of its sources."""


class Interrupted(Exception):
    """A signal or a limit has stopped a training, after it saved a checkpoint.

    `code` is the exit code of the program: 0 after a limit.
    """

    def __init__(self, reason: str, steps: int, code: int) -> None:
        super().__init__(f"{reason}: stopped after step {steps}; --resume goes on")
        self.code = code


class Terminated(BaseException):
    """SIGTERM as an exception, so that partly written files are removed.

    `except Exception` does not catch it.
    """


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
