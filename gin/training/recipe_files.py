"""Recipes as YAML files, and changes to a recipe from the command line.

Taught in book/18_main_stage.md.
"""

import json
import re
import reprlib
from collections.abc import Sequence
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import yaml
from jsonargparse import ArgumentError, ArgumentParser

from gin.errors import InputError, check_choice, input_error
from gin.recipes import PAPER, RECIPES, Phase, Recipe
from gin.utils.files import atomic

MAX_FILE_BYTES = 1 << 16
MAX_DEPTH = 8  # of lists and sections in each other; recipes have three
MAX_INTEGER = 2**31
# Field names that older recipe files, checkpoints and weights' notes have.
_BATCH = {"side": "image_size", "photographs": "batch_size"}
OLD_NAMES = {
    "data": {**_BATCH, "turns": "augment", "reading": "free_form_variant"},
    "losses": {"taps": "layer_outputs"},
    "optimiser": {
        "warm_up_rate": "warm_up_lr",
        "generator_rate": "generator_lr",
        "discriminator_rate": "discriminator_lr",
        "ramp_steps": "lr_warmup_steps",
    },
    "phases": {**_BATCH, "recoloured": "recolour_probability"},
}


def read_recipe(name: str, changes: Sequence[str] = ()) -> Recipe:
    """Read a recipe by name or from a YAML file, and apply changes.

    `name` is a key of `gin.recipes.RECIPES`, or a file with the values that differ from
    `PAPER`, or from the recipe that its key `base` names. Field names of older versions
    are accepted (`OLD_NAMES`). `changes` are paths with values in YAML, such as
    "optimiser.clip=1.0". Neither a file nor a change can name a class or a module, or
    refer to other values. Raises InputError if there is no such recipe or value, and
    for a value of the wrong type or not among its choices, a file above 64 KiB, YAML
    aliases, or more than `MAX_DEPTH` levels.
    """
    values = _plain(RECIPES[name]) if name in RECIPES else _from_file(Path(name))
    for change in changes:
        _change(values, change)
    return _typed(values, name)


