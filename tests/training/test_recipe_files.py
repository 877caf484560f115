"""Recipes: the paper's numbers, YAML files, and changes from the command line."""

import sys
from dataclasses import asdict, is_dataclass, replace
from pathlib import Path
from typing import Literal, get_origin, get_type_hints

import numpy as np
import pytest
import yaml
from old_recipes import old_checkpoint, old_recipe

from gin.errors import InputError
from gin.recipes import (
    DEMO,
    GPU,
    PAPER,
    RECIPES,
    RELEASED,
    SMOKE,
    Phase,
    Recipe,
    check_recipe,
)
from gin.training.recipe_files import (
    current_state,
    flat,
    read_recipe,
    write_recipe,
)
from gin.weights.checkpoints import metadata, shipped

# Section 5.1, the numbers that the paper states.
SECTION_5_1 = {
    "network.base_channels": 64,
    "data.image_size": 256,
    "data.batch_size": 4,  # under three masks each
    "data.view": "phase",
    "losses.hole_weight": 5,
    "losses.adversarial_weight": 0.001,
    "losses.perceptual_weight": 0.05,
    "losses.style_weight": 80,
    "losses.variation_weight": 0.1,
    "losses.layer_weights": [1, 1, 1, 1, 1],
    "optimiser.warm_up_lr": 1e-4,
    "optimiser.generator_lr": 1e-4,
    "optimiser.discriminator_lr": 4e-4,
    "optimiser.betas": [0.5, 0.999],
    "optimiser.lr_warmup_steps": 0,
    "optimiser.clip": None,
    "optimiser.ema_decay": None,
    "schedule.unit": "epochs",
    "schedule.warm_up": 10,
    "schedule.flat": 10,
    "schedule.decay": 90,
    "schedule.shape": "linear",
}
# Where the released code parts from the paper.
RELEASED_DIFFERS = {
    "network.composite": True,
    "network.padding": "released",
    "data.augment": True,
    "data.free_form_variant": "released",
    "losses.l1": "released",
    "losses.style": "released",
    "losses.variation": "released",
    "losses.layer_weights": [1 / 32, 1 / 16, 1 / 8, 1 / 4, 1],
    "losses.discriminator_factor": 0.5,
    "losses.layer_outputs": "released",
    "optimiser.order": "released",
    "optimiser.clip": 3.0,
    "schedule.flat": 11,
    "schedule.decay": 89,
}


def test_the_papers_recipe_is_section_5_1() -> None:
    found = flat(PAPER)
    assert {path: found[path] for path in SECTION_5_1} == SECTION_5_1


def test_the_released_recipe_parts_where_the_released_code_does() -> None:
    paper, released = flat(PAPER), flat(RELEASED)
    assert {p: v for p, v in released.items() if v != paper[p]} == RELEASED_DIFFERS


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_every_recipe_can_be_used(recipe: Recipe) -> None:
    check_recipe(recipe)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_comes_back_from_its_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    write_recipe(RECIPES[name], path)
    back = read_recipe(str(path))
    assert back == RECIPES[name] == read_recipe(name)
    assert repr(back) == repr(RECIPES[name])  # tuples and floats too, not only equal


def test_a_file_holds_what_differs_from_its_base(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("base: demo\noptimiser:\n  clip: 2\nphases: []\n")
    expected = replace(DEMO, optimiser=replace(DEMO.optimiser, clip=2.0), phases=())
    assert read_recipe(str(path)) == expected
    path.write_text("network: {base_channels: 32}")
    network = replace(PAPER.network, base_channels=32)
    assert read_recipe(str(path)) == replace(PAPER, network=network)
    path.write_text("")
    assert read_recipe(str(path)) == PAPER


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("network.base_channels=16", 16),
        ("optimiser.clip=null", None),
        ("optimiser.clip=1", 1.0),
        ("optimiser.generator_lr=1e-3", 1e-3),
        ("optimiser.betas=[0.9, 0.99]", [0.9, 0.99]),
        ("losses.feature_size=null", None),
        ("data.augment=true", True),
        ("backbone=random", "random"),
        (
            "phases=[{start: 0, image_size: 32, batch_size: 2}]",
            [asdict(Phase(0, 32, 2))],
        ),
    ],
)
def test_a_change_of_one_value(change: str, expected: object) -> None:
    path = change.partition("=")[0]
    before, after = flat(PAPER), flat(read_recipe("paper", [change]))
    assert after.pop(path) == expected
    before.pop(path)
    assert after == before


