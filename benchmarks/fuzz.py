"""Damaged files through the commands: each is taken, or refused in one line.

Photographs, masks, weights, recipes, lists, shards, checkpoints and run folders are
damaged at random. A run fails if it ends in a traceback or dies, takes more than 10 s
(on Linux without its waits for a processor) or 1 GB more memory than any before it, or
leaves a temporary file behind. The first failures are kept with their files and the
command. Needs Linux or macOS.

    python benchmarks/fuzz.py --minutes 15
"""

import argparse
import io
import json
import multiprocessing
import os
import re
import resource
import shlex
import shutil
import sys
import tarfile
import tempfile
import time
import traceback
import zipfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from _table import machine, peak_bytes, show
from numpy.random import Generator
from PIL import Image

import gin
from gin.cli.app import main
from gin.utils.files import LOCK
from gin.weights.released import released_names

HANG = 10.0  # seconds
MEMORY = 1 << 30  # bytes
LIFE = 200  # runs of one process
KEPT = 20  # failures with their files
FAILURES = ("traceback", "crash", "hang", "memory", "left behind")
RECIPE = """\
base: smoke
backbone: null
network: {base_channels: 2, variant: SPDResBlk-MSSA-BP}
data: {image_size: 16, batch_size: 1}
optimiser: {clip: 1.0, betas: [0.9, 0.99]}
schedule: {unit: steps, warm_up: 9, flat: 0, decay: 0, save_steps: 1}
phases:
- {start: 0.0, image_size: 16, batch_size: 1}
- {start: 0.5, image_size: 16, batch_size: 2, recolour_probability: 0.5}
"""
EXTREMES = [
    bytes(4),
    b"\xff" * 4,
    b"\x7f" + b"\xff" * 3,
    b"\x80\0\0\0",
    b"\0\0\xff\xff",
]
WORDS = [
    *(b"", b"null", b"true", b"0", b"-1", b".nan", b"1e999", b"9" * 400, b'"x"'),
    *(b"[[[[", b"{", b"{class_path: os.system}", b"&a [*a, *a]", b"*a", b"\n", b"\t"),
    *(b"\xff\xfe", b"\xef\xbb\xbf", b"\0", b"../..", b"/dev/zero", b"pipe:exit;.tar"),
]


class Outcome(NamedTuple):
    """How a run ended: its exit code, None without one; its last output."""

    code: int | None
    words: str
    memory: int = 0


# Damage


def place(data: bytes, rng: Generator) -> int:
    """Half the time near the front, where headers lie."""
    return int(rng.integers(min(len(data), 512) if rng.random() < 0.5 else len(data)))


def damage_once(data: bytes, rng: Generator) -> bytes:
    at = place(data, rng)
    end = at + int(rng.integers(1, 64))
    match rng.integers(7):
        case 0:
            return data[:at]
        case 1:
            return data[:at] + data[end:]
        case 2:
            return data[:end] + data[at:]
        case 3:
            return data[:at] + EXTREMES[rng.integers(len(EXTREMES))] + data[at + 4 :]
        case 4:
            return data[:at] + bytes(end - at) + data[end:]
        case _:
            return data[:at] + rng.bytes(1) + data[at + 1 :]


def damage(data: bytes, rng: Generator) -> bytes:
    """Some bytes changed, lost, doubled or cut off."""
    for _ in range(rng.integers(1, 3)):
        data = damage_once(data, rng) if data else data
    return data


def damage_text(data: bytes, rng: Generator) -> bytes:
    """Words replaced by those that mean something to a parser, or by damaged bytes."""
    if rng.random() < 0.2:
        return damage(data, rng)
    for _ in range(rng.integers(1, 4)):
        found = list(re.finditer(rb"[\w./-]+|\n", data))
        if found:
            start, end = found[rng.integers(len(found))].span()
            data = data[:start] + WORDS[rng.integers(len(WORDS))] + data[end:]
    return data


