"""Sources of photographs: folders, lists of files, torchvision's datasets, shards.

Photographs are upright, mode RGB, 8 bits; `open_source` opens a source by its name.
Taught in book/16_data.md.
"""

import difflib
import inspect
import os
import re
import unicodedata
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from PIL import Image

from gin.data.shards import Shards, open_shards
from gin.errors import InputError, input_error
from gin.utils.files import StrPath, check_regular
from gin.utils.images import HEIC, SUFFIXES, open_picture, to_rgb

MASK_ENDINGS = (".mask", "_mask", "_mask001")  # of a mask's stem
ROOT_LINE = "# root: "  # how a list of photographs begins


class Source(ABC):
    """Photographs that can be read in any order, by any process."""

    @abstractmethod
    def __len__(self) -> int:
        """The number of photographs."""

    @abstractmethod
    def name(self, index: int) -> str:
        """The unique name of a photograph, independent of the root folder."""

    @abstractmethod
    def read(self, index: int) -> Image.Image:
        """A photograph, upright, mode RGB. Raises InputError if it cannot be read."""

    def fingerprint(self) -> str:
        """The SHA-256 of the names in their order; pixels are not read."""
        names = "\n".join(self.name(index) for index in range(len(self)))
        return sha256(names.encode(errors="surrogateescape")).hexdigest()


class Files(Source):
    """Picture files; `names` are paths relative to `root`."""

    def __init__(self, root: Path, names: Iterable[str]) -> None:
        self.root, self.names = root, list(names)

    def __len__(self) -> int:
        return len(self.names)

    def name(self, index: int) -> str:
        """The path of a photograph relative to `root`."""
        return self.names[index]

    def read(self, index: int) -> Image.Image:
        """A photograph, upright, mode RGB. Raises InputError if it cannot be read."""
        path = self.root / self.names[index]
        return to_rgb(open_picture(path), str(path))


class TorchvisionDataset(Source):
    """The photographs of a torchvision dataset, without labels.

    `query` are its arguments, which may choose among photographs of the same names.
    """

    def __init__(self, title: str, dataset: Any, query: str = "") -> None:
        self.title, self.dataset, self.query = title, dataset, query

    def __len__(self) -> int:
        return len(self.dataset)

    def name(self, index: int) -> str:
        """The dataset's name and the index: "Flowers102[7]"."""
        return f"{self.title}[{index}]"

    def fingerprint(self) -> str:
        """The SHA-256 of the names and of the dataset's arguments."""
        names = super().fingerprint()
        both = f"{names}?{self.query}"
        return sha256(both.encode()).hexdigest() if self.query else names

    def read(self, index: int) -> Image.Image:
        """A photograph, upright, mode RGB. Raises InputError if it cannot be read."""
        with input_error(f"{self.name(index)}: cannot be read", Exception):
            picture = self.dataset[index][0]
        if not isinstance(picture, Image.Image):
            kind = type(picture).__name__
            raise InputError(f"{self.name(index)}: expected a picture, found {kind}")
        return to_rgb(picture, self.name(index))


def open_source(spec: StrPath, root: StrPath | None = None) -> Source | Shards:
    """The photographs that `spec` names.

    - a folder: the pictures in it, at any depth, sorted by name;
    - a `.txt` file: a list of pictures, see `read_list`;
    - `torchvision:Flowers102`, with arguments as in `torchvision:Places365?small=true`:
      the dataset under the folder `root`, where torchvision downloads it if necessary;
    - `.tar` files, local or URLs: WebDataset shards, see `gin.data.shards.open_shards`.

    Raises InputError if the source does not exist or has no photographs.
    """
    text = os.fspath(spec)
    if text.startswith("torchvision:"):
        return _open_torchvision(text, root)
    path = Path(text)
    if re.search(r"\.tar(\}|\?|$)", text) and not path.is_dir():
        return open_shards(text)
    if _is_list(path):
        return read_list(path, root)
    photographs = find_photographs(path)
    return Files(path, (photo.relative_to(path).as_posix() for photo in photographs))


def uses_root(spec: str) -> bool:
    """Whether `open_source` uses its `root` for `spec`."""
    return spec.startswith("torchvision:") or _is_list(Path(spec))


def _is_list(path: Path) -> bool:
    return path.suffix.lower() == ".txt" and not path.is_dir()


def find_photographs(folder: StrPath) -> list[Path]:
    """The photographs under `folder`, at any depth, sorted by path.

    Masks that lie beside their photographs (`masks_among`) are left out. Raises
    InputError if there is no such folder, or no photograph in it.
    """
    pictures = find_pictures(folder)
    masks = masks_among(pictures)
    return [path for path in pictures if path not in masks]


