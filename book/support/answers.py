"""A reader's answer told right or wrong, without the right one standing anywhere.

    check(answer, "0d3b4c1f8a2e")

A chapter holds only a mark, twelve digits of a SHA-256. Numbers are compared at three
significant digits, texts without case and blanks, sequences item by item.
"""

import hashlib
from collections.abc import Iterable
from numbers import Number
from types import EllipsisType
from typing import SupportsFloat

from gin.errors import InputError

Answer = Number | str | Iterable["Answer"]


def mark(answer: Answer) -> str:
    """What `check` compares: twelve hexadecimal digits.

    Raises InputError for what is no number, text, or sequence of these.
    """
    return hashlib.sha256(_plain(answer).encode()).hexdigest()[:12]


def check(answer: Answer | EllipsisType, expected: str) -> None:
    """Print whether `answer` is the one whose `mark` is `expected`."""
    if answer is ...:
        print("Not yet: replace the dots.")
    else:
        print("Right." if mark(answer) == expected else "Not yet.")


def _plain(answer: Answer) -> str:
    if isinstance(answer, str):
        return "".join(answer.split()).lower()
    # Arrays have a float too, and are sequences unless they have no axis.
    if isinstance(answer, SupportsFloat) and not getattr(answer, "ndim", 0):
        return f"{float(answer) + 0.0:.2e}".replace("-0.00e", "0.00e")
    if isinstance(answer, Iterable):
        return f"({','.join(_plain(each) for each in answer)})"
    raise InputError(
        f"answer is {type(answer).__name__}; expected a number, a text or a sequence"
    )
