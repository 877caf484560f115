"""The commands of `gin`: their arguments, and which part of the library they call.

Taught in book/00_start.md. Modules that take long to import are imported by the
commands that need them.
"""

import re
import time
from dataclasses import replace
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gin.errors import InputError
from gin.recipes import RECIPES

if TYPE_CHECKING:
    from PIL.Image import Image

    from gin.jobs import MaskPicture, RandomMask
    from gin.masks import Mask


class Kind(StrEnum):
    """`gin.masks.KINDS` (the names) as they are typed (the values)."""

    rectangular = "rectangular"
    free_form = "free-form"
    cellular_automata = "cellular"


class Reading(StrEnum):
    """`gin.masks.READINGS`."""

    paper = "paper"
    released = "released"


class Size(StrEnum):
    """Sizes that `Inpainter` knows by name."""

    paper = "paper"


class Region(StrEnum):
    """`gin.inpainting.REGIONS`."""

    auto = "auto"
    whole = "whole"


class Seam(StrEnum):
    """`gin.seams.SEAMS`."""

    harmonic = "harmonic"
    none = "none"


class EvaluationSize(StrEnum):
    """`gin.evaluation_inputs.SIZES`."""

    paper = "256"
    original = "original"


class PresetName(StrEnum):
    """`gin.evaluation_plan.PRESETS`."""

    table1 = "table1"
    table2 = "table2"


app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Seed = typer.Option(min=0, help="Of the random mask; the same seed, the same mask.")
Device = Annotated[
    str | None, typer.Option(help="cpu or cuda; chosen by what is there.")
]
Precision = Annotated[
    str | None, typer.Option(help="float32 or bf16; chosen by the device.")
]
Root = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Of the pictures or dataset.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace files that exist.")]
Weights = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|FOLDER|released|hf:OWNER/NAME",
        help="A .safetensors or the authors' .pth file, or a folder; released "
        "downloads the authors' from Google Drive, hf:owner/name[@revision] others "
        "from the Hugging Face Hub. Without it the shipped weights.",
    ),
]


def _examples(*lines: str) -> str:
    return "\n".join(("\b", "Examples:", *(f"  {line}" for line in lines)))


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gin {version('deepgin-book')}")
        raise typer.Exit


