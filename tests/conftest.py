"""What has to be imported before any test, and what several of them need."""

from collections.abc import Iterator

# After jsonargparse, which copies PyYAML's representers, jupytext's would come too late
# for it to write a chapter's header.
import jupytext  # noqa: F401
import pytest
import torch
from torch import Tensor

# Before onnxruntime, whose telemetry it switches off.
import gin  # noqa: F401


@pytest.fixture
def in_float64(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is made without a type is float64, and so is what asks for float32."""
    monkeypatch.setattr(Tensor, "float", Tensor.double)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
