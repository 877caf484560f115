"""Devices, precision and processes of a training, through Lightning Fabric."""

import logging
import os
from dataclasses import dataclass

import torch
import torch.distributed
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning_fabric.utilities.exceptions import MisconfigurationException

from gin.errors import InputError
from gin.utils.devices import choose_device, choose_precision


@dataclass(frozen=True)
class Hardware:
    """Where a training runs; None chooses by what is there.

    `devices` processes on each of `nodes` machines; `workers` make the batches of
    each process.
    """

    device: str | None = None
    devices: int = 1
    nodes: int = 1
    precision: str | None = None
    compiled: bool | None = None
    workers: int | None = None


def launch(hardware: Hardware) -> Fabric:
    """The device, the precision and the processes. Raises InputError if unusable."""
    device = choose_device(hardware.device)
    precision = choose_precision(device, hardware.precision)
    if hardware.devices < 1 or hardware.nodes < 1:
        raise InputError(
            f"{hardware.devices} devices on {hardware.nodes} nodes; expected 1 or more"
        )
    _check_processes(hardware)
    # What it has to say about starting is no news to who asked for it.
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    several = hardware.devices * hardware.nodes > 1
    one_of_many = device.index is not None and hardware.devices == 1
    try:
        fabric = Fabric(
            accelerator=device.type,
            strategy="ddp" if several else "auto",
            devices=[device.index] if one_of_many else hardware.devices,
            num_nodes=hardware.nodes,
            precision="bf16-mixed" if precision == "bf16" else "32-true",
        )
    except MisconfigurationException as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{hardware.devices} devices: {reason}") from error
    fabric.launch()
    return fabric


def _check_processes(hardware: Hardware) -> None:
    """Else as many trainings as processes would run, and write into one folder."""
    expected = hardware.devices * hardware.nodes
    for name, environment in (
        ("torchrun", TorchElasticEnvironment),
        ("SLURM", SLURMEnvironment),
    ):
        if environment.detect():
            if (found := environment().world_size()) != expected:
                raise InputError(
                    f"{name} started {found} processes; expected {expected}, as many "
                    f"as {hardware.devices} devices on {hardware.nodes} nodes"
                )
            return


def _workers(hardware: Hardware, device: torch.device) -> int:
    """Processes that make batches: one on a CPU, which has its hands full."""
    if hardware.workers is not None:
        return hardware.workers
    if device.type == "cpu":
        return 1
    return max(1, (os.cpu_count() or 1) // hardware.devices - 1)
