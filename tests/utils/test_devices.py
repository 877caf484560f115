"""Device and precision: chosen by what is there, or refused in a sentence."""

import warnings
from collections.abc import Iterator

import pytest
import torch

from gin.errors import InputError
from gin.utils import devices

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
    capability = (8, 0) if native else (7, 5)  # A100, T4
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
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


# GPUs


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[torch.device]:
    """Two GPUs, of which the second alone has bf16; who was asked."""
    found: list[torch.device] = []

    def capability(device: torch.device) -> tuple[int, int]:
        found.append(device)
        return (8, 0) if device.index == 1 else (7, 5)

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_capability", capability)
    for name in ("LOCAL_RANK", "SLURM_LOCALID"):
        monkeypatch.delenv(name, raising=False)
    return found


def test_bf16_is_asked_of_the_device_named(asked: list[torch.device]) -> None:
    assert devices.choose_precision(torch.device("cuda:1")) == "bf16"
    assert devices.choose_precision(torch.device("cuda:0")) == "float32"
    assert [device.index for device in asked] == [1, 0]


@pytest.mark.parametrize("variable", ["LOCAL_RANK", "SLURM_LOCALID"])
def test_each_process_asks_and_touches_its_own_gpu(
    asked: list[torch.device], monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "1")
    assert devices.choose_precision(torch.device("cuda")) == "bf16"
    touched = []

    def zeros(_: int, device: torch.device) -> torch.Tensor:
        touched.append(device)
        return torch.ones(1)

    monkeypatch.setattr(torch, "zeros", zeros)
    assert devices.choose_device("cuda") == torch.device("cuda")
    assert touched == [torch.device("cuda:1")]


def test_a_gpu_without_kernels_is_told_which_torch_serves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class OldGpu:
        def add_(self, _: int) -> None:
            raise RuntimeError("CUDA error: no kernel image is available\nCompile with")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_75", "sm_80"])
    monkeypatch.setattr(torch, "zeros", lambda *_, **__: OldGpu())
    with pytest.raises(InputError, match=r"a GPU of sm_75, sm_80, .* for CUDA 12\.6"):
        devices.choose_device()


def switches() -> tuple[bool, bool, bool]:
    cudnn, products = torch.backends.cudnn, torch.backends.cuda.matmul
    return cudnn.allow_tf32, products.allow_tf32, torch.is_autocast_enabled("cpu")


@pytest.fixture
def kept() -> Iterator[None]:
    """The switches are given back."""
    cudnn, products = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.allow_tf32, products.allow_tf32, cudnn.benchmark
    yield
    cudnn.allow_tf32, products.allow_tf32, cudnn.benchmark = before


@pytest.mark.usefixtures("kept")
def test_exact_float32_has_no_tf32_and_gives_the_switches_back() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        devices.tune(torch.device("cuda"))
        assert torch.backends.cudnn.benchmark
        assert switches() == (True, True, True)
        with devices.exact_float32(CPU):
            assert switches() == (False, False, False)
        assert switches() == (True, True, True)


def test_a_processor_is_not_tuned() -> None:
    before = switches(), torch.backends.cudnn.benchmark
    devices.tune(CPU)
    assert (switches(), torch.backends.cudnn.benchmark) == before


def test_a_compiler_that_fails_is_said_and_one_that_works_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(_: object) -> None:
        raise RuntimeError("Failed to find C compiler.\nPlease specify via CC")

    monkeypatch.setattr(torch, "compile", missing)
    with pytest.warns(
        UserWarning, match=r"cannot be used here \(Failed to find C comp"
    ):
        assert not devices.compiles(CPU)
    monkeypatch.setattr(torch, "compile", lambda function: function)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert devices.compiles(CPU)
