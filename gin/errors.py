"""The exceptions that the command line makes a line and an exit code of."""


class InputError(ValueError):
    """Input that cannot be used; the message is one sentence for a person.

    It names the file or argument, says what was found and what was expected.
    The command line prints it and exits with code 2.
    """


class Unavailable(InputError):
    """A file that cannot be had from one place; another place may have it."""


class Interrupted(Exception):
    """A signal or a limit ended the training; a checkpoint is written.

    `code` is the exit code that the program should end with, 0 after a limit.
    """

    def __init__(self, reason: str, steps: int, code: int) -> None:
        super().__init__(f"{reason}: stopped after step {steps}; --resume goes on")
        self.code = code


class Terminated(BaseException):
    """SIGTERM ends the program; what is half written is removed on the way.

    No `except Exception` keeps it.
    """
