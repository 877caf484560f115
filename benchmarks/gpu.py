"""One GPU: is it right, how fast is it, and a training for the time that is left.

    python benchmarks/gpu.py --data photos/ --minutes 20 --out gpu
    python benchmarks/gpu.py --rehearse --out rehearsal

`check` compares the device with a CPU; `speed` times training steps and the making of
batches; `train` runs the recipe `gpu`, with its schedule shortened to `--minutes`,
which include the compiling and the timing of the steps before it.
`--out` holds the tables (results.md), the weights of both stages, and in run.tar the
curves, the recipe, a sheet of completed photographs and what `milestones.py` keeps. A
file above 14 MB is split: `cat weights.safetensors.*` joins it. `--weights FILE` starts
from such weights, and `--stages main` leaves out the warm-up. A part that fails leaves
its error in the table; the others still run.
`--rehearse` does all of it, without compiling, at a tiny size with random weights.
"""

import argparse
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "book"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _table import machine
from milestones import MILESTONES, WARM_UP, recording
from support.curves import read_log, write_table

import gin
from gin.cli.app import main as command
from gin.data.loader import batches
from gin.data.sources import find_photographs, open_source
from gin.errors import Interrupted
from gin.masks import KINDS, rectangular
from gin.recipes import GPU, PAPER, Recipe
from gin.training.cost import (
    STAGES,
    Step,
    random_batch,
    random_learner,
    step_cost,
    take_step,
)
from gin.training.dry_run import matmul_rate, mean_seconds, synchronised_time
from gin.training.hardware import Hardware, launch
from gin.training.run_folder import RECIPE, WEIGHTS
from gin.training.trainer import train
from gin.utils.devices import (
    choose_device,
    choose_precision,
    compiles,
    exact_float32,
)
from gin.weights.checkpoints import load, save

ROOT = Path(__file__).resolve().parents[1]
PART = 14_000_000  # bytes of a file
USED = 0.82  # of the time left, by steps; the rest is for the start and the end
Rows = Iterator[tuple[str, str]]


@dataclass(frozen=True)
class Sizes:
    """The sizes of everything that is measured."""

    paper: Recipe = PAPER
    gpu: Recipe = GPU
    batches: tuple[int, ...] = (12, 24, 48)  # images
    photographs: int = 40
    sheet: int = 12  # photographs
    workers: tuple[int, ...] = (1, 4, 8)
    backbone: str | None = None  # "random", or where the weights come from


def tiny(recipe: Recipe) -> Recipe:
    """`recipe` at base width 4 and 32 px."""
    return replace(
        recipe,
        network=replace(recipe.network, base_channels=4),
        data=replace(recipe.data, image_size=32, batch_size=1),
        losses=replace(recipe.losses, feature_size=32),
    )


REHEARSAL = Sizes(tiny(PAPER), tiny(GPU), (3,), 1, 2, (1,), "random")


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default=str(ROOT / "data" / "photos"))
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    parser.add_argument("--minutes", type=float, default=10.0, help="of training")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--stages", choices=("both", "main"), default="both")
    parser.add_argument("--weights", help="of base width 32, to start from")
    parser.add_argument("--backbone", help="AlexNet's weights, a file")
    parser.add_argument("--device", help="cpu or cuda; chosen by what is there")
    parser.add_argument("--rehearse", action="store_true")
    return parser.parse_args()


def main(chosen: argparse.Namespace) -> None:
    """Run the parts one after another; write each row to `results.md` at once."""
    device = choose_device(chosen.device)
    sizes = REHEARSAL if chosen.rehearse else Sizes(backbone=chosen.backbone)
    chosen.out.mkdir(parents=True)
    results = chosen.out / "results.md"
    with results.open("w", encoding="utf-8", buffering=1) as file:
        for line in report(sizes, device, chosen):
            print(line, file=file)
            print(line, flush=True)


def report(
    sizes: Sizes, device: torch.device, chosen: argparse.Namespace
) -> Iterator[str]:
    """The lines of the tables."""
    card = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    yield f"{machine()}; {card}"
    for part in chosen.parts:
        start = time.monotonic()
        yield from (f"\n## {part}\n", "| what | value |", "|---|---|")
        for what, value in PARTS[part](sizes, device, chosen):
            yield f"| {what} | {value} |"
        yield f"| seconds of this part | {time.monotonic() - start:.0f} |"


def attempt(name: str, call: Callable[[], str]) -> tuple[str, str]:
    """A row: what `call` returns, or the error that it raises."""
    try:
        return name, call()
    except Exception as error:  # one failure must not end the others
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        return name, f"failed: {type(error).__name__}, {reason[:150]}"


# check: the device against a CPU