@app.callback(
    invoke_without_command=True,
    epilog=_examples(
        "gin inpaint photo.jpg --mask mask.png --out results",
        "gin mask --kind cellular --size 512x512 --out mask.png",
        "gin evaluate --data photos/ --baseline telea --out results/table.md",
        "gin info",
    ),
)
def root(
    context: typer.Context,
    show_version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Print the version.",
            callback=_print_version,
            is_eager=True,
        ),
    ] = False,
) -> None:
    """DeepGIN: deep generative inpainting. Fills holes in photographs."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command(
    epilog=_examples(
        "gin inpaint photo.jpg --mask mask.png --out results",
        "gin inpaint photos/ --mask masks/ --out results --ensemble",
        "gin inpaint photo.jpg --mask soft.png --threshold 64 --grow 4 --out results",
        "gin inpaint photos/ --random-mask cellular --seed 7 --out results",
    )
)
def inpaint(
    photographs: Annotated[
        list[Path],
        typer.Argument(metavar="PHOTO", help="Photographs, or folders of them."),
    ],
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="For the results, as PNG.")
    ],
    mask: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|FOLDER",
            help="White is missing. One mask for all, or a folder with one mask for "
            "each photograph, of the same name and any suffix.",
        ),
    ] = None,
    random_mask: Annotated[
        Kind | None,
        typer.Option(help="Draw the masks, and keep them beside the results."),
    ] = None,
    seed: Annotated[int | None, Seed] = None,
    invert: Annotated[
        bool | None,
        typer.Option(
            "--invert/--no-invert",
            help="In the masks black is missing; without it white is, and masks that "
            "look inverted are refused.",
        ),
    ] = None,
    grow: Annotated[
        int,
        typer.Option(metavar="PX", help="Widen the masks' holes; below 0, shrink."),
    ] = 0,
    threshold: Annotated[
        int | None,
        typer.Option(
            min=1, max=255, help="Where soft masks are cut: this bright is missing."
        ),
    ] = None,
    region: Annotated[
        Region,
        typer.Option(
            help="auto: a crop around each group of holes; whole: the photograph's "
            "phases, as in the paper."
        ),
    ] = Region.auto,
    seam: Annotated[
        Seam | None,
        typer.Option(
            help="harmonic: brightness meets at the border; chosen for crops."
        ),
    ] = None,
    ensemble: Annotated[
        bool,
        typer.Option(
            "--ensemble", help="Average over five views; five times the work."
        ),
    ] = False,
    size: Annotated[
        Size | None,
        typer.Option(help="paper: sides rounded to multiples of 256, as released."),
    ] = None,
    weights: Weights = None,
    device: Device = None,
    precision: Precision = None,
    force: Force = False,
) -> None:
    """Fill the holes of photographs. Known pixels and metadata stay as they are."""
    from tqdm import tqdm

    from gin.inpainting import Inpainter
    from gin.jobs import collect, plan
    from gin.masks import area

    started = time.perf_counter()
    found = collect(photographs)
    masks = _masks(found, mask, random_mask, seed, invert, grow, threshold)
    jobs = plan(found, masks, out, force)
    inpainter = Inpainter.from_pretrained(weights, device, precision)
    parts = []

    def complete(photo: "Image", mask: "Mask") -> "Image":
        parts.append(area(mask))
        return inpainter(
            photo, mask, size=size, ensemble=ensemble, region=region, seam=seam
        )

    for job in tqdm(jobs, unit="photo", disable=None):
        job.run(complete)
    things = "photograph" if len(jobs) == 1 else "photographs"
    seconds = time.perf_counter() - started
    typer.echo(
        f"{len(jobs)} {things} completed in {seconds:.1f} s, "
        f"{100 * sum(parts) / len(parts):.2g} % missing: see {out}"
    )


def _masks(
    photographs: list[Path],
    mask: Path | None,
    random_mask: Kind | None,
    seed: int | None,
    invert: bool | None,
    grow: int,
    threshold: int | None,
) -> "list[MaskPicture] | list[RandomMask]":
    from gin.jobs import RandomMask, pair

    if mask is not None and random_mask is not None:
        raise InputError("--mask and --random-mask: expected one of them, found both")
    if mask is not None:
        if seed is not None:
            raise InputError("--seed: goes with --random-mask, found --mask")
        pictures = pair(photographs, mask, invert)
        return [replace(each, grow=grow, threshold=threshold) for each in pictures]
    if random_mask is None:
        raise InputError("expected --mask or --random-mask, found neither")
    given = {"--invert": invert, "--grow": grow or None, "--threshold": threshold}
    for option, value in given.items():
        if value is not None:
            raise InputError(f"{option}: goes with --mask, found --random-mask")
    return [RandomMask(random_mask.name, seed or 0)] * len(photographs)


@app.command(
    epilog=_examples(
        "gin mask --kind cellular --size 512x512 --seed 7 --out mask.png",
        "gin mask --kind free-form --reading released --size 640x480 --out mask.png",
    )
)
def mask(
    kind: Annotated[Kind, typer.Option(help="The kind of hole.")],
    size: Annotated[str, typer.Option(metavar="WIDTHxHEIGHT", help="In pixels.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="A new .png file.")],
    seed: Annotated[int, Seed] = 0,
    reading: Annotated[
        Reading, typer.Option(help="Whose strokes, in a free-form mask.")
    ] = Reading.paper,
    force: Force = False,
) -> None:
    """Draw a random mask (white is missing) and print its area."""
    import numpy as np

    from gin import mask_sets
    from gin.jobs import check_new
    from gin.masks import area, make

    if not (sides := re.fullmatch(r"(\d{1,4})x(\d{1,4})", size, re.ASCII)):
        raise InputError(
            f"--size {size!r}: expected WIDTHxHEIGHT, such as 512x512, "
            "of at most 9999 px a side"
        )
    if out.suffix.lower() != ".png":
        raise InputError(f"{out}: expected a name that ends in .png")
    if reading is Reading.released and kind is not Kind.free_form:
        raise InputError(f"--reading: goes with --kind free-form, found {kind}")
    check_new(out, force)
    width, height = map(int, sides.groups())
    drawn = make(kind.name, height, width, np.random.default_rng(seed), reading)
    mask_sets.write(drawn, out, force)
    typer.echo(f"{out}: {100 * area(drawn):.1f} % of {width} x {height} px is missing")


@app.command(
    epilog=_examples(
        "gin train --recipe smoke --data photos/ --out run",
        "gin train --recipe paper --data torchvision:Places365 --root data --out run",
        "gin train --recipe demo --set optimiser.clip=2 --data photos/ --out run",
        "gin train --data photos/ --out run --resume",
    )
)
def train(
    data: Annotated[
        str,
        typer.Option(
            metavar="FOLDER|LIST|SHARDS|torchvision:NAME",
            help="Photographs: a folder, a .txt list of files, WebDataset shards "
            "(.tar, local or URL), or a dataset of torchvision under --root.",
        ),
    ],
    out: Annotated[
        Path, typer.Option(metavar="RUN", help="Folder for checkpoints and weights.")
    ],
    recipe: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help=f"One of {', '.join(RECIPES)}, or a YAML file; with --resume the "
            "run's own.",
        ),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Change a recipe's value."),
    ] = None,
    root: Root = None,
    seed: Annotated[int, typer.Option(min=0, help="Of first weights and batches.")] = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in the folder.")
    ] = False,
    skip_bad: Annotated[
        bool,
        typer.Option("--skip-bad", help="Leave out unreadable photographs; list them."),
    ] = False,
    backbone: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="VGG weights; else they are fetched."),
    ] = None,
    max_steps: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many steps.")
    ] = None,
    max_hours: Annotated[
        float | None, typer.Option(min=0, help="Stop after so long.")
    ] = None,
    device: Device = None,
    devices: Annotated[int, typer.Option(min=1, help="Processes a machine.")] = 1,
    nodes: Annotated[int, typer.Option(min=1, help="Machines.")] = 1,
    precision: Precision = None,
    compiled: Annotated[
        bool | None,
        typer.Option("--compile/--no-compile", help="torch.compile; on CUDA the rule."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=0, help="Processes that make batches.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan and end.")
    ] = False,
) -> None:
    """Train a network: the warm-up stage, then the main stage."""
    from lightning_fabric.utilities import rank_zero_only

    from gin.jobs import check_folder
    from gin.planning import plan
    from gin.recipe_files import read_recipe
    from gin.run_folder import RECIPE, WEIGHTS, RunFolder
    from gin.training import Hardware
    from gin.training import train as run

    if recipe is None and not resume:
        raise InputError("--recipe: expected, unless --resume goes on with a run")
    if resume and (recipe or changes):
        raise InputError("--resume: goes on with the run's own recipe, found another")
    if resume:
        RunFolder(out).check(resume)
    chosen = read_recipe(recipe or str(out / RECIPE), changes or [])
    hardware = Hardware(device, devices, nodes, precision, compiled, workers)
    if dry_run:
        for line in plan(chosen, data, root, hardware):
            typer.echo(line)
        return
    check_folder(out)
    run(
        chosen,
        data,
        out,
        seed=seed,
        resume=resume,
        hardware=hardware,
        root=root,
        skip_bad=skip_bad,
        backbone=backbone,
        max_steps=max_steps,
        max_hours=max_hours,
    )
    rank_zero_only(typer.echo)(f"trained weights: {out / WEIGHTS}")


@app.command(
    epilog=_examples(
        "gin evaluate --data photos/ --out table.md",
        "gin evaluate --weights W --data FOLDER --masks all --size 256 "
        "--baseline deepfillv2=W2 --out table.md",
        "gin evaluate --preset table2 --data lists/val.txt --out table2.md",
        "gin evaluate --data photos/ --masks masks/ --size original --out table.md",
        "gin evaluate --data photos/ --out table.md --resume",
    )
)
def evaluate(
    data: Annotated[
        list[str],
        typer.Option(
            metavar="[NAME=]FOLDER|LIST",
            help="Photographs: a folder, a .txt list, or torchvision:DATASET under "
            "--root. May be given again, as --weights, --baseline, --masks and --size.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="TABLE.md",
            help="The tables; TABLE.csv and TABLE.html lie beside them, and the folder "
            "TABLE with masks, measurements and pictures.",
        ),
    ],
    weights: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]FILE|FOLDER|released|hf:OWNER/NAME",
            help="DeepGIN's, as for gin inpaint; without it the shipped weights.",
        ),
    ] = None,
    baselines: Annotated[
        list[str] | None,
        typer.Option(
            "--baseline",
            metavar="METHOD[=FILE]",
            help="mean-colour, telea, navier-stokes, biharmonic or patchmatch; "
            "classical, which is all five; deepfillv1 or deepfillv2 with weights.",
        ),
    ] = None,
    masks: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND|[NAME=]FOLDER",
            help="all (the default), rectangular, free-form, cellular; or a folder "
            "with a mask for each photograph, of the same name and any suffix.",
        ),
    ] = None,
    size: Annotated[
        list[EvaluationSize] | None,
        typer.Option(help="256 (the default) or original.", show_choices=False),
    ] = None,
    preset: Annotated[
        PresetName | None,
        typer.Option(help="Masks, sizes and number of photographs of a paper's table."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of masks and intervals.")] = 0,
    invert: Annotated[
        bool | None,
        typer.Option(
            "--invert/--no-invert",
            help="In one's own masks black, or white, is missing; without it white, "
            "and masks that look inverted are refused.",
        ),
    ] = None,
    ensemble: Annotated[
        bool, typer.Option("--ensemble", help="DeepGIN also as the mean of five views.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the evaluation in TABLE.")
    ] = False,
    root: Root = None,
    backbone: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="AlexNet's weights for LPIPS; else fetched."),
    ] = None,
    inception: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Inception's for FID and KID; else fetched."),
    ] = None,
    device: Device = None,
    precision: Precision = None,
) -> None:
    """Measure methods on photographs under seeded masks: tables and pictures."""
    from gin import evaluation_plan, methods
    from gin.evaluation import Evaluation
    from gin.evaluation_inputs import choose_masks, open_datasets
    from gin.instruments import Instruments
    from gin.reports import Reports

    started = time.perf_counter()
    reports = Reports(out)
    reports.check(resume)
    kinds = {kind.value: kind.name for kind in Kind}
    chosen = evaluation_plan.PRESETS[preset] if preset else evaluation_plan.DEFAULT
    holes = choose_masks([kinds.get(m, m) for m in masks or chosen.masks], invert)
    candidates = methods.candidates(
        methods.weights_by_name(weights or []),
        methods.named_baselines(baselines or []),
        ensemble,
        device,
        precision,
    )
    datasets = open_datasets(data, root)
    if preset is not None:
        evaluation_plan.check_preset(preset, datasets)
    plan = evaluation_plan.Plan(datasets, holes, [*(size or chosen.sizes)], seed)
    instruments = Instruments.find(backbone, inception, device)
    evaluation = Evaluation(plan, candidates, instruments, reports.folder)
    evaluation.run(resume)
    typer.echo(reports.write(evaluation, resume))
    for method, pace in reports.folder.pace().items():
        typer.echo(f"{method}: {pace:.2f} s an image")
    seconds = time.perf_counter() - started
    typer.echo(f"evaluated in {seconds:.1f} s: see {out}")


@app.command(
    epilog=_examples(
        "gin export --out deepgin.onnx",
        "gin export --weights run/weights.safetensors --half --out deepgin.onnx",
    )
)
def export(
    out: Annotated[Path, typer.Option(metavar="FILE", help="A new .onnx file.")],
    weights: Weights = None,
    half: Annotated[
        bool, typer.Option("--half", help="Weights of 16 bits: half the size.")
    ] = False,
    force: Force = False,
) -> None:
    """Write the network as ONNX, once its pictures are found to equal PyTorch's."""
    from gin.export import export_weights

    written = export_weights(weights, out, half, force)
    typer.echo(
        f"{out}: {written.size / 1e6:.1f} MB; its pictures differ from PyTorch's by "
        f"{written.difference:.1e} at most (1 is white)"
    )