def test_the_last_change_counts() -> None:
    changes = ["network.base_channels=16", "network.base_channels=32"]
    assert read_recipe("smoke", changes).network.base_channels == 32


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("optimiser.clip", "expected PATH=VALUE"),
        ("", "expected PATH=VALUE"),
        ("=3", "the recipe has no "),
        ("optimiser.speed=3", "the recipe has no optimiser.speed"),
        ("cake.clip=3", "the recipe has no cake.clip"),
        ("optimiser.clip.norm=3", "the recipe has no optimiser.clip.norm"),
        ("phases.0.image_size=32", "no phases.0.image_size"),
        ("optimiser=3", "optimiser is a section"),
        ("optimiser.clip=[", "is no YAML value"),
        ("optimiser.clip=2001-99-99", "is no YAML value"),
        ("optimiser.clip=large", "clip"),
        ("optimiser.betas=[0.5]", "betas"),
        ("network.base_channels=8.5", "base_channels"),
        ("network.base_channels=null", "base_channels is null"),
        ("optimiser.betas=null", "betas is null"),
        ("phases=null", "phases is null"),
        ("losses.layer_weights=[null, 1, 1, 1, 1]", "layer_weights"),
        ("data.augment=perhaps", "augment"),
        ("losses.l1=mine", "losses.l1.*'paper', 'released'.*mine"),
        ("losses.style=mine", "losses.style.*'paper', 'released'.*mine"),
        ("losses.variation=mine", "losses.variation.*'paper', 'released'.*mine"),
        ("losses.layer_outputs=mine", "'convolution', 'released'.*mine"),
        ("losses.compared=mine", "'both', 'completed'.*mine"),
        ("network.padding=mine", "network.padding.*'paper', 'released'.*mine"),
        ("data.view=mine", "data.view.*'phase', 'crop'.*mine"),
        ("data.free_form_variant=mine", "'paper', 'released', 'alternate'.*mine"),
        (
            "optimiser.order=random",
            r"\(optimiser.order: expected one of \['paper', 'released'\].*random\)",
        ),
        ("optimiser.order=null", "order is null"),
        ("schedule.unit=days", "schedule.unit.*'epochs', 'steps'.*days"),
        ("schedule.shape=square", "schedule.shape.*'linear', 'cosine'.*square"),
        ("backbone=cake", "backbone.*'vgg19', 'alexnet', 'random'.*cake"),
        ("schedule.warm_up=[1]", "warm_up"),
        ("phases=[{start: 0}]", "phases"),
        ("phases=[{start: 0, image_size: 32, batch_size: 2, speed: 3}]", "phases"),
        ("phases=3", "phases"),
    ],
)
def test_a_bad_change_takes_one_sentence(change: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as refused:
        read_recipe("paper", [change])
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"- a\n- b", "expected sections"),
        (b"just words", "expected sections"),
        (b"{", "not readable as YAML"),
        (b"a: \xff", "not readable as YAML"),
        (b"clip: 2001-99-99", "not readable as YAML"),
        (b"[" * 60_000, "nested more than 8 deep"),
        (b"a: " + b"{a: " * 60, "nested more than 8 deep"),
        (b"data: {image_size: " + b"9" * 5000 + b"}", "not readable as YAML"),
        (b"data: {image_size: " + b"9" * 400 + b"}", "image_size is beyond"),
        (b"optimiser: {clip: " + b"9" * 400 + b"}", "clip is beyond"),
        (b"optimiser: {clip: 2001-01-01}", "clip is .*; expected a number or a text"),
        (b"network: {variant: !!binary aGk=}", "variant is b'hi'; expected"),
        (b"network: !!python/object:os.system {}", "not readable as YAML"),
        (b"base: cake", "base is 'cake'; expected one of paper"),
        (b"base: [paper]", "expected one of paper"),
        (b"network: 5", "network is a section"),
        (b"network:", "network is a section"),
        (b"cake: 5", "cake"),
        (b"network: {cake: 5}", "cake"),
        (b"1: 5", "1"),
        (b"optimiser: {clip: soft}", "clip"),
    ],
)
def test_a_bad_file_takes_one_sentence(
    content: bytes, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words) as refused:
        read_recipe(str(path))
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


