"""Chapter 18's comparisons: steps, weights of both stages, costs, recorded failures.

Taught in book/18_main_stage.md.
"""

import shutil
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from PIL import Image
from support import figures
from support.curves import Curves, read_table
from torch import Tensor, nn

import gin
from gin import masks
from gin.data.loader import Key, PhotographBatches, on_device
from gin.data.sources import open_source
from gin.generator import DeepGIN
from gin.recipes import SMOKE, Recipe
from gin.training.cost import STAGES, Cost, Step, random_learner, step_cost
from gin.training.dry_run import segments
from gin.training.learner import Learner
from gin.training.recipe_files import read_recipe
from gin.training.schedule import Timetable
from gin.utils.images import open_picture
from gin.vgg import features

ROOT = Path(__file__).parents[2]
PHOTOS = ROOT / "data" / "photos"
FAILURES = ROOT / "data" / "results" / "failures"
COLUMNS = ("masked", "fails", "works", "photograph")  # as benchmarks/failures.py
TINY = replace(
    SMOKE,
    network=replace(SMOKE.network, base_channels=2),
    data=replace(SMOKE.data, image_size=32),
)
# An adversarial term of weight 1, so that the order of the updates is seen at once.
LOUD = replace(TINY.losses, adversarial_weight=1.0)
Batch = tuple[Tensor, Tensor]
MainStep = Callable[..., None]


def trial(folder: Path) -> str:
    """`gin train ...` but for `--out`: twelve steps on four photographs at 32 px.

    The photographs are copied to `folder`.
    """
    photographs = folder / "photographs"
    photographs.mkdir(parents=True)
    for path in sorted(PHOTOS.glob("erase_*.jpg"))[:4]:
        shutil.copy(path, photographs)
    settings = {
        "network.base_channels": 2,
        "data.image_size": 32,
        "schedule.warm_up": 6,
        "schedule.decay": 6,
        "schedule.save_steps": 2,
    }
    changes = " ".join(f"--set {name}={value}" for name, value in settings.items())
    return f"train --recipe smoke {changes} --data {photographs} --device cpu"


def distance(one: nn.Module, other: nn.Module) -> float:
    """The largest difference of two modules' parameters."""
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return max(float((a - b).detach().abs().max()) for a, b in pairs)


def tiny_batches(count: int = 2) -> list[Batch]:
    """Batches of one photograph at 32 px, float64."""
    made = PhotographBatches(open_source(PHOTOS), TINY.data, seed=0)
    some = (on_device(made[Key(n, 1, 32)], "cpu") for n in range(count))
    return [(image.double(), mask.double()) for image, mask in some]


def compare(main_step: MainStep, order: str) -> tuple[nn.Module, float, float, float]:
    """Two steps by `gin` and by `main_step` from the same weights, in float64.

    The gradient is clipped to a tenth of the generators' at the first step. Returns
    gin's network, how far its weights went, how far ours are from them, and how far
    our last gradient is from gin's, as a share of the largest.
    """
    phi = features("random").double()
    exact = Fabric(accelerator="cpu", precision="64-true")
    recipe = replace(
        TINY, optimiser=replace(TINY.optimiser, order=order, clip=None), losses=LOUD
    )
    learner = Learner(recipe, 0, phi, exact)
    learner.main_step(*tiny_batches(1)[0], factor=1.0)
    clip = 0.1 * float(_gradient(learner.net).norm())
    optimiser = replace(recipe.optimiser, clip=clip)
    recipe = replace(recipe, optimiser=optimiser)

    learner = Learner(recipe, 0, phi, exact)
    discriminators = deepcopy(learner.discriminators)
    start, net = deepcopy(learner.net), deepcopy(learner.net)
    lrs = optimiser.generator_lr, optimiser.discriminator_lr
    adams = [
        torch.optim.Adam(part.parameters(), lr, optimiser.betas)
        for part, lr in zip((net, discriminators), lrs, strict=True)
    ]
    for image, mask in tiny_batches():
        learner.main_step(image, mask, factor=1.0)
        main_step(net, discriminators, adams, phi, image, mask, recipe)
    theirs, ours = _gradient(learner.net), _gradient(net)
    gap = float((ours - theirs).abs().max() / theirs.abs().max())
    return learner.net, distance(learner.net, start), distance(learner.net, net), gap


