"""`gin train` and `gin data split`."""

from pathlib import Path
from typing import Annotated

import typer
from typer import Option

from gin.cli.options import (
    Device,
    Force,
    Precision,
    Root,
    check_root,
    examples,
    flag,
    seed_option,
)
from gin.errors import InputError
from gin.recipes import RECIPES

app = typer.Typer()
data_app = typer.Typer(rich_markup_mode=None)


@app.command(
    epilog=examples(
        "gin train --recipe smoke --data photos/ --out run",
        "gin train --recipe paper --data torchvision:Places365 --root data --out run",
        "gin train --recipe gpu --data train.txt --validation val.txt --out run",
        "gin train --recipe demo --set optimiser.clip=2 --data photos/ --out run",
        "gin train --data photos/ --out run --resume",
    )
)
def train(
    data: Annotated[
        str,
        Option(
            metavar="FOLDER|LIST|SHARDS|torchvision:NAME",
            help="Photographs: a folder, a .txt list of files, WebDataset shards "
            "(.tar, local or URL), or a dataset of torchvision under --root.",
        ),
    ],
    out: Annotated[
        Path, Option(metavar="RUN", help="Folder for checkpoints and weights.")
    ],
    recipe: Annotated[
        str | None,
        Option(
            metavar="NAME|FILE",
            help=f"One of {', '.join(RECIPES)}, or a YAML file; with --resume the "
            "run's own.",
        ),
    ] = None,
    changes: Annotated[
        list[str] | None,
        Option("--set", metavar="PATH=VALUE", help="Change a value of the recipe."),
    ] = None,
    root: Root = None,
    validation: Annotated[
        str | None,
        Option(
            metavar="FOLDER|LIST|...",
            help="Photographs for the validation error, as --data. Default: those of "
            "--data, under other views and masks.",
        ),
    ] = None,
    seed: Annotated[int, seed_option("Seed of the initial weights and batches.")] = 0,
    resume: Annotated[bool, flag("resume", "Continue the run in the folder.")] = False,
    skip_bad: Annotated[
        bool, flag("skip-bad", "Leave out unreadable photographs; list them.")
    ] = False,
    backbone: Annotated[
        Path | None, Option(metavar="FILE", help="VGG weights; downloaded by default.")
    ] = None,
    max_steps: Annotated[
        int | None, Option(min=1, help="Stop after this number of steps.")
    ] = None,
    max_hours: Annotated[
        float | None, Option(min=0, help="Stop after this number of hours.")
    ] = None,
    device: Device = None,
    devices: Annotated[int, Option(min=1, help="Processes a machine.")] = 1,
    nodes: Annotated[int, Option(min=1, help="Machines.")] = 1,
    precision: Precision = None,
    compiled: Annotated[
        bool | None,
        Option("--compile/--no-compile", help="torch.compile; the default on CUDA."),
    ] = None,
    workers: Annotated[
        int | None, Option(min=0, help="Processes that make batches.")
    ] = None,
    dry_run: Annotated[bool, flag("dry-run", "Print the plan and end.")] = False,
) -> None:
    """Train a network: the warm-up stage, then the main stage."""
    from lightning_fabric.utilities import rank_zero_only

    from gin.baselines.deepfill.training import LEARNERS
    from gin.training.dry_run import plan
    from gin.training.hardware import Hardware
    from gin.training.learner import Learner
    from gin.training.recipe_files import read_recipe
    from gin.training.run_folder import RECIPE, WEIGHTS, RunFolder
    from gin.training.trainer import train as run
    from gin.utils.files import check_folder

    if recipe is None and not resume:
        raise InputError("--recipe: expected, unless --resume continues a run")
    if resume and (recipe or changes):
        raise InputError(
            "--resume: continues with the run's own recipe, found --recipe or --set"
        )
    check_root(root, [data, validation or ""])
    if resume or dry_run:
        RunFolder(out).check(resume)
    chosen = read_recipe(recipe or str(out / RECIPE), changes or [])
    hardware = Hardware(device, devices, nodes, precision, compiled, workers)
    learner = LEARNERS.get(chosen.network.variant, Learner)
    if dry_run:
        for line in plan(chosen, data, root, hardware, learner):
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
        validation=validation,
        max_steps=max_steps,
        max_hours=max_hours,
        learner=learner,
    )
    rank_zero_only(typer.echo)(f"trained weights: {out / WEIGHTS}")


@data_app.command(
    epilog=examples(
        "gin data split --layout celeba-hq --data CelebA-HQ/ --out lists",
        "gin train --recipe paper --data lists/train.txt --out run",
    )
)
def split(
    layout: Annotated[
        str,
        Option(
            metavar="NAME",
            help="celeba-hq (27,000 and 3,000, drawn), ffhq (69,000 and 1,000, drawn), "
            "oxford (523 held out, drawn) or ade20k (its own two parts).",
        ),
    ],
    data: Annotated[
        Path, Option(metavar="FOLDER", help="The photographs, at any depth.")
    ],
    out: Annotated[Path, Option(metavar="FOLDER", help="For train.txt and val.txt.")],
    seed: Annotated[int, seed_option("Seed of the split.")] = 0,
    force: Force = False,
) -> None:
    """Write the lists of a dataset's training and validation photographs."""
    from gin.data.splits import split as divide

    for name, count in divide(layout, data, out, seed, force).items():
        typer.echo(f"{out / name}.txt: {count:,} photographs")


app.add_typer(data_app, name="data", help="Lists of photographs to train on.")
