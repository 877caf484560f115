"""What ends a training early: signals, limits, and numbers that are not finite."""

import math
import signal

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor

from gin.training.stopping import CODES, Finite, Stop

FABRIC = Fabric(accelerator="cpu")


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_a_signal_stops_after_the_step_and_not_before(
    number: signal.Signals, code: int
) -> None:
    before = {each: signal.getsignal(each) for each in CODES}
    with Stop(FABRIC, None, None) as stop:
        assert not stop.after_step()
        signal.raise_signal(number)  # raises nothing here
        assert stop.after_step()
        assert (stop.reason, stop.code) == (number.name, code)
    assert {each: signal.getsignal(each) for each in CODES} == before


def test_limits_stop_with_code_0() -> None:
    with Stop(FABRIC, 3, None) as stop:
        assert [stop.after_step() for _ in range(3)] == [False, False, True]
        assert (stop.reason, stop.code) == ("3 steps", 0)
    with Stop(FABRIC, None, 0.5) as stop:
        assert not stop.after_step()
        stop.begun -= 1801
        assert stop.after_step()
        assert (stop.reason, stop.code) == ("0.5 hours", 0)


def test_a_signal_says_more_than_a_limit() -> None:
    with Stop(FABRIC, 1, None) as stop:
        signal.raise_signal(signal.SIGTERM)
        assert stop.after_step()
        assert (stop.reason, stop.code) == ("SIGTERM", 143)


def terms(*values: float) -> dict[str, Tensor]:
    return {str(n): torch.tensor(value) for n, value in enumerate(values)}


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_the_first_step_that_was_not_finite_is_named(bad: float) -> None:
    finite = Finite([torch.ones(3)])
    finite.note(terms(1.0, 2.0), 6)
    finite.check()
    for step, value in ((7, bad), (8, 1.0), (9, bad)):
        finite.note(terms(1.0, value), step)
    with pytest.raises(FloatingPointError, match="the loss is not finite at step 7"):
        finite.check()


def test_infinities_do_not_cancel() -> None:
    finite = Finite([])
    finite.note(terms(math.inf, -math.inf), 1)
    with pytest.raises(FloatingPointError):
        finite.check()


def test_weights_that_a_finite_loss_spoilt_are_noticed() -> None:
    weights = [torch.ones(3), torch.ones(2, 2)]
    finite = Finite(weights)
    finite.note(terms(1.0), 4)
    finite.check()
    weights[1][0, 1] = math.nan
    with pytest.raises(FloatingPointError, match="weights are not finite after step 4"):
        finite.check()