CLASS = {"class_path": "recipe_spy.Spy"}


@pytest.mark.parametrize(
    "content",
    [
        {"phases": [CLASS]},
        {"phases": [[CLASS]]},
        {"phases": ["recipe_spy.Spy"]},
        {"phases": [{"start": CLASS, "image_size": 32, "batch_size": 2}]},
        {"phases": CLASS},
        {"network": CLASS},
        {"network": {"variant": CLASS}},
        {"losses": {"layer_weights": [CLASS] * 5}},
        {"backbone": CLASS},
        CLASS,
        {"cake": [CLASS]},
    ],
)
def test_nothing_is_imported_on_a_recipes_word(
    content: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "recipe_spy.py").write_text("class Spy: pass")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "modules", sys.modules.copy())
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match="recipe.yaml: .*(expected|has no)"):
        read_recipe(str(path))
    assert "recipe_spy" not in sys.modules


LAUGHS = "a: &a [1, 1]\nb: &b [*a, *a, *a]\nc: [*b, *b, *b]"


def test_aliases_are_refused_before_they_grow(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(LAUGHS)
    with pytest.raises(InputError, match=r"recipe.yaml: has the alias \*a; expected"):
        read_recipe(str(path))
    path.write_text("phases: &p [*p]")  # endless
    with pytest.raises(InputError, match=r"has the alias \*p"):
        read_recipe(str(path))
    with pytest.raises(InputError, match=r"is no YAML value"):
        read_recipe("paper", ["phases=&p [*p]"])


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("#" * 70_000)
    with pytest.raises(InputError, match=r"recipe.yaml: above 65,536 bytes"):
        read_recipe(str(path))


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("base: demo", encoding="utf-8-sig")
    assert read_recipe(str(path)) == DEMO


@pytest.mark.parametrize("name", ["cake", "", ".", "nowhere/recipe.yaml"])
def test_what_is_no_recipe_at_all(name: str) -> None:
    with pytest.raises(
        InputError, match="expected one of paper, released, demo, smoke"
    ):
        read_recipe(name)


def test_whatever_a_value_is_changed_to_it_is_taken_or_refused_in_a_sentence() -> None:
    rng = np.random.default_rng(0)
    values = ["3", "-1", "0.5", "1e-3", ".nan", "x", "[]", "[1, 2]", "{}", "{a: 1}"]
    values += ["null", "true", "'3'", "[[1]]", "2001-01-01", "!!binary aGk=", "~", ""]
    paths = [*flat(PAPER), "network", "cake", "network.", ".", "phases.0"]
    refused = []
    for _ in range(40):
        change = f"{rng.choice(paths)}={rng.choice(values)}"
        try:
            recipe = read_recipe("smoke", [change])
        except InputError as error:
            refused.append(str(error))
        else:
            assert type(recipe.network.base_channels) is int
    assert 5 < len(refused) < 35
    assert not any("\n" in message for message in refused)


# What a learner cannot use


@pytest.mark.parametrize(
    "change",
    [
        "network.initialisation=zero",
        "data.image_size=8",
        "data.batch_size=0",
        "losses.hole_weight=-1",
        "losses.style_weight=.nan",
        "losses.layer_weights=[1, 1, 1]",
        "losses.layer_weights=[1, 1, 1, 1, -1]",
        "losses.discriminator_factor=.inf",
        "losses.feature_size=1000000",
        "network.base_channels=1000000",
        "optimiser.generator_lr=-0.1",
        "optimiser.warm_up_lr=.nan",
        "optimiser.discriminator_lr=.inf",
        "optimiser.betas=[0.5, 1.0]",
        "optimiser.lr_warmup_steps=-3",
        "optimiser.clip=0.0",
        "optimiser.ema_decay=1.0",
        "schedule.warm_up=-1",
        "schedule.save_steps=0",
        "phases=[{start: 0, image_size: 8, batch_size: 1}]",
        "phases=[{start: 0, image_size: 32, batch_size: 0}]",
        "phases=[{start: 0, image_size: 32, batch_size: 1, recolour_probability: 7}]",
    ],
)
def test_a_value_that_cannot_be_used_is_named(change: str) -> None:
    recipe = read_recipe("smoke", [change])
    path = change.partition("=")[0]
    with pytest.raises(InputError, match=f"^{path}[. ].*; expected ") as refused:
        check_recipe(recipe)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "changes",
    [
        ["data.image_size=1000000"],
        ["data.batch_size=2000000"],
        ["phases=[{start: 0, image_size: 1000000, batch_size: 1}]"],
    ],
)
def test_a_batch_that_no_memory_holds_is_refused(changes: list[str]) -> None:
    with pytest.raises(InputError, match="expected at most 1,073,741,824 pixels"):
        check_recipe(read_recipe("smoke", changes))


