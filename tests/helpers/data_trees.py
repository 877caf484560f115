"""Small collections of photographs for tests."""

import io
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image


def photograph(number: int, width: int = 48, height: int = 40) -> Image.Image:
    """Noise; its first pixels tell its number, so that copies can be recognised."""
    rng = np.random.default_rng(number)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def folder_of(where: Path, count: int) -> Path:
    """`where` with PNG files 000.png, 001.png, ..."""
    where.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        photograph(number).save(where / f"{number:03}.png")
    return where


def encoded(number: int, suffix: str = "png") -> bytes:
    buffer = io.BytesIO()
    photograph(number).save(buffer, {"jpg": "jpeg"}.get(suffix, suffix))
    return buffer.getvalue()


def write_tar(path: Path, files: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def shards_of(where: Path, sizes: list[int]) -> str:
    """Tar files with that many photographs, each with a label; returns the pattern."""
    number = 0
    for shard, size in enumerate(sizes):
        files = {}
        for _ in range(size):
            files[f"{number:04}.json"] = b"{}"
            files[f"{number:04}.png"] = encoded(number)
            number += 1
        write_tar(where / f"{shard:03}.tar", files)
    return f"{where}/{{000..{len(sizes) - 1:03}}}.tar"
