"""Recipes and checkpoints as they were written before fields were renamed."""

import json
from typing import Any

from gin.training.recipe_files import OLD_NAMES

LATER = "compared"  # a field of `losses` that such files do not have


def old_recipe(values: dict[str, Any]) -> dict[str, Any]:
    """A recipe's values, in their sections, under the old names."""
    old = json.loads(json.dumps(values))
    for section, names in OLD_NAMES.items():
        for part in old[section] if section == "phases" else [old[section]]:
            for before, after in names.items():
                part[before] = part.pop(after)
    del old["losses"][LATER]
    return old


def old_checkpoint(state: dict[str, Any]) -> dict[str, Any]:
    """A checkpoint's state with the recipe's paths under the old names."""
    old = dict(state)
    for section, names in OLD_NAMES.items():
        for before, after in names.items():
            if section != "phases":
                old[f"{section}.{before}"] = old.pop(f"{section}.{after}")
    names = OLD_NAMES["phases"]
    old["phases"] = [
        {"start": phase["start"]} | {old: phase[new] for old, new in names.items()}
        for phase in state["phases"]
    ]
    del old[f"losses.{LATER}"]
    return old
