"""A recorded training: its recipe, its curves, and its milestones.

Taught in book/18_main_stage.md.
"""

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from support import figures
from support.curves import Curves, read_log, read_table
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gin.errors import InputError
from gin.masks import KINDS
from gin.recipes import GPU, Recipe
from gin.training.recipe_files import read_recipe
from gin.utils.images import open_picture

SHIPPED = Path(__file__).parents[2] / "data" / "runs" / "shipped"
VALIDATION = "validation/error in the hole (%)"
SPEED = "images per second"
SKIP4 = "refinement.skip4.attention "
PANELS = {
    "loss/l1": "L1",
    "loss/discriminators": "discriminators (4 is chance)",
    "loss/adversarial": "adversarial, generators",
    "loss/perceptual": "perceptual",
    "loss/style": "style",
    VALIDATION: "validation, error in the hole (%)",
}


@dataclass(frozen=True)
class RecordedRun:
    """What a training has left.

    Attributes:
        recipe: its settings.
        curves: name -> step -> value.
        pictures: step -> completed photographs at that step.
    """

    recipe: Recipe
    curves: Curves
    pictures: dict[int, Image.Image]

    @property
    def steps(self) -> list[int]:
        """The steps with a point of L1, which every stage has."""
        return list(self.curves["loss/l1"])

    @property
    def first_main_step(self) -> int:
        """The first recorded step of the main stage, or one after the last."""
        main = self.curves.get("loss/discriminators")
        return min(main) if main else self.steps[-1] + 1

    def at(self, name: str, step: int) -> float | None:
        """The last value of a curve up to `step`."""
        points = [s for s in self.curves.get(name, {}) if s <= step]
        return self.curves[name][max(points)] if points else None

    @property
    def minutes(self) -> dict[int, float]:
        """Minutes of training up to each step, from the recorded speed.

        Validation and checkpoints are not counted.
        """
        images = self.recipe.data.batch_size * len(KINDS)
        if self.recipe.phases:
            images = self.recipe.phases[0].batch_size * len(KINDS)
        seconds, last, result = 0.0, 0, {}
        for step in self.steps:
            seconds += (step - last) * images / self.curves[SPEED][step]
            last, result[step] = step, seconds / 60
        return result

    def images(self, step: int) -> int:
        """Masked images up to `step`; phases must have one batch size."""
        size = (self.recipe.phases or (self.recipe.data,))[0].batch_size
        return step * size * len(KINDS)


def open_run(folder: Path) -> RecordedRun:
    """A run folder of `gin train`, or a folder with `recipe.yaml` and `curves.csv`.

    Pictures are `milestones/*` whose names end with a step; in a run folder without
    them, TensorBoard's validation sheets. Raises InputError for other folders.
    """
    if not (folder / "recipe.yaml").exists():
        raise InputError(
            f"{folder}: holds no recipe.yaml; expected the folder of a run"
        )
    table = folder / "curves.csv"
    curves = read_table(table) if table.exists() else read_log(folder / "log")
    pictures = {
        int(step[1]): open_picture(path)
        for path in sorted(folder.glob("milestones/*.*"))
        if (step := re.search(r"(\d+)$", path.stem))
    }
    if not pictures and (folder / "log").exists():
        pictures = _sheets(folder / "log")
    recipe = read_recipe(str(folder / "recipe.yaml"))
    return RecordedRun(recipe, curves, dict(sorted(pictures.items())))


def _sheets(log: Path) -> dict[int, Image.Image]:
    """The validation sheets that TensorBoard kept."""
    events = EventAccumulator(str(log), {"images": 0}).Reload()
    if "validation" not in events.Tags()["images"]:
        return {}
    return {
        image.step: Image.open(io.BytesIO(image.encoded_image_string)).convert("RGB")
        for image in events.Images("validation")
    }


def moments(run: RecordedRun, count: int = 10) -> list[int]:
    """About `count` recorded steps, evenly spaced, and the ends of both stages."""
    steps = run.steps
    even = {steps[round(n * (len(steps) - 1) / (count - 1))] for n in range(count)}
    before = [step for step in steps if step < run.first_main_step]
    return sorted(even | {before[-1] if before else steps[0]})


