"""The one exception for input that a person can put right."""


class InputError(ValueError):
    """Input that cannot be used; the message is one sentence for a person.

    It names the file or argument, says what was found and what was expected.
    The command line prints it and exits with code 2.
    """