WRONG_CHOICES = {
    "network.padding": "same",
    "data.view": "whole",
    "data.free_form_variant": "both",
    "losses.l1": "mine",
    "losses.style": "mine",
    "losses.variation": "mine",
    "losses.layer_outputs": "relu",
    "losses.compared": "out",
    "optimiser.order": "random",
    "schedule.unit": "days",
    "schedule.shape": "square",
}


@pytest.mark.parametrize("path", WRONG_CHOICES)
def test_a_choice_of_another_name_is_refused_from_python_too(path: str) -> None:
    name, key = path.split(".")
    section = replace(getattr(SMOKE, name), **{key: WRONG_CHOICES[path]})
    with pytest.raises(InputError, match=f"^{path} is .*; expected .* or "):
        check_recipe(replace(SMOKE, **{name: section}))


def test_every_choice_of_a_recipe_is_checked() -> None:
    hints = {
        f"{section}.{key}": hint
        for section, kind in get_type_hints(Recipe).items()
        if is_dataclass(kind)
        for key, hint in get_type_hints(kind).items()
    }
    choices = {path for path, hint in hints.items() if get_origin(hint) is Literal}
    assert choices == WRONG_CHOICES.keys()
    with pytest.raises(InputError, match="backbone is 'cake'; expected vgg19 or "):
        check_recipe(replace(SMOKE, backbone="cake"))


# Fields under their old names


@pytest.mark.parametrize("name", ["paper", "released", "demo", "smoke"])
def test_a_recipe_file_with_the_old_names_is_read(name: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    old = old_recipe(asdict(RECIPES[name]))
    assert {"side", "photographs", "turns", "reading"} <= old["data"].keys()
    path.write_text(yaml.safe_dump(old))
    assert read_recipe(str(path)) == RECIPES[name]


def test_the_recipe_in_the_notes_of_the_shipped_weights_is_read(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(metadata(shipped())["recipe"])
    recipe = read_recipe(str(path))
    assert recipe.losses == GPU.losses
    assert recipe.optimiser == GPU.optimiser
    two_stages = shipped().with_name("two-stages.safetensors")  # with the old names
    path.write_text(metadata(two_stages)["recipe"])
    recipe = read_recipe(str(path))
    assert recipe.phases[0] == Phase(0.0, 128, 1, recolour_probability=0.5)
    assert recipe.data == DEMO.data
    assert recipe.optimiser == DEMO.optimiser


def test_a_checkpoint_with_the_old_names_has_the_paths_of_today() -> None:
    state = {**flat(DEMO), "seed": 3, "photographs": "5 of them"}
    old = old_checkpoint(state)
    assert {"optimiser.generator_rate", "data.side"} <= old.keys()
    assert "side" in old["phases"][0]
    assert current_state(old) == state


def test_a_recipe_survives_yaml() -> None:
    assert yaml.safe_load(yaml.safe_dump(flat(SMOKE))) == flat(SMOKE)