def check(sizes: Sizes, device: torch.device, chosen: argparse.Namespace) -> Rows:
    """Relative errors of the device's results, and the command on photographs."""
    reference = forward(sizes, torch.device("cpu"), torch.float64)

    def gap(mode: torch.dtype | None, compiled: bool = False) -> str:
        return f"{error(forward(sizes, device, mode, compiled), reference):.1e}"

    calls: dict[str, Callable[[], str]] = {
        "forward, exact float32: relative error": partial(gap, torch.float32),
        "forward, float32 as trained: relative error": partial(gap, None),
        "forward, bf16: relative error": partial(gap, torch.bfloat16),
        "gradient of a main step: relative error": partial(gradient, sizes, device),
        "resumed against one run: largest difference": partial(resume, sizes, chosen),
        "gin inpaint": partial(inpaint, sizes, device, chosen),
    }
    if device.type == "cuda":
        calls["forward, compiled: relative error"] = partial(gap, None, compiled=True)
    for name, call in calls.items():
        yield attempt(name, call)


def error(found: Tensor, expected: Tensor) -> float:
    """||found - expected|| / ||expected||."""
    found, expected = found.double().cpu(), expected.double().cpu()
    return float((found - expected).norm() / expected.norm())


def forward(
    sizes: Sizes,
    device: torch.device,
    mode: torch.dtype | None,
    compiled: bool = False,
) -> Tensor:
    """I_out of random weights; `mode` None is float32 with the device's switches."""
    torch.manual_seed(0)
    network, size = sizes.paper.network, sizes.paper.data.image_size
    net = gin.DeepGIN(network.variant, network.base_channels).eval()
    image, mask = random_batch(Step("main", size, 1), torch.device("cpu"))
    dtype = torch.float64 if mode == torch.float64 else torch.float32
    net, image, mask = (x.to(device, dtype) for x in (net, image, mask))
    context = {
        torch.float32: lambda: exact_float32(device),
        torch.bfloat16: lambda: torch.autocast(device.type, torch.bfloat16),
    }.get(mode, nullcontext)
    run = torch.compile(net, dynamic=False) if compiled else net
    with torch.no_grad(), context():
        return run(image, mask).out


def gradient(sizes: Sizes, device: torch.device) -> str:
    """The generators' gradient after a main step, on the device and on a CPU."""
    gradients = []
    for place in (torch.device("cpu"), device):
        fabric = launch(Hardware(str(place), precision="float32"))
        learner = random_learner(sizes.gpu, fabric)
        torch.manual_seed(0)
        image, mask = random_batch(
            Step("main", sizes.gpu.data.image_size, 3), torch.device("cpu")
        )
        with exact_float32(fabric.device):
            take_step(learner, "main", image.to(fabric.device), mask.to(fabric.device))
        flat = [p.grad.flatten().cpu() for p in learner.net.parameters()]
        gradients.append(torch.cat(flat))
    return f"{error(gradients[1], gradients[0]):.1e}"


def resume(sizes: Sizes, chosen: argparse.Namespace) -> str:
    """The largest difference of weights: 4 + 4 steps against 8, both stages."""
    recipe = shortened(sizes.gpu, warm_up=3, main=5)

    def run(out: Path, resumed: bool = False, max_steps: int | None = None) -> None:
        hardware = Hardware(chosen.device, compiled=False)
        train(
            recipe,
            chosen.data,
            out,
            resume=resumed,
            hardware=hardware,
            backbone=sizes.backbone,
            max_steps=max_steps,
        )

    with TemporaryDirectory() as folder:
        whole, parts = Path(folder, "whole"), Path(folder, "parts")
        run(whole)
        try:
            run(parts, max_steps=4)
        except Interrupted:
            run(parts, resumed=True)
        states = [load(out / WEIGHTS).state_dict() for out in (whole, parts)]
    gaps = [(states[0][name] - states[1][name]).abs().max() for name in states[0]]
    return f"{float(max(gaps)):.1e}"


def inpaint(sizes: Sizes, device: torch.device, chosen: argparse.Namespace) -> str:
    """`gin inpaint` on photographs with random masks."""
    photographs = [str(p) for p in find_photographs(chosen.data)[: sizes.photographs]]
    with TemporaryDirectory() as folder:
        out, start = str(Path(folder, "out")), synchronised_time(device)
        arguments = ["--random-mask", "cellular", "--out", out, "--device", str(device)]
        code = command(["inpaint", *photographs, *arguments])
        seconds = synchronised_time(device) - start
    return f"{len(photographs)} photographs in {seconds:.1f} s, exit code {code}"


# speed: training steps and batches