def _gradient(module: nn.Module) -> Tensor:
    """The gradient of all parameters as one vector."""
    parts = [p.grad.flatten() for p in module.parameters() if p.grad is not None]
    return torch.cat(parts)


def prepare(name: str, kind: str, seed: int = 0) -> tuple[Image.Image, np.ndarray]:
    """A photograph of 256 px, and a mask of one kind."""
    photo = open_picture(PHOTOS / f"{name}.jpg").resize((256, 256))
    return photo, masks.make(kind, 256, 256, np.random.default_rng(seed))


def error(done: figures.Picture, photo: figures.Picture, mask: np.ndarray) -> float:
    """Mean absolute error in the hole, in % of the scale."""
    gap = figures.as_rgb(done) - figures.as_rgb(photo)
    return 100 * float(np.abs(gap[mask == 1]).mean())


def detail(picture: figures.Picture, mask: np.ndarray) -> float:
    """Mean difference to the next pixel at the right, in the hole, in %."""
    steps = np.abs(np.diff(figures.as_rgb(picture), axis=1))
    return 100 * float(steps[(mask[:, 1:] & mask[:, :-1]) == 1].mean())


def window(picture: figures.Picture, mask: np.ndarray) -> np.ndarray:
    """128 x 128 px around the left part of the hole."""
    rows, columns = np.nonzero(mask)
    middle = np.median(rows), np.quantile(columns, 0.2)
    y, x = (min(max(int(a) - 64, 0), 128) for a in middle)
    return figures.as_rgb(picture)[y : y + 128, x : x + 128]


Fills = dict[tuple[str, str, str], Image.Image]


def complete(
    paint: dict[str, gin.Inpainter], names: Sequence[str]
) -> tuple[Fills, dict[tuple[str, str], np.ndarray]]:
    """Fills by (label, photograph, kind), and (error, detail) by (label, kind).

    Detail is in % of the photograph's in the same hole.
    """
    fills, scores = {}, {}
    for name in names:
        for kind in masks.KINDS:
            photo, mask = prepare(name, kind)
            for label, inpaint in paint.items():
                fill = inpaint(photo, mask, region="whole")
                fills[label, name, kind] = fill
                share = 100 * detail(fill, mask) / detail(photo, mask)
                pair = error(fill, photo, mask), share
                scores.setdefault((label, kind), []).append(pair)
    return fills, {key: np.mean(pairs, axis=0) for key, pairs in scores.items()}


def before_and_after(fills: Fills, names: Sequence[str]) -> figures.Drawing:
    """A line for each kind of mask: masked, each label's fill, photograph."""
    labels, lines = list(dict.fromkeys(label for label, *_ in fills)), {}
    for name, kind in zip(names, masks.KINDS, strict=True):
        photo, mask = prepare(name, kind)
        done = [fills[label, name, kind] for label in labels]
        cut = [figures.with_hole(photo, mask), *done, photo]
        lines[kind.replace("_", " ")] = [window(p, mask) for p in cut]
    return figures.grid(lines, ["masked", *labels, "photograph"])


def between(one: DeepGIN, other: DeepGIN, t: float) -> gin.Inpainter:
    """The network whose weights are (1 - t) of one and t of the other."""
    net = deepcopy(one)
    parts = (n.parameters() for n in (net, one, other))
    for p, a, b in zip(*parts, strict=True):
        p.data = (1 - t) * a.data + t * b.data
    return gin.Inpainter(net, "cpu", "float32")


def costs(
    recipe: Recipe, images: int, stages: Sequence[str] = STAGES
) -> dict[tuple[str, int], Cost]:
    """(stage, images a step) -> operations and memory, as the dry run counts them."""
    learner = random_learner(recipe, Fabric(accelerator="cpu"))
    size = recipe.data.image_size
    return {
        (stage, images): step_cost(learner, Step(stage, size, images))
        for stage in stages
    }


def schedule_operations(
    recipe: Recipe, counted: dict[tuple[str, int], Cost], photographs: int
) -> float:
    """Operations of the whole schedule, both stages."""
    return sum(
        counted[s.stage, s.step.images].operations * s.steps
        for s in segments(Timetable(recipe, photographs))
    )


