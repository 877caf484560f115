"""Whole trainings: stopped and resumed they end in the same bits; what they leave."""

import io
import math
import os
import re
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import torch
import yaml
from data_trees import encoded, folder_of, photograph, shards_of, write_tar
from full_disk import full_beyond
from old_recipes import old_checkpoint, old_recipe
from support.curves import read_log
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny_training import CPU, TINY, checkpoints, last, photographs, same
from torch import Tensor, nn

import gin
from gin.data.unreadable import read_bad
from gin.errors import InputError, Interrupted
from gin.generator import Completion
from gin.recipes import PAPER, RELEASED, Recipe, Schedule
from gin.training.hardware import Hardware, launch
from gin.training.learner import Learner
from gin.training.progress import Validation
from gin.training.recipe_files import read_recipe
from gin.training.run_folder import RunFolder
from gin.training.trainer import train
from gin.utils.files import PARTIAL, locked
from gin.weights.checkpoints import metadata
from gin.weights.imagenet import Backbone, load_backbone


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return photographs(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def undisturbed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("undisturbed") / "run"
    net = train(TINY, data, run, seed=1, hardware=CPU)
    saved = gin.load(run / "weights.safetensors").state_dict()
    assert same(saved, dict(net.state_dict()))
    assert not net.training
    return run


@pytest.fixture(scope="module")
def stopped(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stopped in the warm-up, where it ends, and in the main stage; resumed each time.

    None of the stops is at the end of an epoch, and the second process has workers.
    """
    run = tmp_path_factory.mktemp("stopped") / "run"
    for resume, steps, workers in ((False, 1, 0), (True, 3, 1), (True, 3, 0)):
        hardware = replace(CPU, workers=workers)
        with pytest.raises(Interrupted, match=f"{steps} steps: stopped after step"):
            train(
                TINY,
                data,
                run,
                seed=1,
                resume=resume,
                hardware=hardware,
                max_steps=steps,
            )
        torch.manual_seed(99)  # another process starts in another state
    assert list(checkpoints(run)) == [4, 6, 7]
    train(TINY, data, run, seed=1, resume=True, hardware=CPU)
    return run


def copied(run: Path, tmp_path: Path) -> Path:
    return shutil.copytree(run, tmp_path / "copy")


# Resume


def test_a_resumed_training_ends_in_the_same_bits(
    undisturbed: Path, stopped: Path
) -> None:
    whole, parts = last(undisturbed), last(stopped)
    assert whole["clock"] == parts["clock"] == [4, 5, 2 * 8 + 1]
    assert same(whole, parts)
    assert not same(whole, checkpoints(undisturbed)[6])  # `same` can tell
    for name in ("weights", "best"):
        one, other = (
            gin.load(run / f"{name}.safetensors") for run in (undisturbed, stopped)
        )
        assert same(dict(one.state_dict()), dict(other.state_dict()))


def flipped(content: bytes) -> bytes:
    """100 bytes of the largest tensor are others."""
    with ZipFile(io.BytesIO(content)) as archive:
        tensors = [r for r in archive.infolist() if "/data/" in r.filename]
        largest = max(tensors, key=lambda record: record.file_size)
        start = content.index(archive.read(largest))
    other = bytes(255 - byte for byte in content[start : start + 100])
    return content[:start] + other + content[start + 100 :]


def encoded_state(state: object) -> bytes:
    stream = io.BytesIO()
    torch.save(state, stream)
    return stream.getvalue()


def test_flipped_bytes_are_named_and_it_goes_on_from_the_checkpoint_before(
    data: Path, undisturbed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = copied(undisturbed, tmp_path)
    path = run / "checkpoints" / "step-000000009.pt"
    damaged = flipped(path.read_bytes())
    path.write_bytes(damaged)
    torch.load(path, weights_only=True)  # torch itself notices nothing
    train(TINY, data, run, seed=1, resume=True, hardware=CPU)
    assert same(last(run), last(undisturbed))
    assert re.fullmatch(
        rf"gin: {re.escape(str(path))}: cannot be read "
        r"\(the checksum of \S+ differs\); "
        r"kept as step-000000009\.pt\.bad, going on from step-000000006\.pt\n",
        capsys.readouterr().err,
    )
    assert path.with_name("step-000000009.pt.bad").read_bytes() == damaged


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_in_a_checkpoints_place_is_set_aside(
    undisturbed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = RunFolder(copied(undisturbed, tmp_path))
    *good, newest = folder.saved()
    newest.unlink()
    os.mkfifo(newest)  # reading it would never end
    folder.mend()
    assert folder.saved() == good
    assert "not a regular file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "damage",
    [
        flipped,
        lambda content: content[: len(content) // 2],
        lambda content: content[:1000],
        lambda content: b"",
        lambda content: b"nonsense",
        lambda content: encoded_state([1, 2]),
        lambda content: encoded_state({"learner": {}}),
    ],
)
def test_whatever_is_no_checkpoint_is_set_aside(
    damage: Callable[[bytes], bytes],
    undisturbed: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = RunFolder(copied(undisturbed, tmp_path))
    *good, newest = folder.saved()
    newest.write_bytes(damage(newest.read_bytes()))
    folder.mend()
    assert folder.saved() == good
    assert re.fullmatch(
        rf"gin: {re.escape(str(newest))}: .+\n", capsys.readouterr().err
    )
    for path in good:
        path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match="6.pt: .*no other checkpoint of the"):
        folder.mend()
    assert folder.saved() == good


def test_a_checkpoint_with_other_networks_is_named(
    data: Path, undisturbed: Path, tmp_path: Path
) -> None:
    run = copied(undisturbed, tmp_path)
    path = run / "checkpoints" / "step-000000009.pt"
    for part in ({"learner": {"net": {}}}, {"clock": ["x"]}, {"best": None}):
        torch.save({**last(undisturbed), **part}, path)
        with pytest.raises(InputError, match="9.pt: does not fit the run") as refused:
            train(TINY, data, run, seed=1, resume=True, hardware=CPU)
        assert "\n" not in str(refused.value)


def test_temporaries_alone_are_cleaned_up(
    data: Path, undisturbed: Path, tmp_path: Path
) -> None:
    run = copied(undisturbed, tmp_path)
    mine = [run / ".my-notes.txt", run / "checkpoints" / ".pre-commit-config.yaml"]
    left = [run / f".a{PARTIAL}", run / "checkpoints" / f".b{PARTIAL}"]
    for path in (*mine, *left):
        path.write_bytes(b"half")
    train(TINY, data, run, seed=1, resume=True, hardware=CPU)
    assert all(path.exists() for path in mine)
    assert not any(path.exists() for path in left)


def test_a_finished_training_has_nothing_left_to_do(
    data: Path, undisturbed: Path, tmp_path: Path
) -> None:
    run = copied(undisturbed, tmp_path)
    net = train(TINY, data, run, seed=1, resume=True, hardware=CPU)
    assert same(last(run), last(undisturbed))
    assert same(
        dict(net.state_dict()),
        dict(gin.load(run / "weights.safetensors").state_dict()),
    )


def test_the_random_state_is_the_checkpoints(
    data: Path, undisturbed: Path, tmp_path: Path
) -> None:
    run = copied(undisturbed, tmp_path)
    other = torch.Generator().manual_seed(123).get_state()
    path = run / "checkpoints" / "step-000000009.pt"
    torch.save({**last(run), "random": other}, path)
    train(TINY, data, run, seed=1, resume=True, hardware=CPU)
    assert torch.equal(torch.get_rng_state(), other)


def test_one_that_was_killed_before_its_first_checkpoint_begins_again(
    data: Path, undisturbed: Path, tmp_path: Path
) -> None:
    run = copied(undisturbed, tmp_path)
    shutil.rmtree(run / "checkpoints")
    with pytest.raises(Interrupted, match="after step 1;"):
        train(TINY, data, run, seed=1, resume=True, hardware=CPU, max_steps=1)
    assert list(checkpoints(run)) == [1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": 2}, "was started with seed 1; found 2"),
        ({"recipe": replace(TINY, phases=())}, "started with phases .*; found "),
        (
            {"recipe": replace(TINY, optimiser=replace(TINY.optimiser, clip=2.0))},
            "was started with optimiser.clip 1.0; found 2.0",
        ),
        ({"data": 4}, "was started with photographs '"),
        ({"processes": 2}, "was started with processes 2; found 1"),
    ],
)
def test_another_training_cannot_go_on_with_it(
    change: dict[str, Any], words: str, data: Path, undisturbed: Path, tmp_path: Path
) -> None:
    run = copied(undisturbed, tmp_path)
    path = run / "checkpoints" / "step-000000009.pt"
    if "processes" in change:
        torch.save({**last(run), **change}, path)
    if "data" in change:
        data = folder_of(tmp_path / "fewer", change["data"])
    recipe, seed = change.get("recipe", TINY), change.get("seed", 1)
    with pytest.raises(InputError, match=words) as refused:
        train(recipe, data, run, seed=seed, resume=True, hardware=CPU)
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith(f"{run}: ")


def test_a_run_with_the_old_names_goes_on_to_the_same_bits(
    data: Path, undisturbed: Path, tmp_path: Path
) -> None:
    run = copied(undisturbed, tmp_path)
    newest, recipe = run / "checkpoints" / "step-000000009.pt", run / "recipe.yaml"
    newest.unlink()
    torch.save(old_checkpoint(last(run)), run / "checkpoints" / "step-000000006.pt")
    recipe.write_text(yaml.safe_dump(old_recipe(yaml.safe_load(recipe.read_text()))))
    train(read_recipe(str(recipe)), data, run, seed=1, resume=True, hardware=CPU)
    assert same(last(run), last(undisturbed))


# What a training leaves


def test_the_folder_of_a_training(undisturbed: Path, stopped: Path) -> None:
    assert list(checkpoints(undisturbed)) == [3, 6, 9]
    assert list(checkpoints(stopped)) == [6, 7, 9]  # the last three
    for run in (undisturbed, stopped):
        assert {path.name for path in run.iterdir()} == {
            ".gin-lock",
            "recipe.yaml",
            "skipped.csv",
            "checkpoints",
            "log",
            "weights.safetensors",
            "best.safetensors",
        }
        assert read_recipe(str(run / "recipe.yaml")) == TINY
    notes = metadata(undisturbed / "weights.safetensors")
    assert (notes["steps"], notes["warm-up steps"], notes["images"]) == ("9", "4", "51")
    assert (notes["seed"], notes["minutes"]) == ("1", "0")
    assert "random" in notes["backbone"]
    assert yaml.safe_load(notes["recipe"])["network"]["base_channels"] == 2


def test_the_best_weights_are_those_with_the_least_error(undisturbed: Path) -> None:
    errors = read_log(undisturbed / "log")["validation/error in the hole (%)"]
    assert list(errors) == [3, 6, 9]
    assert len(set(errors.values())) == 3
    best = min(errors, key=lambda step: errors[step])
    notes = metadata(undisturbed / "best.safetensors")
    assert notes["steps"] == str(best)
    assert last(undisturbed)["best"] == pytest.approx(errors[best])


def test_the_error_is_measured_on_photographs_for_validation(
    undisturbed: Path, data: Path, tmp_path: Path
) -> None:
    held_out = tmp_path / "held out"
    held_out.mkdir()
    photograph(7).save(held_out / "7.png")
    run = tmp_path / "run"
    train(TINY, data, run, seed=1, hardware=CPU, validation=held_out)
    errors, others = (
        read_log(folder / "log")["validation/error in the hole (%)"]
        for folder in (run, undisturbed)
    )
    assert list(errors) == [3, 6, 9]
    assert all(errors[step] != others[step] for step in errors)
    assert same(last(run)["learner"], last(undisturbed)["learner"])  # trains the same
    with pytest.raises(InputError, match="validation .*; found None"):
        train(TINY, data, run, seed=1, hardware=CPU, resume=True)
    train(TINY, data, run, seed=1, hardware=CPU, resume=True, validation=held_out)


def test_a_stop_leaves_weights_of_that_step(data: Path, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        train(TINY, data, tmp_path / "run", hardware=CPU, max_steps=2)
    assert metadata(tmp_path / "run" / "weights.safetensors")["steps"] == "2"
    net = gin.load(tmp_path / "run" / "weights.safetensors")
    average = last(tmp_path / "run")["learner"]["average"]
    assert same(dict(net.state_dict()), dict(average))


def test_without_save_steps_a_checkpoint_is_written_every_five_minutes(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However fast the steps are. The clock is looked at every ten steps."""
    assert PAPER.schedule.save_steps is RELEASED.schedule.save_steps is None
    schedule = Schedule("steps", warm_up=22, flat=0, decay=0)
    recipe = replace(TINY, schedule=schedule, phases=())
    train(recipe, data, tmp_path / "fast", hardware=CPU)
    assert list(checkpoints(tmp_path / "fast")) == [22]
    monkeypatch.setattr("gin.training.trainer.SAVE_SECONDS", 0)
    train(recipe, data, tmp_path / "slow", hardware=CPU)
    assert list(checkpoints(tmp_path / "slow")) == [10, 20, 22]
    errors = read_log(tmp_path / "slow" / "log")["validation/error in the hole (%)"]
    assert list(errors) == [10, 20, 22]
    assert same(last(tmp_path / "fast")["learner"], last(tmp_path / "slow")["learner"])


def test_checkpoints_are_written_while_the_training_goes_on(
    data: Path, tmp_path: Path, undisturbed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_steps_later, save, follow = threading.Event(), RunFolder.save, Learner.follow

    def slow(self: RunFolder, state: dict[str, Any], steps: int) -> None:
        assert steps != 3 or two_steps_later.wait(60)
        save(self, state, steps)

    def watched(self: Learner, steps: int) -> None:
        follow(self, steps)
        if steps == 5:
            two_steps_later.set()

    monkeypatch.setattr(RunFolder, "save", slow)
    monkeypatch.setattr(Learner, "follow", watched)
    train(TINY, data, tmp_path / "run", seed=1, hardware=CPU)
    assert two_steps_later.is_set()
    assert same(checkpoints(tmp_path / "run"), checkpoints(undisturbed))


def test_a_checkpoint_that_cannot_be_written_ends_the_training(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(self: RunFolder, state: dict[str, Any], steps: int) -> None:
        raise InputError(f"no room at step {steps}")

    monkeypatch.setattr(RunFolder, "save", refused)
    with pytest.raises(InputError, match="no room at step 3"):
        train(TINY, data, tmp_path / "run", seed=1, hardware=CPU)


def test_a_resumed_training_decodes_no_photograph_again(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    with pytest.raises(Interrupted):
        train(TINY, data, run, hardware=CPU, max_steps=1)
    assert read_bad(run / "skipped.csv") == []
    monkeypatch.delattr("gin.training.trainer.check")
    with pytest.raises(Interrupted):
        train(TINY, data, run, hardware=CPU, resume=True, max_steps=1)


def test_the_curves_hold_every_term(undisturbed: Path, stopped: Path) -> None:
    """One point a checkpoint, and no step twice after three resumes."""
    main = {"adversarial", "perceptual", "style", "variation", "total"}
    for run, points in ((undisturbed, [3, 6, 9]), (stopped, [1, 3, 4, 6, 7, 9])):
        found = read_log(run / "log")
        for name in ("loss/l1", "rate", "images per second"):
            assert list(found[name]) == points
        for name in (*main, "discriminators"):
            assert list(found[f"loss/{name}"]) == [step for step in points if step > 4]
        assert list(found["validation/error in the hole (%)"]) == [3, 6, 9]
    rates, warm_up = read_log(undisturbed / "log")["rate"], TINY.optimiser.warm_up_lr
    assert rates[3] == pytest.approx(warm_up * 3 / 5)  # of a ramp of 5 steps
    at = (9 - 1 - 4) / 5  # of the way down, before the last step
    assert rates[9] == pytest.approx(TINY.optimiser.generator_lr * (1 - at), rel=1e-5)
    one, other = (read_log(run / "log") for run in (undisturbed, stopped))
    name = "validation/error in the hole (%)"
    assert one[name] == other[name]
    # Where both averaged the same steps, both tell the same.
    assert one["loss/l1"][6] != other["loss/l1"][6]
    l1 = other["loss/l1"]
    assert one["loss/l1"][3] == pytest.approx((l1[1] + 2 * l1[3]) / 3)


def test_the_curves_of_a_killed_training_are_cut_where_it_goes_on(
    data: Path, undisturbed: Path, tmp_path: Path
) -> None:
    run = copied(undisturbed, tmp_path)
    (run / "checkpoints" / "step-000000009.pt").unlink()
    with pytest.raises(Interrupted):
        train(TINY, data, run, seed=1, resume=True, hardware=CPU, max_steps=1)
    assert list(read_log(run / "log")["loss/l1"]) == [3, 6, 7]


def test_the_log_holds_pictures(undisturbed: Path) -> None:
    events = EventAccumulator(str(undisturbed / "log")).Reload()
    (tag,) = events.Tags()["images"]
    pictures = events.Images(tag)
    assert [picture.step for picture in pictures] == [3, 6, 9]
    # Three masks under each other; holes, result and truth side by side.
    photographs_, side = TINY.data.batch_size, TINY.data.image_size
    assert (pictures[0].height, pictures[0].width) == (
        3 * photographs_ * side,
        3 * side,
    )


class Wrong(nn.Module):
    """Off by 0.25 in the holes, whatever the image."""

    def forward(self, image: Tensor, mask: Tensor) -> Completion:
        assert not self.training
        done = (image + 0.25 * mask).clamp(max=1)
        return Completion(done, None, None, done)


def test_the_validation_in_closed_form() -> None:
    # 256ths, which float32 adds up without rounding.
    image = torch.randint(128, (2, 3, 16, 16)) / 256
    mask = torch.zeros(2, 1, 16, 16)
    mask[0, :, 2:5, 3:9] = 1
    mask[1, :, 4:12] = 1
    net = Wrong()
    error, sheet = Validation([(image, mask), (image, mask)])(net)
    assert error == pytest.approx(25)
    assert net.training
    assert sheet.shape == (3, 32, 48)
    for number, top in enumerate((0, 16)):
        holes, done, truth = sheet[:, top : top + 16].split(16, dim=2)
        hidden = mask[number].expand(3, -1, -1) == 1
        assert (holes[hidden] == 1).all()
        assert torch.equal(holes[~hidden], image[number][~hidden])
        torch.testing.assert_close(done, image[number] + 0.25 * mask[number])
        assert torch.equal(truth, image[number])


# Divergence


def test_a_training_that_diverges_keeps_its_last_good_checkpoint(
    data: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    optimiser = replace(TINY.optimiser, generator_lr=1e30, lr_warmup_steps=0)
    with pytest.raises(FloatingPointError, match="not finite a[ft]+(er)? step [56]$"):
        train(replace(TINY, optimiser=optimiser), data, run, hardware=CPU)
    assert list(checkpoints(run)) == [3]
    assert all(
        tensor.isfinite().all() for tensor in last(run)["learner"]["net"].values()
    )
    for tensor in gin.load(run / "weights.safetensors").state_dict().values():
        assert tensor.isfinite().all()


# Other data, other recipes


def test_shards_are_trained_on_and_gone_on_with(tmp_path: Path) -> None:
    recipe = replace(TINY, phases=(), schedule=replace(TINY.schedule, decay=1))
    data = shards_of(tmp_path / "shards", [2, 3])
    whole, run = tmp_path / "whole", tmp_path / "run"
    train(recipe, data, whole, hardware=CPU)
    with pytest.raises(Interrupted):
        train(recipe, data, run, hardware=CPU, max_steps=2)
    for _ in range(2):  # the second time there is nothing left to do
        train(recipe, data, run, resume=True, hardware=CPU)
        assert same(last(whole), last(run))


def test_unreadable_photographs_of_shards_are_listed_once(tmp_path: Path) -> None:
    folder, run = tmp_path / "shards", tmp_path / "run"
    folder.mkdir()
    pictures = {f"{n}.png": encoded(n) for n in range(3)}
    data = str(write_tar(folder / "a.tar", {**pictures, "3.png": b"no"}))
    recipe = replace(TINY, phases=())
    with pytest.raises(InputError, match=r"3.png: cannot be read"):
        train(recipe, data, tmp_path / "refused", hardware=CPU)
    train(recipe, data, run, hardware=CPU, skip_bad=True)  # several epochs
    ((name, reason),) = read_bad(run / "skipped.csv")
    assert name.endswith("a.tar: 3.png")
    assert "cannot be read as a picture" in reason


def test_a_warm_up_alone_needs_no_backbone(data: Path, tmp_path: Path) -> None:
    schedule = replace(TINY.schedule, warm_up=1, decay=0)
    recipe = replace(TINY, schedule=schedule, phases=(), backbone="vgg19")
    train(recipe, data, tmp_path / "run", hardware=CPU)
    assert metadata(tmp_path / "run" / "weights.safetensors")["backbone"] == "none"


def test_an_unreadable_photograph_is_named_or_left_out(tmp_path: Path) -> None:
    data, run = photographs(tmp_path / "data"), tmp_path / "run"
    (data / "001.png").write_bytes(b"nonsense")
    with pytest.raises(
        InputError, match="1 of 5 photographs cannot be read: .*001.png"
    ):
        train(TINY, data, run, hardware=CPU)
    assert not run.exists()
    with pytest.raises(Interrupted):
        train(TINY, data, run, hardware=CPU, skip_bad=True, max_steps=1)
    assert "001.png" in (run / "skipped.csv").read_text()
    with pytest.raises(Interrupted, match="after step 2;"):
        train(TINY, data, run, hardware=CPU, resume=True, max_steps=1)


# What cannot be


def wrong_losses(**values: object) -> Recipe:
    return replace(TINY, losses=replace(TINY.losses, **values))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("recipe", "arguments", "words"),
    [
        (TINY, {"resume": True}, "run: there is no run to resume"),
        (TINY, {"max_hours": math.nan}, "max_hours is nan"),
        (TINY, {"max_hours": 0.0}, "max_hours is 0.0"),
        (TINY, {"max_steps": 0}, "max_steps is 0; expected 1 or more"),
        (TINY, {"validation": "nowhere"}, "nowhere: no such folder"),
        (TINY, {"seed": -1}, "seed is -1"),
        (TINY, {"seed": 2**64}, "seed is 18446744073709551616"),
        (TINY, {"hardware": Hardware("cpu", devices=0)}, "0 devices on 1 nodes"),
        (TINY, {"hardware": Hardware("cake")}, "device 'cake' cannot be used"),
        (wrong_losses(style="mine"), {}, "losses.style is 'mine'"),
        (wrong_losses(layer_outputs="mine"), {}, "losses.layer_outputs is 'mine'"),
        (replace(TINY, backbone="cake"), {}, "backbone is 'cake'"),
        (
            replace(TINY, data=replace(TINY.data, view="mine")),
            {},
            "data.view is 'mine'",
        ),
        (TINY, {"data": "nowhere"}, "nowhere: no such folder"),
        (TINY, {"data": "0.tar"}, "0.tar: "),
    ],
)
def test_what_cannot_be_trained_is_refused_and_leaves_nothing(
    recipe: Recipe,
    arguments: dict[str, Any],
    words: str,
    data: Path,
    tmp_path: Path,
) -> None:
    given = {"data": data, "out": tmp_path / "run", "hardware": CPU, **arguments}
    with pytest.raises(InputError, match=words) as refused:
        train(recipe, **given)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "run").exists()


def test_a_run_is_not_overwritten(data: Path, undisturbed: Path) -> None:
    with pytest.raises(InputError, match="run: holds a run already"):
        train(TINY, data, undisturbed, hardware=CPU)


@pytest.mark.parametrize("lost", [["recipe.yaml"], ["recipe.yaml", "checkpoints"]])
def test_what_is_left_of_a_run_counts_as_one(
    lost: list[str], data: Path, undisturbed: Path, tmp_path: Path
) -> None:
    run = copied(undisturbed, tmp_path)
    for name in lost:
        path = run / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    before = contents(run)
    with pytest.raises(InputError, match=r"copy: holds a run already"):
        train(TINY, data, run, hardware=CPU)
    with pytest.raises(InputError, match=r"recipe\.yaml: no such file; expected the"):
        train(TINY, data, run, hardware=CPU, resume=True)
    assert contents(run) == before


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_two_trainings_cannot_write_into_one_folder(
    data: Path, undisturbed: Path, tmp_path: Path
) -> None:
    run, new = copied(undisturbed, tmp_path), tmp_path / "new"
    (run / f".of-the-other{PARTIAL}").touch()
    before = contents(run)
    for folder, resume in ((run, True), (new, False)):
        with (
            locked(folder),
            pytest.raises(InputError, match=f"{folder.name}: another process writes"),
        ):
            train(TINY, data, folder, seed=1, hardware=CPU, resume=resume)
    assert contents(run) == before
    assert [path.name for path in new.iterdir()] == [".gin-lock"]


def test_one_that_began_meanwhile_is_not_overwritten(
    data: Path, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has begun and ended while this one reads its photographs."""
    run = tmp_path / "run"

    def slow(*arguments: Any) -> Backbone:
        shutil.copytree(undisturbed, run)
        return load_backbone(*arguments)

    monkeypatch.setattr("gin.training.trainer.load_backbone", slow)
    with pytest.raises(InputError, match="run: holds a run already"):
        train(TINY, data, run, seed=1, hardware=CPU)
    assert contents(run).keys() == {
        run / path.relative_to(undisturbed) for path in contents(undisturbed)
    }


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "log: cannot be written"),
        (10_000, "weights.safetensors: cannot be written"),
        (1_000_000, "step-000000009.pt: cannot be written"),
    ],
)
def test_a_full_disk_ends_it_with_a_sentence_and_keeps_what_is_there(
    size: int, words: str, data: Path, undisturbed: Path, tmp_path: Path
) -> None:
    run = copied(undisturbed, tmp_path)
    (run / "checkpoints" / "step-000000009.pt").unlink()
    before = contents(run / "checkpoints")
    with full_beyond(size), pytest.raises(InputError, match=words) as refused:
        train(TINY, data, run, seed=1, resume=True, hardware=CPU)
    assert "\n" not in str(refused.value)
    assert contents(run / "checkpoints") == before
    train(TINY, data, run, seed=1, resume=True, hardware=CPU)
    assert same(last(run), last(undisturbed))


def test_as_many_processes_as_torchrun_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(InputError, match="torchrun started 4 processes; expected 1,"):
        launch(CPU)
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert launch(CPU).world_size == 1


def test_the_demo_recipe_is_what_the_weights_of_the_small_run_say() -> None:
    from gin.recipes import DEMO

    net = gin.load(gin.weights.checkpoints.shipped().with_name("warm-up.safetensors"))
    assert (net.variant, net.base_channels, net.composite) == (
        DEMO.network.variant,
        DEMO.network.base_channels,
        DEMO.network.composite,
    )