data_app = typer.Typer(rich_markup_mode=None)
app.add_typer(data_app, name="data", help="Lists of photographs to train on.")


@data_app.command(
    epilog=_examples(
        "gin data split --layout celeba-hq --data CelebA-HQ/ --out lists",
        "gin train --recipe paper --data lists/train.txt --out run",
    )
)
def split(
    layout: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="celeba-hq (27,000 and 3,000, drawn), ffhq (69,000 and 1,000, drawn), "
            "oxford (523 held out, drawn) or ade20k (its own two parts).",
        ),
    ],
    data: Annotated[
        Path, typer.Option(metavar="FOLDER", help="The collection, at any depth.")
    ],
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="For train.txt and val.txt.")
    ],
    seed: Annotated[int, typer.Option(min=0, help="Of the draw.")] = 0,
    force: Force = False,
) -> None:
    """Write which photographs of a collection train, and which are held out."""
    from gin.splits import split as divide

    counts = divide(layout, data, out, seed, force)
    for name, count in counts.items():
        typer.echo(f"{out / name}.txt: {count:,} photographs")


@app.command(
    "app",
    epilog=_examples("gin app", "gin app --photo photo.jpg --port 9000 --no-browser"),
)
def application(
    photo: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The first photograph.")
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[deepfillv2=]FILE|FOLDER|released|hf:OWNER/NAME",
            help="To choose from, beside the shipped ones. May be given again.",
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Without it the first free from 8866 on."),
    ] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print its address, and open nothing.")
    ] = False,
) -> None:
    """Serve a page to paint and complete on, to this computer alone, until Ctrl-C."""
    from gin.application.page import serve

    serve(photo, weights or [], port, not no_browser)


@app.command(epilog=_examples("gin info", "gin info --weights run/weights.safetensors"))
def info(weights: Weights = None) -> None:
    """Print versions, device, weights and parameter counts."""
    from gin.information import describe

    for line in describe(weights):
        typer.echo(line)
