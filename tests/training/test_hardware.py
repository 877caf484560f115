"""Workers, launchers, and processes that end with the one that started them."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric
from tiny_training import CPU

from gin.errors import InputError
from gin.training.hardware import (
    PARENT,
    Hardware,
    count_workers,
    launch,
    uses_compile,
)
from gin.training.processes import Processes
from gin.utils.devices import available_cores

ROOT = Path(__file__).parents[2]
CUDA = torch.device("cuda")


@pytest.mark.parametrize(
    ("cores", "devices", "workers"),
    [(256, 1, 8), (256, 4, 8), (32, 8, 4), (8, 4, 2), (8, 8, 1), (2, 4, 1)],
)
def test_workers_are_a_share_of_the_cores_that_the_process_may_use(
    cores: int, devices: int, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 256)
    monkeypatch.setattr(
        "os.sched_getaffinity", lambda pid: set(range(cores)), raising=False
    )
    assert available_cores() == cores
    assert count_workers(Hardware(devices=devices), CUDA) == workers
    assert count_workers(Hardware(devices=devices, workers=5), CUDA) == 5
    assert count_workers(Hardware(devices=devices), torch.device("cpu")) == 1


def test_without_affinity_all_cores_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("os.sched_getaffinity", raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 6)
    assert available_cores() == 6


def test_compiling_is_for_cuda_where_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gin.training.hardware.compiles", lambda device: False)
    assert not uses_compile(Hardware(), CUDA)
    assert uses_compile(Hardware(compiled=True), CUDA)
    monkeypatch.setattr("gin.training.hardware.compiles", lambda device: True)
    assert uses_compile(Hardware(), CUDA)
    assert not uses_compile(Hardware(), torch.device("cpu"))


def test_slurm_without_tasks_per_node_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SLURM_NTASKS", "4")
    monkeypatch.setenv("SLURM_JOB_NAME", "train")
    monkeypatch.delenv("SLURM_NTASKS_PER_NODE", raising=False)
    words = "SLURM started the processes with --ntasks; expected --ntasks-per-node=4"
    with pytest.raises(InputError, match=f"^{words}$"):
        launch(replace(CPU, devices=4))


def test_several_processes_take_no_single_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    device = torch.device("cuda:1")
    monkeypatch.setattr("gin.training.hardware.choose_device", lambda name: device)
    with pytest.raises(InputError, match="cuda:1 with 2 devices; expected cuda"):
        launch(Hardware("cuda:1", devices=2, precision="float32"))


def test_a_failed_launch_leaves_no_mark_for_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(self: Fabric) -> None:
        assert os.environ[PARENT] == str(os.getpid())
        raise RuntimeError("no port")

    monkeypatch.setattr(Fabric, "launch", fail)
    with pytest.raises(RuntimeError, match="no port"):
        launch(CPU)
    assert PARENT not in os.environ


def test_each_process_that_srun_started_is_no_run_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As `srun -n 4 gin inpaint` without --devices: all would write the same files."""
    for name in ("SLURM_NTASKS", "SLURM_NTASKS_PER_NODE", "SLURM_STEP_NUM_TASKS"):
        monkeypatch.setenv(name, "4")
    monkeypatch.setenv("SLURM_JOB_NAME", "inpaint")
    with pytest.raises(InputError, match="SLURM started 4 processes; expected 1"):
        Processes.launch(1, "cpu")
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "1")  # the batch script itself
    assert Processes.launch(1, "cpu").fabric is None


def test_a_result_of_the_first_process() -> None:
    fabric, result = Fabric(accelerator="cpu"), object()
    assert Processes(fabric).on_first(lambda: result) is result

    def refuse() -> None:
        raise InputError("no")

    with pytest.raises(InputError, match="^no$"):
        Processes(fabric).on_first(refuse)


def test_when_the_first_process_fails_the_others_end() -> None:
    """The other one would sleep, as in a collective, and hold the pipes open."""
    program = ROOT / "tests" / "helpers" / "first_fails.py"
    done = subprocess.run(
        [sys.executable, str(program)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
        timeout=300,
    )
    assert done.returncode == 1
    assert "InputError: the disk is full\n" in done.stderr


def test_a_process_whose_parent_has_ended_before_ends_too() -> None:
    code = "import time; from gin.training.hardware import end_with_parent as end"
    code += "; end(0, 0.01); time.sleep(300)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=200)
    assert done.returncode == 1
