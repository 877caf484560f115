"""What the processes of tests/training/test_processes.py run."""

import multiprocessing
import os
import sys
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from test_learner import TINY, TINY_RELEASED, batch
from tolerances import EXACT
from torch import Tensor

from gin.cli.app import main
from gin.training.learner import Learner
from gin.vgg import Features
from gin.weights.imagenet import load_backbone

RECIPES = {"paper": TINY, "released": TINY_RELEASED}
Found = dict[str, dict[str, Tensor]]


def as_rank(rank: int, port: int, program: str, *arguments: Any) -> None:
    """Run a function of this file as one of two processes, as a launcher would."""
    torch.set_num_threads(1)
    os.environ |= {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "NODE_RANK": "0",
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": "2",
    }
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


def weights(*modules: torch.nn.Module) -> dict[str, Tensor]:
    return {
        name: p.detach().clone()
        for module in modules
        for name, p in module.named_parameters()
    }
