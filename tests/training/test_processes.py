"""Trainings in processes of their own: killed, stopped by signals, two at once."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import many_processes
import numpy as np
import pytest
import torch
from forked import free_port
from forked_kernels import SERVER
from lightning_fabric import Fabric
from test_learner import batch
from tiny_training import OPTIONS, checkpoints, last, photographs, same
from tolerances import AFTER_ADAM, EXACT

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "tests" / "helpers" / "gin_program.py"
LONG = 300  # seconds after which something hangs
SETTINGS = ["network.base_channels=2", "data.image_size=16", "schedule.save_steps=3"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return photographs(tmp_path / "data")


@pytest.fixture
def start() -> Iterator[Callable[..., BaseProcess]]:
    """Starts functions of `many_processes`; what still runs at the end is killed."""
    started: list[BaseProcess] = []

    def process(function: Callable[..., None], *arguments: Any) -> BaseProcess:
        started.append(SERVER.Process(target=function, args=arguments))
        started[-1].start()
        return started[-1]

    yield process
    for each in started:
        each.kill()
        each.join()


def train(data: Path, run: Path, warm_up: int, decay: int, *more: str) -> list[str]:
    lengths = [f"schedule.warm_up={warm_up}", f"schedule.decay={decay}"]
    changes = [f"--set={change}" for change in SETTINGS + lengths]
    recipe = [] if "--resume" in more else ["--recipe", "smoke", *changes]
    where = ["--data", str(data), "--out", str(run)]
    return ["train", *recipe, *where, *OPTIONS, *more]


def wait_for_a_checkpoint(run: Path) -> None:
    ends = time.monotonic() + LONG
    while not list(run.glob("checkpoints/step-*.pt")):
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_killed_at_random_moments_it_ends_in_the_same_bits(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`benchmarks/kill.py` with three kills."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import kill

    rng = np.random.default_rng(0)
    counted, _ = kill.kill_and_resume(data, tmp_path, 3, rng)
    assert counted["kills"] == 3
    assert counted["bit for bit"] == counted["runs"] >= 1


def test_a_signal_to_all_processes_lets_it_finish_its_step(
    data: Path, tmp_path: Path, start: Callable[..., BaseProcess]
) -> None:
    """SLURM's SIGTERM reaches the process that makes the batches, too."""
    run = tmp_path / "run"
    arguments = train(data, run, 300, 0, "--workers=1")
    program = start(many_processes.run_gin_in_a_group, *arguments)
    wait_for_a_checkpoint(run)
    assert program.pid is not None
    os.killpg(program.pid, signal.SIGTERM)
    program.join(LONG)
    assert program.exitcode == 143
    assert last(run)["clock"][0] == list(checkpoints(run))[-1] < 300


def test_two_processes_learn_as_one_on_the_joined_batch(
    tmp_path: Path, start: Callable[..., BaseProcess]
) -> None:
    port, where = free_port(), tmp_path / "found.pt"
    ranks = [
        start(many_processes.as_rank, rank, port, "learn_together", where)
        for rank in range(2)
    ]
    alone = Fabric(accelerator="cpu", precision=EXACT)
    one = many_processes.learn(alone, *batch(photographs=2))
    for rank in ranks:
        rank.join(LONG)
        assert rank.exitcode == 0
    two = torch.load(where, weights_only=True)
    assert two.keys() == one.keys()
    for what, tensors in one.items():
        gaps = {name: two[what][name] - tensor for name, tensor in tensors.items()}
        share = norm(gaps) / norm(tensors)
        largest = {name: gap.abs().max().item() for name, gap in gaps.items()}
        name = max(largest, key=lambda name: largest[name])
        print(f"{what}: largest difference {largest[name]:.1e}, in {name}; {share:.1e}")
        assert largest[name] < AFTER_ADAM
        assert share < AFTER_ADAM


