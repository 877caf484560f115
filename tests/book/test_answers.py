"""Right answers are told from wrong ones, and the mark gives nothing away."""

import numpy as np
import pytest
import torch
from support.answers import check, mark

from gin.errors import InputError


@pytest.mark.parametrize(
    ("answer", "same"),
    [
        (0.25, "0.25000001"),
        (3, 3.0),
        (3, np.float32(3)),
        (0.0, -0.0),
        (1 / 3, torch.tensor(0.33334)),
        (" Conv1_1\n", "conv1_1"),
        ((1, 2), [1.0, np.int64(2)]),
        ([1, 2], np.array([1, 2])),
    ],
)
def test_equal_answers_have_one_mark(answer: object, same: object) -> None:
    if isinstance(same, str) and not isinstance(answer, str):
        same = float(same)
    assert mark(answer) == mark(same)


@pytest.mark.parametrize(
    ("answer", "other"),
    [
        (0.25, 0.251),
        (3, -3),
        (1e3, 1e4),
        ("theta", "phi"),
        ((1, 2), (2, 1)),
        ((1, 2), (1, 2, 3)),
        ((1, (2, 3)), ((1, 2), 3)),
    ],
)
def test_other_answers_have_other_marks(answer: object, other: object) -> None:
    assert mark(answer) != mark(other)


def test_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    check(42, mark(42))
    check(41, mark(42))
    check(..., mark(42))
    printed = capsys.readouterr().out.splitlines()
    assert printed == ["Right.", "Not yet.", "Not yet: replace the dots."]


def test_what_is_no_answer_is_named() -> None:
    with pytest.raises(InputError, match="NoneType; expected a number"):
        mark(None)
