"""Device and precision: chosen by what is there, or refused in a sentence."""

import pytest
import torch

from gin import devices
from gin.errors import InputError

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("features", "precision"),
    [
        ({"avx2": True, "avx512_f": True, "avx512_bf16": False}, "float32"),
        ({"avx512_bf16": True}, "bf16"),
        ({"amx_bf16": True}, "bf16"),
        ({"architecture": "arm64"}, "float32"),
    ],
)
def test_bf16_only_where_the_processor_has_it(
    monkeypatch: pytest.MonkeyPatch, features: dict[str, object], precision: str
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: features, raising=False)
    assert devices.choose_precision(CPU) == precision


def test_torch_that_cannot_tell_gives_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert devices.choose_precision(CPU) == "float32"


@pytest.mark.parametrize(("native", "precision"), [(True, "bf16"), (False, "float32")])
def test_bf16_only_on_gpus_that_have_it(
    monkeypatch: pytest.MonkeyPatch, native: bool, precision: str
) -> None:
    monkeypatch.setattr(
        torch.cuda,
        "is_bf16_supported",
        lambda including_emulation=True: native or including_emulation,
    )
    assert devices.choose_precision(torch.device("cuda")) == precision


@pytest.mark.parametrize("name", devices.PRECISIONS)
def test_a_named_precision_is_taken(name: str) -> None:
    assert devices.choose_precision(CPU, name) == name


@pytest.mark.parametrize("name", ["", "fp16", "BF16"])
def test_an_unknown_precision_is_named(name: str) -> None:
    with pytest.raises(InputError, match=f"precision is '{name}'; expected float32 or"):
        devices.choose_precision(CPU, name)


def test_the_device_is_the_gpu_if_there_is_one() -> None:
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert devices.choose_device().type == expected
    assert devices.choose_device("cpu") == CPU


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "meta"])
def test_a_device_that_cannot_be_used_is_named(name: str) -> None:
    with pytest.raises(InputError, match=f"device '{name}' cannot be used here"):
        devices.choose_device(name)
