"""`gin evaluate`: methods measured on photographs under seeded masks."""

import time
from pathlib import Path
from typing import Annotated

import typer

from gin.cli.options import (
    Device,
    EvaluationSize,
    Kind,
    Precision,
    PresetName,
    Root,
    _examples,
    print_skipped_formats,
)

app = typer.Typer()


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
            "with a mask for each photograph, found as for gin inpaint --mask.",
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
    from gin.baselines import methods
    from gin.evaluation import protocol as evaluation_plan
    from gin.evaluation.evaluator import Evaluation, Instruments
    from gin.evaluation.outputs import Reports
    from gin.evaluation.protocol import choose_masks, open_datasets
    from gin.utils.files import named

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
    print_skipped_formats(Path(named(text)[1]) for text in data)
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
