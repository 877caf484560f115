"""Devices, precision and processes of a training, through Lightning Fabric."""

import logging
import os
import threading
import time
from dataclasses import dataclass

import torch
import torch.distributed
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning_fabric.utilities.exceptions import MisconfigurationException

from gin.errors import InputError, input_error
from gin.utils.devices import available_cores, choose_device, choose_precision, compiles

MAX_WORKERS = 8
PARENT = "GIN_TRAINING_PARENT"


@dataclass(frozen=True)
class Hardware:
    """Where a training runs; None chooses by the machine."""

    device: str | None = None  #: "cpu", "cuda", "cuda:1" ...
    devices: int = 1  #: processes on each machine
    nodes: int = 1  #: machines
    precision: str | None = None  #: "float32" or "bf16"
    compiled: bool | None = None  #: whether networks and losses are compiled
    workers: int | None = None  #: processes that make the batches of each process


def launch(hardware: Hardware) -> Fabric:
    """Start the processes on their devices; InputError if this is not possible."""
    device = choose_device(hardware.device)
    precision = choose_precision(device, hardware.precision)
    if hardware.devices < 1 or hardware.nodes < 1:
        raise InputError(
            f"{hardware.devices} devices on {hardware.nodes} nodes; expected 1 or more"
        )
    if device.index is not None and hardware.devices > 1:
        raise InputError(
            f"device is {device} with {hardware.devices} devices; expected "
            f"{device.type}, or one device"
        )
    _check_processes(hardware)
    # Its messages about starting repeat what the user asked for.
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    several = hardware.devices * hardware.nodes > 1
    what = f"{hardware.devices} devices cannot be used"
    with input_error(what, MisconfigurationException):
        fabric = Fabric(
            accelerator=device.type,
            strategy="ddp" if several else "auto",
            devices=hardware.devices if device.index is None else [device.index],
            num_nodes=hardware.nodes,
            precision="bf16-mixed" if precision == "bf16" else "32-true",
        )
    if parent := os.environ.pop(PARENT, None):
        end_with_parent(int(parent))
    os.environ[PARENT] = str(os.getpid())  # for the processes that Fabric starts
    try:
        fabric.launch()
    finally:
        os.environ.pop(PARENT, None)
    return fabric


def _check_processes(hardware: Hardware) -> None:
    """Raise InputError if torchrun or SLURM started another number of processes.

    Each of them would be a training of its own, and write into the same folder.
    """
    expected = hardware.devices * hardware.nodes
    for name, environment in (
        ("torchrun", TorchElasticEnvironment),
        ("SLURM", SLURMEnvironment),
    ):
        if environment.detect():
            try:
                started = environment().world_size()
            except RuntimeError as error:  # SLURM's --ntasks without a number a node
                raise InputError(
                    f"{name} started the processes with --ntasks; expected "
                    f"--ntasks-per-node={hardware.devices}"
                ) from error
            if started != expected:
                raise InputError(
                    f"{name} started {started} processes; expected {expected}, as many "
                    f"as {hardware.devices} devices on {hardware.nodes} nodes"
                )
            return


def count_workers(hardware: Hardware, device: torch.device) -> int:
    """The number of processes that make batches for one process of the training.

    It is 1 on a CPU, which the training itself needs; otherwise a process's share of
    the cores, at most `MAX_WORKERS`: two or three of them make 500 images a second.
    """
    if hardware.workers is not None:
        return hardware.workers
    if device.type == "cpu":
        return 1
    return max(1, min(MAX_WORKERS, available_cores() // hardware.devices))


def uses_compile(hardware: Hardware, device: torch.device) -> bool:
    """Whether the networks are compiled: on CUDA by default, if a compiler works."""
    if hardware.compiled is not None:
        return hardware.compiled
    return device.type == "cuda" and compiles(device)


def end_with_parent(parent: int, seconds: float = 1.0) -> None:
    """Start a thread that ends this process when its parent has ended.

    Fabric starts the other processes from the first one and does not end them if the
    first one fails: they would wait in a collective until its timeout. Every `seconds`
    the thread checks that this process's parent is still `parent`.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(seconds)
        os._exit(1)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()
