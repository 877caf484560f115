"""Choice of device and precision."""

import os
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

from gin.errors import InputError, check_choice

PRECISIONS = ("float32", "bf16")


def choose_device(name: str | torch.device | None = None) -> torch.device:
    """The device `name`; by default the GPU if CUDA is available, else the CPU.

    Raises InputError if the device cannot run a kernel.
    """
    if name is None:
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        # Run a kernel: an old GPU allocates memory, but torch has no kernels for it.
        torch.zeros(1, device=own(device)).add_(1).cpu()
    except (RuntimeError, AssertionError) as error:  # torch built without CUDA asserts
        reason, usable = str(error).splitlines()[0], "cuda where there is a GPU"
        if "no kernel image" in reason:
            usable = (
                f"a GPU of {', '.join(torch.cuda.get_arch_list())}, for which this "
                "torch is built; GPUs up to Volta (sm_70) need a build of torch for "
                "CUDA 12.6"
            )
        raise InputError(
            f"device {str(name)!r} cannot be used here ({reason}); expected cpu, or "
            f"{usable}"
        ) from error
    return device


def own(device: torch.device) -> torch.device:
    """Resolve "cuda" to the GPU of the rank that Fabric, torchrun or SLURM set."""
    if device != torch.device("cuda"):
        return device
    rank = os.environ.get("LOCAL_RANK") or os.environ.get("SLURM_LOCALID") or "0"
    return torch.device("cuda", int(rank) % max(1, torch.cuda.device_count()))


def tune(device: torch.device) -> None:
    """Set cuDNN's benchmark mode and TF32 for training on CUDA; else do nothing.

    cuDNN compares its algorithms once per input size. Float32 matrix products use TF32,
    as convolutions do; TF32 is more precise than bf16.
    """
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32


@contextmanager
def exact_float32(device: torch.device) -> Iterator[None]:
    """Compute in full float32: no autocast, and on CUDA no TF32."""
    cudnn, products = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.allow_tf32, products.allow_tf32
    cudnn.allow_tf32 = products.allow_tf32 = False
    try:
        with no_autocast(device):
            yield
    finally:
        cudnn.allow_tf32, products.allow_tf32 = before


def compiles(device: torch.device) -> bool:
    """Whether `torch.compile` works on `device`; a warning gives the reason if not.

    It needs a C compiler and Python's headers, which slim images lack.
    """
    try:
        torch.compile(torch.square)(torch.ones(8, device=device))
    except Exception as error:  # of many types: compilers, Triton, the linker
        reason = str(error).strip().splitlines()[0]
        warnings.warn(f"torch.compile cannot be used here ({reason})", stacklevel=2)
        return False
    return True


def choose_precision(device: torch.device, name: str | None = None) -> str:
    """The precision `name`; by default "bf16" if the hardware has it, else "float32".

    Raises InputError for a name that is not in `PRECISIONS`.
    """
    if name is None:
        return "bf16" if _has_bf16(device) else "float32"
    check_choice("precision", name, PRECISIONS)
    return name


def _has_bf16(device: torch.device) -> bool:
    """Whether the hardware computes bf16; emulated bf16 can be ten times slower."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(own(device)) >= (8, 0)
    if device.type != "cpu" or not hasattr(torch.cpu, "get_capabilities"):
        return False
    features = torch.cpu.get_capabilities()
    return any(features.get(name) for name in ("amx_bf16", "avx512_bf16"))


def available_cores() -> int:
    """The CPU cores that this process may use; a batch system may give it a few."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS or Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def no_autocast(device: torch.device) -> AbstractContextManager[object]:
    """A context in which autocast is off; the device "meta" has none."""
    if device.type == "meta":
        return nullcontext()
    return torch.autocast(device.type, enabled=False)