def damage_png(data: bytes, rng: Generator) -> bytes:
    """The chunks' checksums fit again, so that what they hold is looked at."""
    data, at = damage(data, rng), 8
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4])
        checksum = zlib.crc32(data[at + 4 : end]).to_bytes(4)
        data = data[:end] + checksum + data[end + 4 :] if end < len(data) else data
        at = end + 4
    return data


def damage_tar(data: bytes, rng: Generator) -> bytes:
    """One header is damaged, and its checksum fits again."""
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        offsets = [member.offset for member in tar]
    at = offsets[rng.integers(len(offsets))]
    header = (damage(data[at : at + 512], rng) + bytes(512))[:512]
    header = header[:148] + b" " * 8 + header[156:]
    header = header[:148] + b"%06o\0 " % sum(header) + header[156:]
    return data[:at] + header + data[at + 512 :]


def damage_safetensors(data: bytes, rng: Generator) -> bytes:
    """The header is damaged, and its length fits again."""
    length = int.from_bytes(data[:8], "little")
    header = damage_text(data[8 : 8 + length], rng)
    return len(header).to_bytes(8, "little") + header + data[8 + length :]


def damage_zip(data: bytes, rng: Generator) -> bytes:
    """One file in an archive is damaged, and the archive is whole."""
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(written, "w") as new:
        names = old.namelist()
        pickled = [name for name in names if name.endswith(".pkl")]
        chosen = rng.choice(pickled if rng.random() < 0.6 else names)
        for name in names:
            content = old.read(name)
            content = damage(content, rng) if name == chosen else content
            new.writestr(old.getinfo(name), content)  # with its own date
    return written.getvalue()


INSIDE = {
    ".png": damage_png,
    ".tar": damage_tar,
    ".safetensors": damage_safetensors,
    ".pth": damage_zip,
    ".pt": damage_zip,
    **dict.fromkeys((".yaml", ".txt", ".json", ".csv"), damage_text),
}


def damage_file(path: Path, rng: Generator) -> None:
    """Damage what is in a file or, now and then, make something else of it."""
    if rng.random() < 0.04:
        path.unlink()
        replace(path, int(rng.integers(5)))
        return
    inside = INSIDE.get(path.suffix, damage) if rng.random() < 0.6 else damage
    path.write_bytes(inside(path.read_bytes(), rng))


def replace(path: Path, kind: int) -> None:
    """By an empty file, a folder, a named pipe, a device, or a link to nowhere."""
    match kind:
        case 0:
            path.touch()
        case 1:
            path.mkdir()
        case 2:
            os.mkfifo(path)
        case _:
            path.symlink_to("/dev/zero" if kind == 3 else "nowhere")


# Files that are whole


def write_corpus(folder: Path) -> None:
    """A small one of each kind of file, and the folder of a training."""
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 4), dtype=np.uint8)
    (folder / "photos").mkdir()
    for number in range(2):
        picture = Image.fromarray(pixels[..., number : number + 3])
        picture.save(folder / "photos" / f"{number}.png")
    write_photographs(folder / "formats", pixels)
    mask = np.zeros((32, 32), np.uint8)
    mask[8:20, 4:16] = 255
    Image.fromarray(mask).save(folder / "mask.png")
    (folder / "recipe.yaml").write_text(RECIPE)
    (folder / "list.txt").write_text(f"# root: {folder / 'photos'}\n0.png\n1.png\n")
    with tarfile.open(folder / "shard.tar", "w") as tar:
        for name in ("0.png", "1.png"):
            tar.add(folder / "photos" / name, name)
    sizes = json.dumps({"shard.tar": 2})
    (folder / "sizes.json").write_text(sizes)
    write_weights(folder)