def milestones(run: RecordedRun, count: int = 10) -> figures.Table:
    """A row for each of `moments` and for up to `count` validations.

    The error of a validation stands in the row of its step alone.
    """
    names = "loss/l1", "loss/discriminators"
    found = run.curves.get(VALIDATION, {})
    validated = [step for step in found if step in run.minutes]
    shown = validated[::-1][:: max(1, -(-len(validated) // count))]
    rows = []
    for step in sorted({*moments(run, count), *shown}):
        stage = "warm-up" if step < run.first_main_step else "main"
        values = [*(run.at(name, step) for name in names), found.get(step)]
        cells = ["-" if value is None else f"{value:.2f}" for value in values]
        spent = run.minutes[step], f"{run.images(step):,}"
        rows.append((f"{step:,}", stage, spent[1], f"{spent[0]:.1f}", *cells))
    header = ["step", "stage", "images", "minutes", "L1", "discriminators"]
    return figures.Table([*header, "error in the hole (%)"], rows)


def measures(folder: Path) -> figures.Table:
    """The table that `benchmarks/milestones.py` writes, `milestones/measures.csv`."""
    path = folder / "milestones" / "measures.csv"
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    rows = [
        (
            f"{int(line['step']):,}",
            f"{float(line['error in the hole (%)']):.2f}",
            f"{float(line['alpha']):.2f}",
            *(
                f"{100 * float(line[SKIP4 + name]):.0f}"
                for name in ("on known", "chance")
            ),
        )
        for line in lines
    ]
    header = ["step", "error in the hole (%)", "alpha in the hole"]
    attention = ["attention at 32 px on known (%)", "known (%)"]
    return figures.Table([*header, *attention], rows)


def panels(run: RecordedRun) -> figures.Drawing:
    """The curves that a main stage is read by, those with more than one point."""
    shown = {
        title: run.curves[name]
        for name, title in PANELS.items()
        if len(run.curves.get(name, {})) > 1 and any(run.curves[name].values())
    }
    return figures.curves(shown)


def at_step(run: RecordedRun, step: int) -> figures.Drawing:
    """The curves up to `step`, and the last milestone's picture if there is one."""
    upto = {
        name: {s: v for s, v in points.items() if s <= step}
        for name, points in run.curves.items()
    }
    shown = {title: upto[n] for n, title in PANELS.items() if len(upto.get(n, {})) > 1}
    drawing = figures.curves(dict(list(shown.items())[:4]))
    drawing.suptitle(f"step {step:,}, {run.minutes[step]:.1f} minutes")
    return drawing


def picture_at(run: RecordedRun, step: int) -> Image.Image | None:
    """The last milestone's picture up to `step`."""
    earlier = [s for s in run.pictures if s <= step]
    return run.pictures[earlier[-1]] if earlier else None


def check_first(run: RecordedRun) -> None:
    """Assert what chapter 18 says of the first run of the shipped weights."""
    assert list(run.curves[VALIDATION]) == [5710]
    discriminators = [*run.curves["loss/discriminators"].values()]
    assert abs(discriminators[0] - 4) < 0.2
    # Better than chance, but near it.
    assert 3 < np.mean(discriminators[-10:]) < 3.97
    l1, last = run.curves["loss/l1"], run.steps[-1]
    assert l1[1850] < 0.5 * l1[50]
    assert 0.8 * l1[1850] < l1[5600]
    assert l1[last] < 0.6 * l1[50]
    assert 2 * run.recipe.data.batch_size == GPU.data.batch_size
    assert run.recipe.losses != GPU.losses
    plan = GPU.schedule.warm_up + GPU.schedule.flat + GPU.schedule.decay
    images = plan * GPU.data.batch_size * len(KINDS)
    minutes = images / (run.images(last) / run.minutes[last])
    assert 30 < minutes < 120  # of the recipe gpu, at this run's speed


def check_second(run: RecordedRun) -> None:
    """Assert what chapter 18 says of the second run of the shipped weights."""
    first = open_run(SHIPPED.with_name("first"))
    assert run.recipe.losses == GPU.losses
    assert 2 * run.recipe.data.batch_size == GPU.data.batch_size
    weights = [r.recipe.losses.perceptual_weight for r in (first, run)]
    assert weights == [1, 0.6]
    before, now = (
        np.mean([v for s, v in r.curves["loss/l1"].items() if s >= r.first_main_step])
        for r in (first, run)
    )
    assert 2.5 < before / now < 4
    assert 1.5 < 0.6 * before / now < 2.5
    columns = np.array([row[1:] for row in measures(SHIPPED).rows], float).T
    error, alpha, known, chance = columns
    assert (known < chance).all()
    assert (np.diff(known) <= 0).all()
    assert known[-1] < 33
    assert alpha[-1] < alpha[0] - 0.1
    assert 0.95 < error[-1] / error[0] < 0.98