def find_pictures(folder: StrPath, expected: str = "photographs") -> list[Path]:
    """All pictures under `folder`, masks too, at any depth, sorted by path.

    Files and folders whose names begin with a dot are ignored. Raises InputError, with
    what was `expected`, if there is no such folder, or no picture in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        found = "is a file" if folder.is_file() else "no such folder"
        raise InputError(f"{folder}: {found}; expected a folder with {expected}")
    pictures = [path for path in _files(folder) if _is_picture(path)]
    if not pictures:
        skipped = skipped_formats([folder])
        raise InputError(
            f"{folder}: no {expected} in it; expected {', '.join(SUFFIXES)}"
            + f"; found {skipped}" * bool(skipped)
        )
    return pictures


def masks_among(paths: Sequence[Path]) -> set[Path]:
    """The paths that name the mask of another one in the same folder.

    The mask of `a.jpg` is `a.mask.png`, `a_mask.png` or `a_mask001.png`, with any
    suffix. Names are compared in Unicode's form NFC.
    """
    stems = {(path.parent, nfc(path.stem)) for path in paths}
    return {
        path
        for path in paths
        for ending in MASK_ENDINGS
        if (stem := nfc(path.stem)).endswith(ending)
        and (path.parent, stem.removesuffix(ending)) in stems
    }


def nfc(text: str) -> str:
    """`text` in Unicode's form NFC: macOS writes an accent as a letter of its own."""
    return unicodedata.normalize("NFC", text)


def skipped_formats(folders: Iterable[Path]) -> str:
    """The numbers of files of other suffixes: "2 .gif, 1 .txt", or ""."""
    files = (path for folder in folders for path in _files(folder))
    counts = Counter(
        path.suffix.lower() or "without suffix"
        for path in files
        if not _is_picture(path)
    )
    return ", ".join(f"{count:,} {suffix}" for suffix, count in sorted(counts.items()))


def read_list(path: Path, root: StrPath | None = None) -> Files:
    """The photographs in a text file with one path a line, in its order.

    Paths are relative to `root`; if it is None, to the folder in a first line
    `# root: FOLDER`, itself relative to the list's folder; without this line, to the
    list's folder. Raises InputError for a file that cannot be read or names no
    photographs.
    """
    check_regular(path)
    expected = "a list of photographs"
    with input_error(f"{path}: cannot be read", OSError, expected=expected):
        text = path.read_text(encoding="utf-8-sig", errors="surrogateescape")
    if "\0" in text:
        raise InputError(f"{path}: holds null bytes; expected one path a line in UTF-8")
    lines = [line for line in text.split("\n") if line.strip()]
    folder = path.parent
    if lines and lines[0].startswith(ROOT_LINE):
        folder /= lines.pop(0).removeprefix(ROOT_LINE).strip()
    if not lines:
        raise InputError(f"{path}: names no photographs; expected one path a line")
    return Files(folder if root is None else Path(root), lines)


def _files(folder: Path) -> list[Path]:
    """The files under `folder`, sorted; names that begin with a dot are left out."""
    return sorted(
        path
        for path in folder.rglob("*")
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and not path.is_dir()
    )


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in (*SUFFIXES, *HEIC)


def _open_torchvision(spec: str, root: StrPath | None) -> TorchvisionDataset:
    from torchvision import datasets

    title, _, query = spec.removeprefix("torchvision:").partition("?")
    if title not in datasets.__all__:
        near = difflib.get_close_matches(title, datasets.__all__) or ("Flowers102",)
        raise InputError(
            f"{spec}: torchvision has no dataset of this name; "
            f"expected one such as {', '.join(near)}"
        )
    dataset_class = getattr(datasets, title)
    accepted = inspect.signature(dataset_class).parameters
    arguments: dict[str, Any] = {
        name: text if _takes_text(accepted.get(name)) else _value(text)
        for name, text in parse_qsl(query)
    }
    if "root" in accepted:
        if root is None:
            raise InputError(f"{spec}: expected a root folder for it, found none")
        arguments["root"] = os.fspath(root)
    with input_error(f"{spec}: cannot be opened", Exception):
        try:
            dataset = dataset_class(**arguments)
        # It is missing. `download=True` at once fails for some datasets that exist.
        except (RuntimeError, OSError):
            if "download" not in accepted:
                raise
            dataset = dataset_class(**arguments, download=True)
    if not len(dataset):
        raise InputError(f"{spec}: there are no photographs in it")
    return TorchvisionDataset(title, dataset, query)


def _takes_text(parameter: inspect.Parameter | None) -> bool:
    """Whether it is text even if it looks like a number: VOC's year=2007."""
    return parameter is not None and isinstance(parameter.default, str)


def _value(text: str) -> str | int | bool:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    return int(text) if re.fullmatch(r"\d{1,18}", text) else text