def write_photographs(folder: Path, pixels: np.ndarray) -> None:
    folder.mkdir()
    whole = Image.fromarray(pixels)
    exif = Image.Exif()
    exif.update({0x0112: 6, 0x010E: "a description", 0x0132: "2020:01:01 00:00:00"})
    for mode in ("L", "LA", "P", "RGB", "RGBA"):
        whole.convert(mode).save(folder / f"{mode}.png", exif=exif)
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(folder / "deep.png")
    for suffix in ("jpg", "tif", "webp", "bmp"):
        options = {} if suffix == "bmp" else {"exif": exif}
        whole.convert("RGB").save(folder / f"RGB.{suffix}", **options)


def write_weights(folder: Path) -> None:
    torch.manual_seed(0)
    net = gin.DeepGIN(base_channels=2, composite=True)
    gin.save(net, folder / "weights.safetensors")
    ours = net.state_dict()
    theirs = {name: ours[own] for name, own in released_names().items()}
    torch.save(theirs, folder / "weights.pth")
    arguments = train(folder, folder / "photos", folder / "run", 3)
    with redirect_stdout(io.StringIO()):
        if code := main(arguments):
            sys.exit(f"gin {shlex.join(arguments)} ended with {code}")


# Commands


def inpaint(corpus: Path, case: Path, **own: Path) -> list[str]:
    """One photograph, with the files in `own` in the place of whole ones."""
    photograph = own.get("photograph", corpus / "photos" / "0.png")
    mask = own.get("mask", corpus / "mask.png")
    weights = own.get("weights", corpus / "weights.safetensors")
    return [
        *("inpaint", str(photograph), "--mask", str(mask), "--out", str(case / "out")),
        *("--weights", str(weights), "--device", "cpu"),
    ]


def train(corpus: Path, data: Path, out: Path, steps: int = 1) -> list[str]:
    return [*resume(data, out, steps), "--recipe", str(corpus / "recipe.yaml")]


def resume(data: Path, out: Path, steps: int = 1) -> list[str]:
    return [
        *("train", "--data", str(data), "--out", str(out), "--device", "cpu"),
        *("--precision", "float32", "--workers", "0", "--max-steps", str(steps)),
    ]


def copied(path: Path, case: Path, rng: Generator) -> Path:
    """A damaged copy."""
    copy = case / path.name
    shutil.copy(path, copy)
    damage_file(copy, rng)
    return copy


def photograph(corpus: Path, case: Path, rng: Generator) -> list[str]:
    found = sorted((corpus / "formats").iterdir())
    path = copied(found[rng.integers(len(found))], case, rng)
    return inpaint(corpus, case, photograph=path)


def mask(corpus: Path, case: Path, rng: Generator) -> list[str]:
    return inpaint(corpus, case, mask=copied(corpus / "mask.png", case, rng))


def safetensors(corpus: Path, case: Path, rng: Generator) -> list[str]:
    path = copied(corpus / "weights.safetensors", case, rng)
    return inpaint(corpus, case, weights=path)


def pth(corpus: Path, case: Path, rng: Generator) -> list[str]:
    return inpaint(corpus, case, weights=copied(corpus / "weights.pth", case, rng))


def recipe(corpus: Path, case: Path, rng: Generator) -> list[str]:
    path = case / "recipe.yaml"
    first, small, rest = RECIPE.split("\n", 2)
    path.write_text(rest)
    damage_file(path, rng)
    if path.is_file():  # a recipe without its first lines is the paper's: hours
        path.write_bytes(f"{first}\n{small}\n".encode() + path.read_bytes())
    return train(case, corpus / "photos", case / "run")


def photograph_list(corpus: Path, case: Path, rng: Generator) -> list[str]:
    path = copied(corpus / "list.txt", case, rng)
    return train(corpus, path, case / "run")


def shard(corpus: Path, case: Path, rng: Generator) -> list[str]:
    for name in ("shard.tar", "sizes.json"):
        shutil.copy(corpus / name, case)
    damage_file(case / ("shard.tar" if rng.random() < 0.8 else "sizes.json"), rng)
    recipe = (corpus / "recipe.yaml").read_text().partition("phases")[0]
    (case / "recipe.yaml").write_text(recipe)
    return train(case, case / "*.tar", case / "run")