def speed(sizes: Sizes, device: torch.device, chosen: argparse.Namespace) -> Rows:
    """Images a second of steps, with their share of the ceiling; of batches."""
    precision = choose_precision(device)
    ceiling = matmul_rate(device, precision)
    yield f"ceiling, {precision} matrix products", f"{ceiling / 1e12:.3g} TFLOP/s"
    yield attempt("copy, read and written", partial(copy_rate, device))
    recipes = {"paper": sizes.paper, "gpu": sizes.gpu}
    for setting in settings(device):
        # CUDA graphs save the time of launches, which the fewest images show best.
        batches = sizes.batches[:1] if setting.graphs else sizes.batches
        for name, stage, images in product(recipes, STAGES, batches):
            step = Step(stage, recipes[name].data.image_size, images)
            call = partial(timed_step, recipes[name], step, device, setting, ceiling)
            yield attempt(f"{name} {stage}, {images} images, {setting.name}", call)
    for workers in sizes.workers:
        call = partial(batch_rate, chosen.data, sizes.gpu, workers)
        yield attempt(f"batches, {workers} workers", call)


@dataclass(frozen=True)
class Setting:
    """How a step is computed; `graphs` are CUDA graphs of its compiled parts."""

    name: str
    precision: str
    compiled: bool = False
    graphs: bool = False


def settings(device: torch.device) -> list[Setting]:
    """The settings that the device has."""
    best = choose_precision(device)
    listed = [Setting("float32", "float32")]
    if best == "bf16":
        listed.append(Setting("bf16", "bf16"))
    if can_compile(device):
        listed.append(Setting(f"{best}, compiled", best, compiled=True))
        listed.append(Setting(f"{best}, CUDA graphs", best, compiled=True, graphs=True))
    return listed


def can_compile(device: torch.device) -> bool:
    """Whether a training there compiles: as `gin.training.trainer` decides."""
    return device.type == "cuda" and compiles(device)


def copy_rate(device: torch.device) -> str:
    """Bytes read and written a second by a copy from device to device."""
    source = torch.rand(2**28 if device.type == "cuda" else 2**22, device=device)
    target = torch.empty_like(source)
    seconds = mean_seconds(lambda: target.copy_(source), device)
    return f"{2 * source.nbytes / seconds / 1e9:,.0f} GB/s"


def timed_step(
    recipe: Recipe,
    step: Step,
    device: torch.device,
    setting: Setting,
    ceiling: float,
) -> str:
    """Images a second, share of the ceiling, peak memory and kernels of a step."""
    fabric = launch(Hardware(str(device), precision=setting.precision))
    cost = step_cost(random_learner(recipe, fabric), step)
    with compiled_into_graphs() if setting.graphs else nullcontext():
        learner = random_learner(recipe, fabric, compiled=setting.compiled)
    image, mask = random_batch(step, device)

    def take() -> None:
        if setting.graphs:
            torch.compiler.cudagraph_mark_step_begin()
        take_step(learner, step.stage, image, mask)

    for _ in range(3):  # compiles, and cuDNN tries its algorithms
        take()
    seconds = mean_seconds(take, device)
    memory = f"{cost.memory / 1e9:.1f} GB counted"
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        take()
        peak = torch.cuda.max_memory_allocated(device)
        memory += f", {peak / 1e9:.1f} GB at most, {kernels(take)} kernels"
    share = cost.operations / seconds / ceiling
    return (
        f"{step.images / seconds:,.4g} images/s, {share:.0%} of the ceiling, {memory}"
    )


def compiled_into_graphs() -> AbstractContextManager[object]:
    """Within it, what is compiled is to replay CUDA graphs instead of launching."""
    graphs = partial(torch.compile, mode="reduce-overhead")
    return patch.object(torch, "compile", graphs)


def kernels(call: Callable[[], None]) -> str:
    """How many kernels `call` starts, and their time."""
    with profile(activities=[ProfilerActivity.CUDA]) as profiled:
        call()
        torch.cuda.synchronize()
    # The calls that start kernels are events, too.
    events = [e for e in profiled.events() if e.device_type == DeviceType.CUDA]
    busy = sum(event.device_time_total for event in events) / 1000
    return f"{len(events):,} ({busy:.1f} ms)"


def batch_rate(data: str, recipe: Recipe, workers: int) -> str:
    """Masked images a second that the workers make."""
    made = batches(open_source(data), recipe.data, 0, workers=workers)
    next(made)
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < 5 and count < 50:
        next(made)
        count += 1
    images = count * recipe.data.batch_size * len(KINDS)
    return f"{images / (time.perf_counter() - start):,.4g} images/s"


# training


