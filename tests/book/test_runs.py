"""A recorded run is read from both kinds of folders; milestones follow its curves."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from support import runs
from support.curves import write_table
from torch.utils.tensorboard import SummaryWriter

from gin.errors import InputError
from gin.recipes import SMOKE
from gin.training.recipe_files import write_recipe

SHIPPED = Path(__file__).parents[2] / "data" / "runs" / "shipped"
WARM_UP, MAIN = range(10, 60, 10), range(60, 110, 10)


def curves() -> dict[str, dict[int, float]]:
    return {
        "loss/l1": {step: 1 / step for step in (*WARM_UP, *MAIN)},
        "images per second": dict.fromkeys((*WARM_UP, *MAIN), 30.0),
        "loss/discriminators": dict.fromkeys(MAIN, 4.0),
        runs.VALIDATION: {50: 9.0, 100: 8.0},
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_recipe(SMOKE, tmp_path / "recipe.yaml")
    write_table(curves(), tmp_path / "curves.csv")
    return tmp_path


def test_milestones_tell_stages_images_and_minutes(folder: Path) -> None:
    run = runs.open_run(folder)
    assert run.first_main_step == 60
    table = runs.milestones(run, count=3)
    assert [(row[0], row[1]) for row in table.rows] == [
        *(("10", "warm-up"), ("50", "warm-up"), ("100", "main"))
    ]
    # Three images a step at 30 a second: 100 steps are ten seconds.
    assert table.rows[-1][2:4] == ("300", "0.2")
    assert table.rows[0][5] == "-"
    assert table.rows[-1][-1] == "8.00"


def test_pictures_are_named_by_their_step(folder: Path) -> None:
    (folder / "milestones").mkdir()
    for step in (50, 100):
        Image.new("RGB", (4, 4), (step, 0, 0)).save(
            folder / "milestones" / f"step-{step:05}.png"
        )
    run = runs.open_run(folder)
    assert list(run.pictures) == [50, 100]
    assert runs.picture_at(run, 40) is None
    assert runs.picture_at(run, 60).getpixel((0, 0)) == (50, 0, 0)
    assert runs.picture_at(run, 100).getpixel((0, 0)) == (100, 0, 0)


def test_a_run_folder_is_read_from_its_log(tmp_path: Path) -> None:
    write_recipe(SMOKE, tmp_path / "recipe.yaml")
    with SummaryWriter(tmp_path / "log") as writer:
        for name, points in curves().items():
            for step, value in points.items():
                writer.add_scalar(name, value, step)
        writer.add_image("validation", torch.ones(3, 4, 4), 50)
    run = runs.open_run(tmp_path)
    assert run.at("loss/l1", 55) == pytest.approx(1 / 50)
    assert list(run.pictures) == [50]
    assert runs.panels(run).axes
    assert runs.at_step(run, 100).axes


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no recipe.yaml"):
        runs.open_run(tmp_path)


def test_the_measures_of_the_shipped_run_are_read() -> None:
    table = runs.measures(SHIPPED)
    assert len(table.rows) == 9
    assert table.rows[-1] == ("5,405", "7.81", "0.54", "29", "59")
