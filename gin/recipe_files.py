"""Recipes as YAML files, and changes to a recipe from the command line.

Taught in book/17_main_stage.md.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import yaml
from jsonargparse import ArgumentError, ArgumentParser

from gin.errors import InputError
from gin.files import atomic
from gin.recipes import RECIPES, Recipe


def read_recipe(name: str, changes: Sequence[str] = ()) -> Recipe:
    """The recipe of a name in `gin.recipes.RECIPES`, or in a YAML file, changed.

    A file holds the parts that differ from `PAPER`, or from the recipe that its
    key `base` names. A change is "optimiser.clip=1.0": the path of a value, and the
    value as in YAML.

    Raises:
        InputError: no such recipe or value, or a value of the wrong type.
    """
    values = _named(name) if name in RECIPES else _from_file(Path(name))
    for change in changes:
        _change(values, change)
    return _typed(values, name)


def write_recipe(recipe: Recipe, path: Path) -> None:
    """Write every value of `recipe` so that `read_recipe` gives it back."""
    with atomic(path) as temporary:
        temporary.write_text(
            yaml.safe_dump(_plain(recipe), sort_keys=False), encoding="utf-8"
        )


def flat(recipe: Recipe) -> dict[str, Any]:
    """Every value under its path, as in {"optimiser.clip": 1.0}."""
    found: dict[str, Any] = {}
    for name, section in _plain(recipe).items():
        if isinstance(section, dict):
            found |= {f"{name}.{key}": value for key, value in section.items()}
        else:
            found[name] = section
    return found


def _plain(recipe: Recipe) -> dict[str, Any]:
    return json.loads(json.dumps(asdict(recipe)))  # tuples become lists


def _named(name: str) -> dict[str, Any]:
    return _plain(RECIPES[name])


def _from_file(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(
            f"--recipe {path}: expected one of {', '.join(RECIPES)}, or a YAML file"
        )
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, ValueError, OSError) as error:  # ValueError: no such date
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: not readable as YAML ({reason})") from error
    if not isinstance(found, dict):
        raise InputError(f"{path}: expected sections such as `network:`, found none")
    base = str(found.pop("base", "paper"))
    if base not in RECIPES:
        raise InputError(
            f"{path}: base is {base!r}; expected one of {', '.join(RECIPES)}"
        )
    values = _named(base)
    _merge(values, found, str(path))
    return values


def _merge(values: dict[str, Any], changes: dict[str, Any], where: str) -> None:
    for key, value in changes.items():
        if isinstance(inner := values.get(key), dict) and isinstance(value, dict):
            _merge(inner, value, where)
        else:
            _put(values, key, value, where)


def _change(values: dict[str, Any], change: str) -> None:
    path, equals, text = change.partition("=")
    if not equals:
        raise InputError(f"--set {change}: expected PATH=VALUE, as in optimiser.clip=1")
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f"--set {change}: {text!r} is no YAML value") from error
    *sections, key = path.split(".")
    inner: Any = values
    for section in sections:
        inner = inner.get(section) if isinstance(inner, dict) else None
    if not isinstance(inner, dict) or key not in inner:
        raise InputError(f"--set {change}: the recipe has no {path}")
    _put(inner, key, value, f"--set {change}")


def _put(values: dict[str, Any], key: str, value: Any, where: str) -> None:
    if isinstance(values.get(key), dict):
        raise InputError(f"{where}: {key} is a section; expected a value in it")
    values[key] = value


def _typed(values: dict[str, Any], name: str) -> Recipe:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--recipe", type=Recipe)
    try:
        recipe = parser.instantiate(parser.parse_object({"recipe": values})).recipe
    except (ArgumentError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
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