def cost_table(counted: dict[str, dict[tuple[str, int], Cost]]) -> figures.Table:
    """What `costs` counted, by the recipe's name."""
    rows = [
        (
            *(recipe, stage, f"{images}"),
            f"{cost.operations / images / 1e9:,.0f}",
            f"{cost.memory / 1e9:.1f}",
        )
        for recipe, table in counted.items()
        for (stage, images), cost in table.items()
    ]
    header = ["recipe", "stage", "images a step", "GFLOP an image", "memory, GB"]
    return figures.Table(header, rows)


def check_costs(
    said: dict[str, tuple[int, float]],
    counted: dict[str, dict[tuple[str, int], Cost]],
    total: dict[str, float],
) -> None:
    """Assert what chapter 18 says of `costs` and `schedule_operations`."""
    paper, gpu = counted["paper"], counted["gpu"]["main", 48]
    warm, main = (paper[stage, 12] for stage in ("warm-up", "main"))
    assert [round(c.operations / 12e9) for c in (warm, main)] == [194, 499]
    assert gpu.operations < main.operations
    assert gpu.memory < 2 * main.memory
    one, other = (total[name] / days for name, (_, days) in said.items())
    assert abs(one / other - 1) < 0.15
    assert 2e12 < one / 86_400 < 27e12  # two cards of 13.4 TFLOP/s
    assert 1.5 < total["ADE20K"] / (200e12 * 3600) < 3


def check_steps(photographs: int) -> None:
    """Assert the steps of the schedule `paper` for each number of processes."""
    for size, processes in ((4, 1), (2, 2), (4, 8), (1, 8)):
        recipe = read_recipe("paper", [f"data.batch_size={size}"])
        parts = segments(Timetable(recipe, photographs), processes)
        steps = -(-110 * photographs // (size * processes))
        assert sum(part.steps for part in parts) == steps


def time_table(
    said: dict[str, tuple[int, float]], total: dict[str, float]
) -> figures.Table:
    """The speed behind the paper's days, and the time at other speeds (TFLOP/s)."""
    rows = []
    for name, (count, days) in said.items():
        speed = total[name] / (days * 86_400) / 1e12
        cells = [_duration(total[name] / (s * 1e12)) for s in (10, 50, 200)]
        about = f"{total[name] / 1e18:.2f}", f"{days}", f"{speed:.1f}"
        rows.append((name, f"{count:,}", *about, *cells))
    header = ["data", "photographs", "EFLOP", "days in the paper", "TFLOP/s"]
    return figures.Table([*header, "at 10 TFLOP/s", "at 50", "at 200"], rows)


def _duration(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours / 24:.1f} days" if hours > 48 else f"{hours:.1f} hours"


def failure(name: str) -> Curves:
    """The recorded curves of a failure, by "run/quantity"."""
    return read_table(FAILURES / f"{name}.csv")


def failure_lines(
    name: str, quantity: str, mean: int = 1, log: bool = False
) -> figures.Drawing:
    """A recorded quantity over steps, a line for each run, in means of `mean` steps."""
    lines = {}
    for key, points in failure(name).items():
        run, _, found = key.partition("/")
        if found == quantity:
            values = np.array([*points.values()])
            whole = values[: len(values) // mean * mean]
            lines[run] = whole.reshape(-1, mean).mean(1).tolist()
    across = "step" if mean == 1 else f"{mean} steps"
    return figures.lines(lines, across, quantity, log=log)


def last_values(name: str) -> dict[str, float]:
    """The last value of each recorded curve of a failure."""
    return {key: [*points.values()][-1] for key, points in failure(name).items()}


def failure_pictures(names: Sequence[str]) -> figures.Drawing:
    """A line for each failure: the first hole, then the second, with both fills."""
    lines = {}
    for name in names:
        strip = np.asarray(Image.open(FAILURES / f"{name}.png"))
        side = strip.shape[1] // len(COLUMNS)
        row = strip[:side]
        lines[name] = [row[:, n * side : (n + 1) * side] for n in range(len(COLUMNS))]
    return figures.grid(lines, COLUMNS)
