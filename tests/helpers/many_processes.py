"""What the processes of tests/training/test_processes.py run."""

import json
import multiprocessing
import os
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from forked import join
from lightning_fabric import Fabric
from PIL import Image
from test_learner import TINY, TINY_RELEASED, batch
from tolerances import EXACT
from torch import Tensor
from torchvision import datasets

from gin.cli.app import main
from gin.data.sources import Files
from gin.data.unreadable import Readable
from gin.errors import InputError
from gin.training.hardware import Hardware, launch
from gin.training.learner import Learner
from gin.training.trainer import open_photographs
from gin.vgg import Features
from gin.weights.imagenet import load_backbone

RECIPES = {"paper": TINY, "released": TINY_RELEASED}
Found = dict[str, dict[str, Tensor]]


def as_rank(rank: int, port: int, program: str, *arguments: Any) -> None:
    """Run a function of this file as one of two processes."""
    join(rank, 2, port)
    globals()[program](*arguments)


def run_gin(*arguments: str) -> None:
    multiprocessing.set_start_method("fork", force=True)  # of its workers
    sys.exit(main([*arguments]))


def run_gin_in_a_group(*arguments: str) -> None:
    os.setsid()
    run_gin(*arguments)


def learn_together(where: Path) -> None:
    """One photograph for each process; the first one writes what came of it."""
    fabric = Fabric(accelerator="cpu", strategy="ddp", devices=2, precision=EXACT)
    fabric.launch()
    image, mask = batch(photographs=2)
    own = slice(3 * fabric.global_rank, 3 * fabric.global_rank + 3)
    found = learn(fabric, image[own], mask[own])
    if fabric.is_global_zero:
        torch.save(found, where)


def learn(fabric: Fabric, image: Tensor, mask: Tensor) -> Found:
    """Both stages in both orders: gradients after one step, weights after five.

    "moved" is how far the weights came from where they were.
    """
    features = Features(load_backbone("vgg19", "random"), "convolution", None).double()
    image, mask = image.double(), mask.double()
    found: Found = {}
    for order, recipe in RECIPES.items():
        for stage in ("warm_up", "main"):
            learner = Learner(recipe, 0, features, fabric)
            modules = (learner.net, learner.discriminators)
            before = weights(*modules)
            for step in range(5):
                getattr(learner, f"{stage}_step")(image, mask, 1.0)
                if step == 0:
                    found[f"{order}, {stage}, gradients"] = {
                        name: p.grad.clone()
                        for module in modules
                        for name, p in module.named_parameters()
                        if p.grad is not None
                    }
            after = weights(*modules)
            found[f"{order}, {stage}, weights"] = after
            found[f"{order}, {stage}, moved"] = {n: after[n] - before[n] for n in after}
    return found


def step_compiled_together(where: Path) -> None:
    """As `learn_together`, but compiled; the first process writes the weights."""
    eager = torch.compile
    torch.compile = partial(eager, backend="aot_eager")  # type: ignore[assignment]
    fabric = Fabric(accelerator="cpu", strategy="ddp", devices=2, precision=EXACT)
    fabric.launch()
    image, mask = batch(photographs=2)
    own = slice(3 * fabric.global_rank, 3 * fabric.global_rank + 3)
    states = clipped_steps(fabric, image[own], mask[own], compiled=True)
    graphs = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    if fabric.is_global_zero:
        torch.save({**states, "graphs": graphs}, where)


def clipped_steps(
    fabric: Fabric, image: Tensor, mask: Tensor, compiled: bool = False
) -> dict[str, dict[str, Any]]:
    """The state after two steps of each stage in each order, clipped and averaged."""
    features = Features(load_backbone("vgg19", "random"), "convolution", None).double()
    states = {}
    for order in RECIPES:
        optimiser = replace(TINY.optimiser, order=order, clip=0.1, ema_decay=0.9)
        network = replace(TINY.network, variant="StdResBlk-SA")  # compiles sooner
        recipe = replace(TINY, network=network, optimiser=optimiser)
        learner = Learner(recipe, 0, features, fabric, compiled)
        steps = 2 * [learner.warm_up_step] + 2 * [learner.main_step]
        for number, step in enumerate(steps):
            step(image.double(), mask.double(), 1.0)
            learner.follow(number)
        states[order] = learner.state_dict()
    return states


def open_together(data: str, root: str, where: Path) -> None:
    """Opens `data` in two processes; each writes what it read and what it got."""
    fabric = launch(Hardware("cpu", devices=2, precision="float32"))
    opened, read = [], Files.read

    def counted(self: Files, index: int) -> Image.Image:
        opened.append(index)
        return read(self, index)

    Files.read = counted  # type: ignore[method-assign]
    source = open_photographs(TINY, data, root, fabric, skip_bad=True)
    assert isinstance(source, Readable)
    names = [source.name(index) for index in range(len(source))]
    text = json.dumps([len(opened), names, [bad.name for bad in source.bad]])
    (where / f"{fabric.global_rank}.json").write_text(text)


def open_refused(data: str, root: str, where: Path) -> None:
    """As `open_together`, without leave to skip a photograph."""
    fabric = launch(Hardware("cpu", devices=2, precision="float32"))
    try:
        open_photographs(TINY, data, root, fabric, skip_bad=False)
    except (InputError, SystemExit) as error:
        text = json.dumps(type(error).__name__)
        (where / f"{fabric.global_rank}.json").write_text(text)


def download_together(where: Path) -> None:
    """Opens a dataset of torchvision that is not there before its download."""
    fabric = launch(Hardware("cpu", devices=2, precision="float32"))
    datasets.Flowers102 = partial(Downloaded, where / f"{fabric.global_rank}.txt")
    open_photographs(TINY, "torchvision:Flowers102", where, fabric, skip_bad=False)


class Downloaded:
    """Flowers of one colour; `log` gets a line when they are downloaded."""

    def __init__(self, log: Path, root: str, download: bool = False) -> None:
        there = Path(root) / "there"
        if download:
            log.write_text("downloaded")
            time.sleep(0.5)
            there.touch()
        elif not there.exists():
            raise RuntimeError("Dataset not found")

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        return Image.new("RGB", (16, 16)), 0


def weights(*modules: torch.nn.Module) -> dict[str, Tensor]:
    return {
        name: p.detach().clone()
        for module in modules
        for name, p in module.named_parameters()
    }