def checkpoint(corpus: Path, case: Path, rng: Generator) -> list[str]:
    run = Path(shutil.copytree(corpus / "run", case / "run"))
    damage_file(max((run / "checkpoints").iterdir()), rng)
    return [*resume(corpus / "photos", run), "--resume"]


def run_folder(corpus: Path, case: Path, rng: Generator) -> list[str]:
    run = Path(shutil.copytree(corpus / "run", case / "run"))
    files = sorted(path for path in run.rglob("*") if path.is_file())
    path = files[rng.integers(len(files))]
    if rng.random() < 0.2:
        path.unlink()
    else:
        damage_file(path, rng)
    return [*resume(corpus / "photos", run), "--resume"]


Prepare = Callable[[Path, Path, Generator], list[str]]
# A training takes much longer than a completion, so fewer of a hundred runs train.
SHARES: dict[Prepare, int] = {
    photograph: 30,
    mask: 20,
    safetensors: 22,
    pth: 16,
    recipe: 4,
    photograph_list: 2,
    shard: 2,
    checkpoint: 2,
    run_folder: 2,
}


# Runs


def program(connection: Connection, folder: Path) -> None:
    """Run each received command and send its outcome."""
    torch.set_num_threads(1)
    tempfile.tempdir = str(folder)
    os.environ["HF_HUB_OFFLINE"] = "1"
    limit = 16 * MEMORY  # so that no file exhausts the memory of the machine
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    while True:
        connection.send(run(connection.recv()))


def run(arguments: list[str]) -> Outcome:
    before, words = peak_bytes(), io.StringIO()
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(words):
            code: int | None = main(arguments)
    except BaseException:
        return Outcome(None, traceback.format_exc())
    return Outcome(code, words.getvalue(), peak_bytes() - before)


class Program:
    """The commands in another process, replaced after `LIFE` runs or a failure."""

    def __init__(self, folder: Path, hang: float = HANG) -> None:
        self.folder, self.hang = folder, hang
        self.begin()

    def begin(self) -> None:
        context = multiprocessing.get_context("fork")
        self.connection, other = context.Pipe()
        self.process = context.Process(target=program, args=(other, self.folder))
        self.process.start()
        other.close()
        self.runs = 0

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()

    def answers(self) -> bool:
        """Whether it answers within `hang` seconds, its waits for a processor aside."""
        queued, left = self.queued(), self.hang
        while left > 0:
            if self.connection.poll(left):
                return True
            left = self.queued() - queued
            queued += left
        return False

    def queued(self) -> float:
        """Seconds it waited for a processor; 0 where the system does not tell."""
        try:
            counts = Path(f"/proc/{self.process.pid}/schedstat").read_text()
        except OSError:
            return 0.0
        return int(counts.split()[1]) / 1e9

    def run(self, arguments: list[str]) -> tuple[str, Outcome]:
        """How it ended, as a word, and the outcome."""
        if self.runs == LIFE:
            self.end()
            self.begin()
        self.runs += 1
        self.connection.send(arguments)
        try:
            if not self.answers():
                self.runs = LIFE
                return "hang", Outcome(None, f"more than {self.hang:g} s")
            outcome = self.connection.recv()
        except EOFError:
            self.runs = LIFE
            return "crash", Outcome(None, "the process died")
        result = verdict(outcome)
        if result == "memory":  # the next run's peak would be compared with this one
            self.runs = LIFE
        return result, outcome


def verdict(outcome: Outcome) -> str:
    last = (outcome.words.strip().splitlines() or [""])[-1]
    if outcome.code not in (0, 1, 2) or "Traceback" in outcome.words:
        return "traceback"
    if outcome.memory > MEMORY:
        return "memory"
    if outcome.code == 0:
        return "taken"
    return "refused" if last.startswith("gin: ") else "traceback"


