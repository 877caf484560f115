"""`gin evaluate`: evaluate methods on photographs under seeded masks."""

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer import Option

from gin.cli.options import (
    MASK_OPTIONS,
    Device,
    Devices,
    Invert,
    Precision,
    Root,
    Threshold,
    check_root,
    examples,
    flag,
    print_skipped_formats,
    seed_option,
)

app = typer.Typer()


class Size(StrEnum):
    """`gin.evaluation.protocol.SIZES`; typer has no lists of Literals."""

    paper = "256"
    original = "original"


def network_file(network: str, metric: str) -> Any:
    """The option for a metric's weights."""
    text = f"{network}'s weights for {metric}; downloaded by default."
    return Option(metavar="FILE", help=text)


@app.command(
    epilog=examples(
        "gin evaluate --data photos/ --out table.md",
        "gin evaluate --weights W --data FOLDER --masks all --size 256 "
        "--baseline deepfillv2=W2 --out table.md",
        "gin evaluate --preset table2 --data lists/val.txt --out table2.md",
        "gin evaluate --data photos/ --masks masks/ --size original --out table.md",
        "gin evaluate --data photos/ --segmentation --out table.md",
        "gin evaluate --data photos/ --out table.md --resume",
        "gin evaluate --data photos/ --devices 4 --out table.md",
    )
)
def evaluate(
    data: Annotated[
        list[str],
        Option(
            metavar="[NAME=]FOLDER|LIST",
            help="Photographs: a folder, a .txt list, or torchvision:DATASET under "
            "--root. May be repeated, as --weights, --baseline, --masks and --size.",
        ),
    ],
    out: Annotated[
        Path,
        Option(
            metavar="TABLE.md",
            help="The tables. TABLE.csv, TABLE.html and the folder TABLE (masks, "
            "measurements, pictures) are written beside them.",
        ),
    ],
    weights: Annotated[
        list[str] | None,
        Option(
            metavar="[NAME=]FILE|FOLDER|released|hf:OWNER/NAME",
            help="DeepGIN's weights, as in gin inpaint; the shipped ones by default.",
        ),
    ] = None,
    baselines: Annotated[
        list[str] | None,
        Option(
            "--baseline",
            metavar="METHOD[=FILE]",
            help="mean-colour, telea, navier-stokes, biharmonic or patchmatch; "
            "classical for all five; deepfillv1 or deepfillv2 with weights.",
        ),
    ] = None,
    masks: Annotated[
        list[str] | None,
        Option(
            metavar="KIND|[NAME=]FOLDER",
            help="all (the default), rectangular, free-form, cellular; or a folder "
            "with a mask for each photograph, named as for gin inpaint --mask.",
        ),
    ] = None,
    size: Annotated[
        list[Size] | None, Option(metavar="256|original", help="256 by default.")
    ] = None,
    preset: Annotated[
        Literal["table1", "table2"] | None,
        Option(help="Masks, sizes and number of photographs of a table in the paper."),
    ] = None,
    seed: Annotated[int, seed_option("Seed of the masks and intervals.")] = 0,
    invert: Invert = None,
    threshold: Threshold = None,
    ensemble: Annotated[
        bool, flag("ensemble", "Also DeepGIN as the mean of five views.")
    ] = False,
    resume: Annotated[bool, flag("resume", "Resume the evaluation in TABLE.")] = False,
    root: Root = None,
    backbone: Annotated[str | None, network_file("AlexNet", "LPIPS")] = None,
    inception: Annotated[str | None, network_file("Inception", "FID and KID")] = None,
    vgg: Annotated[str | None, network_file("VGG16", "the VGG distance")] = None,
    segmentation: Annotated[
        bool,
        flag(
            "segmentation",
            "Also compare the classes that a segmentation network gives to the "
            "completed picture and the photograph, as in the paper's Fig. 6.",
        ),
    ] = False,
    segmenter: Annotated[
        str | None,
        Option(
            metavar="NETWORK[=FILE]",
            help="The network of --segmentation: lraspp (the default) or deeplabv3; "
            "its weights are downloaded, or read from FILE.",
        ),
    ] = None,
    device: Device = None,
    devices: Devices = 1,
    precision: Precision = None,
) -> None:
    """Evaluate methods on photographs under seeded masks: tables and pictures.

    DeepGIN is measured as in the paper, and, unless --preset is given, as gin inpaint
    completes photographs by default, with the name NAME-auto.
    """
    from gin.baselines import methods
    from gin.evaluation import protocol as protocols
    from gin.evaluation.evaluator import Evaluation, MetricNetworks
    from gin.evaluation.outputs import Reports
    from gin.inpainting import REGIONS, WHOLE
    from gin.training.processes import Processes
    from gin.utils.files import split_name

    started = time.perf_counter()
    if segmentation and segmenter is None:
        segmenter = "lraspp"
    reports = Reports(out)
    reports.check(resume)
    processes = Processes.launch(devices, device)
    own_device = processes.device(device)
    defaults = protocols.PRESETS[preset] if preset else protocols.DEFAULT
    mask_sets = protocols.choose_masks(
        [MASK_OPTIONS.get(text, text) for text in masks or defaults.masks],
        invert,
        threshold,
    )
    with processes.first_before_others():
        candidates = methods.candidates(
            methods.weights_by_name(weights or []),
            methods.named_baselines(baselines or []),
            ensemble,
            own_device,
            precision,
            REGIONS if preset is None else (WHOLE,),
        )
    check_root(root, (split_name(text)[1] for text in data))
    datasets = processes.on_first(lambda: protocols.open_datasets(data, root))
    if processes.first:
        print_skipped_formats(Path(split_name(text)[1]) for text in data)
    if preset is not None:
        protocols.check_preset(preset, datasets)
    sizes = [*dict.fromkeys(size or defaults.sizes)]
    protocol = protocols.Protocol(datasets, mask_sets, sizes, seed)
    with processes.first_before_others():
        networks = MetricNetworks.load(backbone, inception, own_device, vgg, segmenter)
    evaluation = Evaluation(protocol, candidates, networks, reports.folder, processes)
    evaluation.run(resume)
    if not processes.first:
        return
    typer.echo(reports.write(evaluation, resume))
    for method, seconds in reports.folder.seconds_per_image().items():
        typer.echo(f"{method}: {seconds:.2f} s an image")
    seconds = time.perf_counter() - started
    typer.echo(f"evaluated in {seconds:.1f} s: see {out}")
