"""The pages of the book, in the order of `_toc.yml`."""

from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]


def pages() -> list[str]:
    """Their names without the suffix, as in "book/01_masks"."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    chapters = (entry for part in toc["parts"] for entry in part["chapters"])
    return [toc["root"], *(entry["file"] for entry in chapters)]
