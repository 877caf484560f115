"""Which device runs the network, and in which precision."""

import torch

from gin.errors import InputError

PRECISIONS = ("float32", "bf16")


def choose_device(name: str | torch.device | None = None) -> torch.device:
    """The device named, or else the GPU if CUDA finds one, or else the CPU.

    Raises InputError if nothing can be computed there.
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device).cpu()
    except (RuntimeError, AssertionError) as error:  # torch built without CUDA asserts
        reason = str(error).splitlines()[0]
        raise InputError(
            f"device {str(name)!r} cannot be used here ({reason}); expected cpu, or "
            "cuda where there is a GPU"
        ) from error
    return device


def choose_precision(device: torch.device, name: str | None = None) -> str:
    """The precision named, or else "bf16" where the hardware has it, or "float32".

    Raises InputError for a name that is not in `PRECISIONS`.
    """
    if name is None:
        return "bf16" if _has_bf16(device) else "float32"
    if name not in PRECISIONS:
        raise InputError(f"precision is {name!r}; expected {' or '.join(PRECISIONS)}")
    return name


def _has_bf16(device: torch.device) -> bool:
    """Whether bf16 is in the hardware: emulated, it can be ten times slower."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu" or not hasattr(torch.cpu, "get_capabilities"):
        return False
    features = torch.cpu.get_capabilities()
    return any(features.get(name) for name in ("amx_bf16", "avx512_bf16"))