def test_two_compiled_processes_learn_as_one_eager_process(
    tmp_path: Path, start: Callable[..., BaseProcess]
) -> None:
    """Both orders, clipped, with the average: equal but for the order of sums."""
    port, where = free_port(), tmp_path / "states.pt"
    ranks = [
        start(many_processes.as_rank, rank, port, "step_compiled_together", where)
        for rank in range(2)
    ]
    alone = Fabric(accelerator="cpu", precision=EXACT)
    one = many_processes.clipped_steps(alone, *batch(photographs=2))
    for rank in ranks:
        rank.join(3 * LONG)  # it compiles
        assert rank.exitcode == 0
    two = torch.load(where, weights_only=True)
    assert two.pop("graphs") > 0
    assert two.keys() == one.keys() == {"paper", "released"}
    for order, state in one.items():
        for part in ("net", "discriminators", "average"):
            assert two[order][part].keys() == state[part].keys()
            gaps = [
                (two[order][part][n] - p).abs().max() for n, p in state[part].items()
            ]
            print(f"{order}, {part}: largest difference {max(gaps):.1e}")
            assert max(gaps) < 1e-11  # see `tolerances`: Adam enlarges 1e-16


@pytest.mark.parametrize("program", ["open_together", "open_refused"])
def test_photographs_are_decoded_by_one_process(
    program: str, data: Path, tmp_path: Path, start: Callable[..., BaseProcess]
) -> None:
    (data / "001.png").write_bytes(b"nonsense")
    port, arguments = free_port(), (str(data), None, tmp_path)
    ranks = [
        start(many_processes.as_rank, rank, port, program, *arguments)
        for rank in range(2)
    ]
    for rank in ranks:
        rank.join(LONG)
        assert rank.exitcode == 0
    found = [json.loads((tmp_path / f"{n}.json").read_text()) for n in range(2)]
    if program == "open_refused":
        assert found == ["InputError", "SystemExit"]
    else:
        names = [f"{number:03}.png" for number in (0, 2, 3, 4)]
        assert found == [[5, names, ["001.png"]], [0, names, ["001.png"]]]


def test_a_dataset_is_downloaded_by_one_process(
    tmp_path: Path, start: Callable[..., BaseProcess]
) -> None:
    port = free_port()
    ranks = [
        start(many_processes.as_rank, rank, port, "download_together", tmp_path)
        for rank in range(2)
    ]
    for rank in ranks:
        rank.join(LONG)
        assert rank.exitcode == 0
    assert [path.name for path in tmp_path.glob("*.txt")] == ["0.txt"]


def norm(tensors: dict[str, torch.Tensor]) -> float:
    return torch.cat([tensor.flatten() for tensor in tensors.values()]).norm().item()


def test_two_processes_stop_together_and_go_on_under_torchrun(
    data: Path, tmp_path: Path, start: Callable[..., BaseProcess]
) -> None:
    """`gin train --devices 2`, SIGTERM, then `torchrun` to the end: the same bits."""
    run, whole, port = tmp_path / "run", tmp_path / "whole", free_port()
    two = ["--devices=2", "--workers=0"]
    program = subprocess.Popen(
        [sys.executable, str(PROGRAM), *train(data, run, 12, 1, *two)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    ranks = [
        start(
            many_processes.as_rank,
            *(rank, port, "run_gin", *train(data, whole, 12, 1, *two)),
        )
        for rank in range(2)
    ]
    wait_for_a_checkpoint(run)
    program.send_signal(signal.SIGTERM)
    said, complained = program.communicate(timeout=LONG)
    steps = list(checkpoints(run))[-1]
    expected = f"gin: SIGTERM: stopped after step {steps}; continue with --resume\n"
    assert (program.returncode, said, complained) == (143, "", expected)
    assert steps < 13
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    command += [f"--master-port={free_port()}", str(PROGRAM)]
    resumed = subprocess.run(
        [*command, *train(data, run, 12, 1, *two, "--resume")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=LONG,
    )
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout == f"trained weights: {run / 'weights.safetensors'}\n"
    for rank in ranks:
        rank.join(LONG)
        assert rank.exitcode == 0
    assert last(run)["clock"] == [12, 1, 26]
    assert same(last(run), last(whole))


def test_of_two_trainings_in_one_folder_one_ends_with_a_sentence(
    data: Path, tmp_path: Path, start: Callable[..., BaseProcess]
) -> None:
    run = tmp_path / "run"
    both = [
        start(many_processes.run_gin, *train(data, run, 4, 1, "--workers=0"))
        for _ in range(2)
    ]
    for each in both:
        each.join(LONG)
    assert sorted(each.exitcode or 0 for each in both) == [0, 2]
    assert last(run)["clock"][0] == 4