def temporaries(folder: Path) -> set[Path]:
    """Hidden and partial files; a lock stays for the next run."""
    return {
        path
        for path in folder.rglob("*")
        if (path.name.startswith(".") or "partial" in path.name) and path.name != LOCK
    }


class Fuzzer:
    """Counts by kind, and the first failures with their files."""

    def __init__(
        self, folder: Path, failures: Path, seed: int, hang: float = HANG
    ) -> None:
        self.corpus, self.case = folder / "corpus", folder / "case"
        self.scratch, self.failures, self.seed = folder / "tmp", failures, seed
        self.corpus.mkdir()
        self.scratch.mkdir()
        write_corpus(self.corpus)
        self.counts: dict[str, Counter[str]] = defaultdict(Counter)
        self.known: set[tuple[str, ...]] = set()
        self.program = Program(self.scratch, hang)

    def run(self, number: int) -> None:
        """The run of a number: the same for the same seed."""
        prepare, arguments = self.prepare(number, self.corpus, self.case)
        before = temporaries(self.case)
        result, outcome = self.program.run(arguments)
        left = temporaries(self.case) - before | {*self.scratch.iterdir()}
        if left and result in ("taken", "refused"):
            result, outcome = "left behind", Outcome(None, "\n".join(map(str, left)))
        self.counts[prepare.__name__][result] += 1
        if result in FAILURES:
            self.keep(number, prepare, result, outcome)
        for folder in (self.case, self.scratch):
            shutil.rmtree(folder)
        self.scratch.mkdir()

    def prepare(
        self, number: int, corpus: Path, case: Path
    ) -> tuple[Prepare, list[str]]:
        rng = np.random.default_rng([self.seed, number])
        shares = np.array([*SHARES.values()]) / sum(SHARES.values())
        chosen = [*SHARES][rng.choice(len(SHARES), p=shares)]
        case.mkdir(parents=True)
        return chosen, chosen(corpus, case, rng)

    def keep(
        self, number: int, prepare: Prepare, result: str, outcome: Outcome
    ) -> None:
        """The files, the command and its words, unless alike ones are there."""
        places = re.findall(r'File "(.*?)", line (\d+)', outcome.words)
        key = (prepare.__name__, result, *(places[-1] if places else ()))
        if key in self.known or len(self.known) == KEPT:
            return
        self.known.add(key)
        corpus = self.failures / "corpus"
        shutil.copytree(self.corpus, corpus, dirs_exist_ok=True)
        where = self.failures / f"{number:06}-{prepare.__name__}-{result}"
        shutil.rmtree(where, ignore_errors=True)
        _, arguments = self.prepare(number, corpus, where)
        command = f"gin {shlex.join(arguments)}"
        (where / "failure.txt").write_text(f"{command}\n\n{outcome.words}\n")
        last = (outcome.words.strip().splitlines() or [""])[-1]
        print(f"{result}: {where}: {last[:150]}", flush=True)

    def table(self) -> None:
        columns = ("taken", "refused", *FAILURES)
        rows = [
            [kind, str(counts.total()), *(str(counts[name]) for name in columns)]
            for kind, counts in self.counts.items()
        ]
        show(["kind", "runs", *columns], rows)


def benchmark(arguments: list[str] | None = None) -> int:
    """Print the table; 1 if a run failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--runs", type=int, default=10**9, help="at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--hang", type=float, default=HANG, help="in seconds")
    parser.add_argument("--failures", type=Path, default=Path("build/fuzz"))
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    print(machine())
    started, number = time.monotonic(), 0
    with tempfile.TemporaryDirectory() as folder:
        fuzzer = Fuzzer(Path(folder), options.failures, options.seed, options.hang)
        while (
            number < options.runs and time.monotonic() - started < 60 * options.minutes
        ):
            fuzzer.run(number)
            number += 1
        fuzzer.program.end()
    fuzzer.table()
    failed = sum(counts[name] for counts in fuzzer.counts.values() for name in FAILURES)
    print(f"{number:,} runs in {time.monotonic() - started:.0f} s, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(benchmark())