def training(sizes: Sizes, device: torch.device, chosen: argparse.Namespace) -> Rows:
    """The recipe `gpu` for `--minutes`; what is worth keeping goes into `--out`."""
    yield attempt("training", partial(trained, sizes, device, chosen))


def trained(sizes: Sizes, device: torch.device, chosen: argparse.Namespace) -> str:
    """Train, and keep the weights and what the book shows of the training."""
    end = time.monotonic() + 60 * chosen.minutes
    recipe = timed_recipe(sizes.gpu, device, chosen, end)
    hours: float | None = (end - time.monotonic()) / 3600
    if chosen.rehearse:
        recipe, hours = shortened(recipe, 4, 4), None
    with TemporaryDirectory() as folder:
        run, kept = Path(folder, "run"), Path(folder, "kept")
        try:
            train(
                recipe,
                chosen.data,
                run,
                hardware=Hardware(str(device)),
                backbone=sizes.backbone,
                max_hours=hours,
                learner=recording(kept / MILESTONES, recipe),
            )
            ended = "the whole schedule"
        except Interrupted as error:
            ended = str(error)
        net = load(run / WEIGHTS)
        write_table(read_log(run / "log"), kept / "curves.csv")
        (kept / RECIPE).write_bytes((run / RECIPE).read_bytes())
        completed = sheet(gin.Inpainter(net), chosen.data, sizes.sheet)
        completed.save(kept / "sheet.jpg")
        warm_up = kept / MILESTONES / WARM_UP
        if warm_up.exists():
            split(warm_up, chosen.out)
            warm_up.unlink()
        with tarfile.open(chosen.out / "run.tar", "w") as archive:
            archive.add(kept, "run")
        save(net, kept / WEIGHTS, half=True)
        split(kept / WEIGHTS, chosen.out)
    schedule = recipe.schedule
    return f"{schedule.warm_up:,} + {schedule.flat + schedule.decay:,} steps: {ended}"


def timed_recipe(
    recipe: Recipe, device: torch.device, chosen: argparse.Namespace, end: float
) -> Recipe:
    """`recipe` from the weights chosen, with as many steps as the time to `end` has."""
    if chosen.weights:
        network = replace(recipe.network, initialisation=chosen.weights)
        recipe = replace(recipe, network=network)
    schedule = recipe.schedule
    warm_up = 0 if chosen.stages == "main" else schedule.warm_up
    main = schedule.flat + schedule.decay
    seconds = main * step_seconds(recipe, "main", device)
    if warm_up:
        seconds += warm_up * step_seconds(recipe, "warm-up", device)
    share = USED * (end - time.monotonic()) / seconds
    return shortened(recipe, round(share * warm_up), round(share * main))


def step_seconds(recipe: Recipe, stage: str, device: torch.device) -> float:
    """The mean time of a step, compiled where the training is."""
    fabric = launch(Hardware(str(device)))
    learner = random_learner(recipe, fabric, compiled=can_compile(device))
    images = recipe.data.batch_size * len(KINDS)
    image, mask = random_batch(Step(stage, recipe.data.image_size, images), device)
    for _ in range(3):
        take_step(learner, stage, image, mask)
    return mean_seconds(lambda: take_step(learner, stage, image, mask), device)


def shortened(recipe: Recipe, warm_up: int, main: int) -> Recipe:
    """`recipe` with `warm_up` and `main` steps; half of the latter decay."""
    schedule = replace(
        recipe.schedule, warm_up=warm_up, flat=main // 2, decay=main - main // 2
    )
    return replace(recipe, schedule=schedule)


def sheet(inpaint: gin.Inpainter, data: str, count: int) -> Image.Image:
    """Rows of a photograph at 256 px: the hole, the completed picture, the truth."""
    rows, rng = [], np.random.default_rng(0)
    for path in find_photographs(data)[:count]:
        photo = Image.open(path).convert("RGB").resize((256, 256))
        mask = rectangular(256, 256, rng)
        pixels = np.asarray(photo)
        hole = np.where(mask[..., None] > 0, 255, pixels).astype(np.uint8)
        rows.append(np.hstack([hole, inpaint(photo, mask), pixels]))
    return Image.fromarray(np.vstack(rows))


def split(path: Path, folder: Path) -> None:
    """Copy a file into `folder`; above `PART` bytes as NAME.0, NAME.1 and so on."""
    content = path.read_bytes()
    if len(content) <= PART:
        (folder / path.name).write_bytes(content)
        return
    for number, start in enumerate(range(0, len(content), PART)):
        part = folder / f"{path.name}.{number}"
        part.write_bytes(content[start : start + PART])


PARTS = {"check": check, "speed": speed, "train": training}

if __name__ == "__main__":
    main(options())