def _load_yaml(text: str | bytes) -> Any:
    """Load plain values from YAML without aliases, which could expand to gigabytes."""
    errors = (yaml.YAMLError, ValueError)
    with input_error("not readable as YAML", *errors):
        depth = 0
        for event in yaml.parse(text, yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                raise InputError(f"has the alias *{event.anchor}; expected its value")
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:  # PyYAML's time grows with its square
                raise InputError(
                    f"is nested more than {MAX_DEPTH} deep; expected sections of values"
                )
        return yaml.safe_load(text)


def write_recipe(recipe: Recipe, path: Path) -> None:
    """Write every value of `recipe` so that `read_recipe` gives it back."""
    with atomic(path) as temporary:
        temporary.write_text(yaml.safe_dump(_plain(recipe), sort_keys=False), "utf-8")


def flat(recipe: Recipe) -> dict[str, Any]:
    """Return every value under its path, as in {"optimiser.clip": 1.0}."""
    values: dict[str, Any] = {}
    for name, section in _plain(recipe).items():
        if isinstance(section, dict):
            values |= {f"{name}.{key}": value for key, value in section.items()}
        else:
            values[name] = section
    return values


def current_state(state: dict[str, Any]) -> dict[str, Any]:
    """Return a checkpoint's `state` with the recipe under its current paths.

    `OLD_NAMES` are replaced, and a missing path gets its default value.
    """
    return {**flat(PAPER), **_renamed(state)}


def _renamed(values: dict[Any, Any]) -> dict[Any, Any]:
    """`values` of a recipe, nested or under paths, with `OLD_NAMES` replaced."""
    renamed: dict[Any, Any] = {}
    for name, value in values.items():
        section, dot, key = str(name).partition(".")
        new = f"{section}.{OLD_NAMES.get(section, {}).get(key, key)}" if dot else name
        renamed[new] = _rename_keys(value, OLD_NAMES.get(section, {}))
    return renamed


def _rename_keys(value: Any, names: dict[str, str]) -> Any:
    """A section, or a list of them, with the keys in `names` replaced."""
    if isinstance(value, list):
        return [_rename_keys(item, names) for item in value]
    if isinstance(value, dict):
        return {names.get(key, key): item for key, item in value.items()}
    return value


def _plain(recipe: Recipe) -> dict[str, Any]:
    return json.loads(json.dumps(asdict(recipe)))  # tuples become lists


def _from_file(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(
            f"--recipe {path}: expected one of {', '.join(RECIPES)}, or a YAML file"
        )
    if path.stat().st_size > MAX_FILE_BYTES:
        raise InputError(f"{path}: above {MAX_FILE_BYTES:,} bytes; expected a recipe")
    with input_error(f"{path}: cannot be read", OSError):
        text = path.read_bytes()
    try:
        content = _load_yaml(text) or {}
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected sections such as `network:`, found none")
    base = str(content.pop("base", "paper"))
    check_choice(f"{path}: base", base, RECIPES)
    values = _plain(RECIPES[base])
    _merge(values, _renamed(content), str(path))
    return values


def _merge(values: dict[str, Any], changes: dict[str, Any], where: str) -> None:
    for key, value in changes.items():
        if isinstance(inner := values.get(key), dict) and isinstance(value, dict):
            _merge(inner, value, where)
        else:
            _put(values, key, value, where)


def _change(values: dict[str, Any], change: str) -> None:
    path, equals, text = change.partition("=")
    where = f"--set {change[:200]}"
    if not equals:
        raise InputError(f"{where}: expected PATH=VALUE, as in optimiser.clip=1")
    try:
        value = _load_yaml(text)
    except InputError as error:
        raise InputError(f"{where}: {text[:200]!r} is no YAML value") from error
    *sections, key = path.split(".")
    inner: Any = values
    for section in sections:
        inner = inner.get(section) if isinstance(inner, dict) else None
    if not isinstance(inner, dict) or key not in inner:
        raise InputError(f"{where}: the recipe has no {path[:200]}")
    _put(inner, key, value, where)


def _put(values: dict[str, Any], key: str, value: Any, where: str) -> None:
    """Set a value after a check that it is plain, or a list of plain values.

    In other places jsonargparse would import a class that a value names.
    """
    if key not in values:
        raise InputError(f"{where}: the recipe has no {key}")
    if isinstance(values[key], dict):
        raise InputError(f"{where}: {key} is a section; expected a value in it")
    if key == "phases" and isinstance(value, list):
        for phase in value:
            _check_phase(phase, where)
    else:
        _check_value(key, value, where)
    values[key] = value


def _check_phase(phase: Any, where: str) -> None:
    known = {field.name for field in fields(Phase)}
    if not isinstance(phase, dict) or not phase.keys() <= known:
        raise InputError(
            f"{where}: one of phases is {reprlib.repr(phase)}; expected its "
            f"{', '.join(sorted(known))}"
        )
    for key, value in phase.items():
        _check_value(f"{key} of phases", value, where)


def _check_value(key: str, value: Any, where: str) -> None:
    for item in value if isinstance(value, list) else [value]:
        if not isinstance(item, str | int | float | None):
            raise InputError(
                f"{where}: {key} is {reprlib.repr(item)}; expected a number or a text"
            )
        if isinstance(item, int) and abs(item) >= MAX_INTEGER:
            raise InputError(f"{where}: {key} is beyond {MAX_INTEGER:,}; expected less")


def _typed(values: dict[str, Any], name: str) -> Recipe:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--recipe", type=Recipe)
    try:
        recipe = parser.instantiate(parser.parse_object({"recipe": values})).recipe
    except (ArgumentError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        reason = re.sub(r'Parser key "recipe\.(.*?)":', r"\1:", reason)
        reason = reason.replace("Expected a typing.Literal", "expected one of ")
        if "Literal" not in reason:  # a number or null
            union = r"Does not validate against any of the Union.*?Given value: (\S+).*"
            reason = re.sub(union, r"found \1; expected a number or null", reason)
        raise InputError(f"{name}: not a usable recipe ({reason})") from error
    _check_null(recipe, name)
    return recipe


def _check_null(recipe: Recipe, name: str) -> None:
    """Raise InputError for a null that the types forbid; jsonargparse takes any."""
    for part in (recipe, *vars(recipe).values()):
        if not is_dataclass(part):
            continue
        for key, hint in get_type_hints(type(part)).items():
            if getattr(part, key) is None and type(None) not in get_args(hint):
                raise InputError(f"{name}: {key} is null; expected a value")
