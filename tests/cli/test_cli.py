"""The `gin` command, run as a person runs it: arguments in, files and lines out."""

import errno
import io
import os
import pickle
import platform
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
import pytest
import torch
from full_disk import full_beyond
from PIL import Image, ImageCms, ImageOps, PngImagePlugin
from tiny_training import OPTIONS, SETTINGS, photographs

import gin
from gin import inpainting, masks
from gin.cli import evaluate as evaluate_command
from gin.cli import inpaint as inpaint_command
from gin.cli import options as command_options
from gin.cli.app import main
from gin.data import mask_sets
from gin.errors import Unavailable
from gin.evaluation import protocol
from gin.evaluation import protocol as evaluation_plan
from gin.inference import seams
from gin.initialisation import identity_initialisation
from gin.training.recipe_files import read_recipe
from gin.utils.files import PARTIAL

ROOT = Path(__file__).parents[2]
COMMANDS = ("inpaint", "mask", "train", "evaluate", "export", "app", "info")
WIDTH, HEIGHT = 64, 48


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny network that was never trained; it fills holes with lively noise."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    net = gin.DeepGIN(base_channels=8, composite=True)
    identity_initialisation(net)  # not black everywhere, unlike the paper's
    gin.save(net, path, notes={"data": "nothing at all"})
    return str(path)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: one photograph, a mask for it, and a file worth keeping."""
    monkeypatch.chdir(tmp_path)
    noise((HEIGHT, WIDTH, 3)).save("good.png")
    hole().save("mask.png")
    Path("out").mkdir()
    Path("out/good.png").write_bytes(b"worth keeping")
    return tmp_path


def choices(hint: Any, parameter: str | None = None) -> tuple[str, ...]:
    """The values of a Literal, or of a command's parameter of this type."""
    if parameter is not None:
        hint = get_type_hints(hint)[parameter]
    while get_origin(hint) is not Literal:
        hint = get_args(hint)[0]
    return get_args(hint)


def noise(shape: tuple[int, ...], seed: int = 0) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(256, size=shape, dtype=np.uint8))


def hole(width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    white = np.zeros((height, width), np.uint8)
    white[height // 4 : height // 2, width // 4 : width // 2] = 255
    return Image.fromarray(white)


def pixels(path: str | Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


def contents(folder: Path) -> dict[Path, bytes | None]:
    return {p: p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a command that must be refused, touching nothing; its one line."""
    before = contents(Path.cwd())
    assert main(list(arguments)) == 2
    assert contents(Path.cwd()) == before
    said, complaint = capsys.readouterr()
    assert said == ""
    assert re.fullmatch(r"gin: [^\n]+\n", complaint)
    assert complaint[:-1].isprintable()
    return complaint


# --- gin inpaint: what is refused --------------------------------------------------


def cut_jpeg() -> None:
    stream = io.BytesIO()
    noise((HEIGHT, WIDTH, 3)).save(stream, "jpeg")
    Path("bad.jpg").write_bytes(stream.getvalue()[: stream.tell() // 2])


def solid_mask(colour: int) -> Callable[[], None]:
    return lambda: Image.new("L", (WIDTH, HEIGHT), colour).save("bad.png")


PHOTOGRAPH = ("good.png", "{bad}", "--mask", "mask.png")
MASK = ("good.png", "--mask", "{bad}")
BAD_PICTURES: dict[str, tuple[str, Callable[[], object], tuple[str, ...], str]] = {
    "cut jpeg": ("bad.jpg", cut_jpeg, PHOTOGRAPH, "truncated"),
    "text": (
        "bad.png",
        lambda: Path("bad.png").write_text("a letter"),
        PHOTOGRAPH,
        "not a picture",
    ),
    "empty mask": ("bad.png", solid_mask(0), MASK, "nothing to fill"),
    "full mask": ("bad.png", solid_mask(255), MASK, "100 %"),
    "mask of another size": (
        "bad.png",
        lambda: hole(32, 48).save("bad.png"),
        MASK,
        "for good.png: .*32 x 48 px.* 64 x 48 px",
    ),
    "zero bytes": ("bad.jpg", lambda: Path("bad.jpg").touch(), PHOTOGRAPH, "empty"),
    "missing photograph": ("bad.jpg", lambda: None, PHOTOGRAPH, "no such file"),
    "missing mask": ("bad.png", lambda: None, MASK, "no such file"),
    "one pixel": (
        "bad.png",
        lambda: Image.new("RGB", (1, 1)).save("bad.png"),
        PHOTOGRAPH,
        "1 x 1 px",
    ),
    "one pixel, random mask": (
        "bad.png",
        lambda: Image.new("RGB", (1, 1)).save("bad.png"),
        ("good.png", "{bad}", "--random-mask", "cellular"),
        "1 x 1 px",
    ),
    "floating point": (
        "bad.tif",
        lambda: noise((HEIGHT, WIDTH)).convert("F").save("bad.tif"),
        PHOTOGRAPH,
        "mode is F",
    ),
    "pipe": ("bad.png", lambda: os.mkfifo("bad.png"), PHOTOGRAPH, "not a regular file"),
    "pipe as mask": ("bad.png", lambda: os.mkfifo("bad.png"), MASK, "not a regular"),
    "animation": (
        "bad.webp",
        lambda: hole().save(
            "bad.webp", save_all=True, append_images=[noise((HEIGHT, WIDTH))]
        ),
        PHOTOGRAPH,
        "holds several pictures",
    ),
    "folder without photographs": (
        "bad",
        lambda: Path("bad").mkdir(),
        PHOTOGRAPH,
        "no photographs",
    ),
}


@pytest.mark.parametrize("case", BAD_PICTURES)
def test_a_bad_picture_is_named_before_anything_is_written(
    case: str, folder: Path, weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first photograph is good, and completing it would replace a file."""
    name, make, arguments, words = BAD_PICTURES[case]
    make()
    given = [part.format(bad=name) for part in arguments]
    options = ["--out", "out", "--force", "--weights", weights]
    complaint = refused(capsys, "inpaint", *given, *options)
    assert name in complaint
    assert re.search(words, complaint)


def test_a_folder_that_cannot_be_written_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the weights are looked for, so long before the first completion."""
    command = ["inpaint", "good.png", "--mask", "mask.png", "--weights", "no.pth"]
    for out in ("mask.png", "mask.png/below", "mask.png/below/it"):
        complaint = refused(capsys, *command, "--out", out)
        assert f"gin: {Path(out)}: cannot be written" in complaint


class Payload:
    """Unpickled, it makes a file called `ran`."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.mkdir, ("ran",)


def by_torch(path: str) -> None:
    torch.save({"r_en_conv1.weight": Payload()}, path)


def by_pickle(path: str) -> None:
    Path(path).write_bytes(pickle.dumps(Payload()))


@pytest.mark.parametrize("name", ["evil.pth", "evil.pt", "evil.safetensors"])
@pytest.mark.parametrize("write", [by_torch, by_pickle])
def test_code_in_weights_is_not_run(
    write: Callable[[str], None],
    name: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(name)
    arguments = ("--mask", "mask.png", "--out", "out", "--force", "--weights", name)
    complaint = refused(capsys, "inpaint", "good.png", *arguments)
    assert name in complaint
    assert not Path("ran").exists()


def test_names_in_a_file_cannot_drive_the_terminal(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A form feed, a colour and a line break, in the name of a weight."""
    torch.save({"a\x0cb\x1b[31m\nc": torch.zeros(1)}, "names.pth")
    arguments = ("good.png", "--mask", "mask.png", "--out", "new")
    said = refused(capsys, "inpaint", *arguments, "--weights", "names.pth")
    assert r"a\x0cb\x1b[31m\nc" in said


def test_a_usage_error_with_lines_of_choices_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(capsys, "mask", "--size", "64x64", "--out", "new.png")
    assert "Choose from: rectangular, free-form, cellular" in said


def test_notes_in_weights_cannot_drive_the_terminal(
    folder: Path, weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    notes = {"by": "\x1b[2Jme"}
    gin.save(gin.load(weights), "notes.safetensors", notes=notes)
    assert main(["info", "--weights", "notes.safetensors"]) == 0
    assert r"\x1b[2Jme" in capsys.readouterr().out


FREED = """
import resource
from gin.cli.app import main

main(["--version"])
faults = []
for _ in range(11):
    b"x" * (1 << 26)
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
print(faults[-1] - faults[0])
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's allocator")
def test_freed_memory_is_used_again() -> None:
    """Else each page of 640 MB is a fault, of 2 MiB at most."""
    own = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}
    run = subprocess.run(
        [sys.executable, "-c", FREED],
        env={**own, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(run.stdout.splitlines()[-1]) < 100


def test_python_adds_no_lines_of_its_own(folder: Path) -> None:
    """torch warns about a pickle of this kind before refusing it."""
    by_pickle("evil.pth")
    program = "import sys; from gin.cli.app import main; sys.exit(main())"
    options = ["--mask", "mask.png", "--out", "new", "--weights", "evil.pth"]
    run = subprocess.run(
        [sys.executable, "-c", program, "inpaint", "good.png", *options],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 2
    assert re.fullmatch(r"gin: evil.pth: [^\n]+\n", run.stderr)
    assert not Path("ran").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "--mask or --random-mask, found neither"),
        (("--mask", "mask.png", "--random-mask", "cellular"), "found both"),
        (("--mask", "mask.png", "--seed", "3"), "--seed: goes with --random-mask"),
        (("--random-mask", "cellular", "--invert"), "--invert: goes with --mask"),
        (("--random-mask", "cellular", "--grow", "3"), "--grow: goes with --mask"),
        (("--random-mask", "star", "--threshold", "9"), "star"),
        (("--mask", "mask.png", "--threshold", "256"), "--threshold"),
        (("--mask", "mask.png", "--region", "here"), "here.*auto.*whole"),
        (("--mask", "mask.png", "--seam", "visible"), "visible.*harmonic.*none"),
        (("--mask", "good.png"), "good.png: is given as photograph and as mask"),
        (("--mask", "swapped.png"), "swapped.png.*: .* coloured.*may be swapped"),
        (("--mask", "most.png"), "most.png: the mask hides 9.* % of .*--no-invert"),
        (("--mask", "mask.png", "--grow", "-99"), "mask.png.*0 % .*nothing to fill"),
        (("--random-mask", "cellular", "--seed", "-1"), "--seed"),
        (("--random-mask", "star"), "star.*rectangular.*free-form.*cellular"),
        (("--mask", "mask.png", "--size", "large"), "large.*paper"),
        (("--mask", "mask.png", "--device", "abacus"), "device 'abacus'"),
        (("--mask", "mask.png", "--precision", "int3"), "precision is 'int3'"),
        (("--mask", "mask.png", "--weights", "no.pth"), "no.pth: no such file"),
        (("--mask", "mask.png", "--nonsense"), "--nonsense"),
        (("--mask", ""), "an argument is empty"),
        (("--mask=", "--weights", "no.pth"), "an argument is empty"),
        (("--random-mask", "cellular", "--seed", str(2**64)), "--seed"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    arguments: tuple[str, ...],
    words: str,
    folder: Path,
    weights: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    noise((HEIGHT, WIDTH, 3), seed=1).save("swapped.png")
    ImageOps.invert(hole()).save("most.png")
    options = ("--out", "out", "--force", "--weights", weights)
    complaint = refused(capsys, "inpaint", "good.png", *options, *arguments)
    assert re.search(words, complaint)


def test_nothing_is_overwritten_without_force(
    folder: Path, weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["inpaint", "good.png", "--out", "out", "--weights", weights]
    drawn = ["--mask", "mask.png"]
    assert "out/good.png: exists" in refused(capsys, *command, *drawn).replace(
        os.sep, "/"
    )
    assert main([*command, *drawn, "--force"]) == 0
    assert pixels("out/good.png").shape == (HEIGHT, WIDTH, 3)

    Path("out/good.png").unlink()
    Path("out/good.mask.png").write_bytes(b"worth keeping too")
    capsys.readouterr()
    complaint = refused(capsys, *command, "--random-mask", "rectangular")
    assert "good.mask.png: exists" in complaint


def test_a_dangling_link_in_a_results_place_is_refused(
    folder: Path, weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("out/good.png").unlink()
    Path("out/good.png").symlink_to("nowhere")
    options = ("--mask", "mask.png", "--out", "out", "--weights", weights)
    assert "good.png: exists already" in refused(
        capsys, "inpaint", "good.png", *options
    )
    arguments = ("--kind", "cellular", "--size", "64x64", "--out", "out/good.png")
    assert "good.png: exists already" in refused(capsys, "mask", *arguments)
    assert Path("out/good.png").is_symlink()


@pytest.mark.parametrize(
    "mask", [("--mask", "mask.png"), ("--random-mask", "cellular")]
)
def test_a_result_that_came_meanwhile_is_not_replaced(
    mask: tuple[str, str],
    folder: Path,
    weights: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As of another `gin inpaint` that has a photograph of the same stem."""
    complete = gin.Inpainter.__call__
    name = "good.png" if mask[0] == "--mask" else "good.mask.png"

    def meanwhile(*arguments: object, **options: object) -> Image.Image:
        Path("new").mkdir()
        Path("new", name).write_bytes(b"of the other")
        return complete(*arguments, **options)

    monkeypatch.setattr(gin.Inpainter, "__call__", meanwhile)
    options = ["--out", "new", "--weights", weights]
    assert main(["inpaint", "good.png", *mask, *options]) == 2
    path = Path("new", name)
    assert (
        capsys.readouterr().err == f"gin: {path}: exists already; --force replaces it\n"
    )
    assert [*Path("new").iterdir()] == [path]
    assert path.read_bytes() == b"of the other"


def test_a_folder_in_a_results_place_is_refused_even_with_force(
    folder: Path, weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("results/good.png").mkdir(parents=True)
    options = ("--mask", "mask.png", "--out", "results", "--force")
    complaint = refused(capsys, "inpaint", "good.png", *options, "--weights", weights)
    assert "is a folder" in complaint


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_result_never_replaces_its_photograph(
    link: Callable[[Path, Path], None],
    folder: Path,
    weights: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("linked").mkdir()
    link(folder / "good.png", folder / "linked/good.png")
    command = ["inpaint", "good.png", "--mask", "mask.png", "--weights", weights]
    for out in (".", "linked"):
        complaint = refused(capsys, *command, "--out", out, "--force")
        assert "good.png: is an input" in complaint


def test_a_result_never_replaces_a_mask(
    folder: Path, weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("holes").mkdir()
    Path("mask.png").rename("holes/good.png")
    options = ("--mask", "holes", "--out", "holes", "--force", "--weights", weights)
    assert "is an input" in refused(capsys, "inpaint", "good.png", *options)


@pytest.mark.parametrize("other", ["deep/good.jpg", "deep/GOOD.png", "deep/good.png"])
def test_two_results_of_one_name_are_refused(
    other: str, folder: Path, weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("deep").mkdir()
    noise((HEIGHT, WIDTH, 3)).save(other)
    options = ("--mask", "mask.png", "--out", "out", "--force", "--weights", weights)
    complaint = refused(capsys, "inpaint", "good.png", other, *options)
    assert "good.png and " in complaint
    assert str(Path(other)) in complaint


def test_a_random_masks_copy_may_not_meet_a_result(
    folder: Path, weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    noise((HEIGHT, WIDTH, 3)).save("good.mask.png")
    options = ("--random-mask", "cellular", "--out", "new", "--weights", weights)
    complaint = refused(capsys, "inpaint", "good.png", "good.mask.png", *options)
    assert "both would be written" in complaint


def test_a_photograph_needs_exactly_one_mask_in_a_folder(
    folder: Path, weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("holes").mkdir()
    hole().save("holes/other.png")
    options = ("--mask", "holes", "--out", "new", "--weights", weights)
    complaint = refused(capsys, "inpaint", "good.png", *options)
    assert re.search("good.png: expected one mask in holes .*found none", complaint)
    hole().save("holes/good.png")
    hole().save("holes/good.bmp")
    complaint = refused(capsys, "inpaint", "good.png", *options)
    assert re.search("found .*good.bmp and .*good.png", complaint)


# --- gin inpaint: what goes wrong on the way ---------------------------------------


def temporary_files() -> list[Path]:
    return [path for path in Path.cwd().rglob(".*") if path.is_file()]


def test_a_full_disk_leaves_what_was_there(
    folder: Path,
    weights: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    options = ("--mask", "mask.png", "--out", "out", "--force", "--weights", weights)
    complaint = refused(capsys, "inpaint", "good.png", *options)
    assert re.search("good.png: cannot be written .No space", complaint)
    assert not temporary_files()


def test_control_c_keeps_what_is_finished(
    folder: Path,
    weights: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    noise((HEIGHT, WIDTH, 3)).save("second.png")
    complete = gin.Inpainter.__call__
    calls = []

    def interrupted(*arguments: object, **options: object) -> Image.Image:
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return complete(*arguments, **options)

    monkeypatch.setattr(gin.Inpainter, "__call__", interrupted)
    options = ["--mask", "mask.png", "--out", "new", "--weights", weights]
    assert main(["inpaint", "good.png", "second.png", *options]) == 130
    assert capsys.readouterr().err.strip() == "gin: interrupted"
    assert [path.name for path in Path("new").iterdir()] == ["good.png"]
    assert pixels("new/good.png").shape == (HEIGHT, WIDTH, 3)


def test_sigterm_leaves_no_temporary_and_ends_with_one_line(
    folder: Path,
    weights: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def terminated(picture: Image.Image, path: Path, *_: object, **__: object) -> None:
        path.write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(Image.Image, "save", terminated)
    options = ["--mask", "mask.png", "--out", "new", "--weights", weights]
    assert main(["inpaint", "good.png", *options]) == 143
    assert capsys.readouterr().err == "gin: stopped by SIGTERM\n"
    assert list(Path("new").iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) == before


def test_too_little_memory_is_said_in_a_line(
    folder: Path,
    weights: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def exhausted(*arguments: object, **options: object) -> None:
        raise MemoryError("Unable to allocate 9 GiB")

    monkeypatch.setattr(gin.Inpainter, "__call__", exhausted)
    options = ("--mask", "mask.png", "--out", "new", "--weights", weights)
    complaint = refused(capsys, "inpaint", "good.png", *options)
    assert "not enough memory (Unable to allocate 9 GiB)" in complaint


@pytest.mark.parametrize(
    "words",
    [
        "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried",
        "CUDA out of memory. Tried to allocate 2.00 GiB",
    ],
)
def test_memory_that_pytorch_lacks_is_said_in_a_line(
    words: str,
    folder: Path,
    weights: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def exhausted(*arguments: object) -> None:
        raise RuntimeError(f"{words}\nand more")

    monkeypatch.setattr(gin.DeepGIN, "forward", exhausted)
    options = ("--mask", "mask.png", "--out", "new", "--weights", weights)
    assert f"memory ({words})" in refused(capsys, "inpaint", "good.png", *options)
    assert main(["inpaint", "good.png", *options, "--keep-going"]) == 1
    assert f"gin: good.png: {words}\n" in capsys.readouterr().err


def test_a_terminal_without_unicode_gets_what_it_can(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(sys, "stdout", terminal)
    arguments = ("--kind", "rectangular", "--size", "32X32", "--out", "\u65e5.png")
    assert main(["mask", *arguments]) == 0
    terminal.flush()
    assert b"\\u65e5.png" in terminal.buffer.getvalue()


def test_what_is_not_installed_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(
        sys.modules, "gin.training.dry_run", None
    )  # as without an extra
    options = ("--recipe", "smoke", "--data", ".", "--out", "run")
    complaint = refused(capsys, "train", *options)
    assert "gin.training.dry_run is not installed: pip install" in complaint


# --- gin inpaint: what is done -----------------------------------------------------


def test_known_pixels_are_identical_and_the_hole_is_filled(
    folder: Path, weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["inpaint", "good.png", "--mask", "mask.png", "--weights", weights]
    missing = pixels("mask.png") > 0
    before = pixels("good.png")
    for out, options in {
        "plain": [],
        "ensemble": ["--ensemble"],
        "paper": ["--size", "paper", "--device", "cpu", "--precision", "float32"],
    }.items():
        assert main([*command, "--out", out, *options]) == 0
        after = pixels(f"{out}/good.png")
        assert np.array_equal(after[~missing], before[~missing])
        assert not np.array_equal(after[missing], before[missing])
        said, complaint = capsys.readouterr()
        assert re.fullmatch(
            rf"1 photograph completed in \d+\.\d s, [\d.]+ % missing: see {out}\n", said
        )
        assert complaint == ""  # no progress bar where nobody looks
    plain = pixels("plain/good.png")
    assert not np.array_equal(plain, pixels("ensemble/good.png"))
    assert not np.array_equal(plain, pixels("paper/good.png"))


def test_the_command_does_what_the_library_does(folder: Path, weights: str) -> None:
    options = ["--mask", "mask.png", "--out", "new", "--weights", weights]
    assert main(["inpaint", "good.png", *options, "--invert"]) == 0
    inpainter = gin.Inpainter.from_pretrained(weights)
    with Image.open("good.png") as photo:
        expected = inpainter(photo, (pixels("mask.png") == 0).astype(np.uint8))
    assert np.array_equal(pixels("new/good.png"), np.asarray(expected))


def test_folders_of_photographs_find_their_masks(folder: Path, weights: str) -> None:
    """Photographs at any depth, masks of any suffix and of each photograph's size."""
    Path("photos/deep").mkdir(parents=True)
    Path("holes").mkdir()
    noise((HEIGHT, WIDTH, 3)).save("photos/wide.jpg")
    noise((64, 40)).save("photos/deep/tall.v2.png")
    hole().save("holes/wide.bmp")
    hole(40, 64).save("holes/tall.v2.png")
    hole(9, 9).save("holes/of-no-photograph.png")
    options = ["--mask", "holes", "--out", "new/folder", "--weights", weights]
    assert main(["inpaint", "photos", "good.png", *options]) == 2  # good has no mask
    assert not Path("new").exists()
    assert main(["inpaint", "photos", *options]) == 0
    results = [Path("new/folder/deep/tall.v2.png"), Path("new/folder/wide.png")]
    assert sorted(Path("new/folder").rglob("*.png")) == results
    missing = np.asarray(hole(40, 64)) > 0
    before, after = pixels("photos/deep/tall.v2.png"), pixels(results[0])
    assert np.array_equal(after[~missing], before[~missing])


@pytest.mark.parametrize("kind", command_options.MASK_OPTIONS)
def test_random_masks_follow_seed_and_name_not_order(
    kind: str, folder: Path, weights: str
) -> None:
    Path("photos").mkdir()
    for seed, name in enumerate("abc"):
        noise((HEIGHT, WIDTH, 3), seed).save(f"photos/{name}.png")

    def run(out: str, seed: int, *photographs: str) -> dict[str, bytes]:
        command = ["inpaint", *photographs, "--random-mask", kind, "--out", out]
        assert main([*command, "--seed", str(seed), "--weights", weights]) == 0
        return {path.name: path.read_bytes() for path in Path(out).iterdir()}

    together = run("together", 7, "photos")
    assert len(together) == 6
    apart = run("apart", 7, "photos/c.png", "photos/a.png")
    assert apart == {name: together[name] for name in apart}
    assert together["a.mask.png"] != together["b.mask.png"]
    assert run("other", 8, "photos/a.png")["a.mask.png"] != together["a.mask.png"]


def test_the_kept_mask_is_the_one_that_was_used(folder: Path, weights: str) -> None:
    options = ["--out", "new", "--weights", weights]
    assert main(["inpaint", "good.png", "--random-mask", "free-form", *options]) == 0
    kept = ["--mask", "new/good.mask.png", "--no-invert", "--out", "again"]
    assert main(["inpaint", "good.png", *kept, "--weights", weights]) == 0
    assert np.array_equal(pixels("new/good.png"), pixels("again/good.png"))
    assert set(np.unique(pixels("new/good.mask.png"))) == {0, 255}
    missing = masks.load_mask("new/good.mask.png")
    changed = (pixels("new/good.png") != pixels("good.png")).any(axis=2)
    assert np.array_equal(changed, missing)


# --- gin inpaint: metadata ---------------------------------------------------------


def colour_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def completed(name: str, weights: str) -> Image.Image:
    options = ["--random-mask", "rectangular", "--out", "new", "--weights", weights]
    assert main(["inpaint", name, *options]) == 0
    with Image.open(Path("new") / f"{Path(name).stem}.png") as result:
        result.load()
        return result


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_metadata_is_kept_and_orientation_applied(
    suffix: str, folder: Path, weights: str
) -> None:
    exif = Image.Exif()
    exif[ExifTag.ORIENTATION] = 6
    exif[ExifTag.MAKE] = "A camera"
    exif[ExifTag.DETAILS] = {ExifTag.TAKEN: "2020:02:29 12:00:00"}
    name = f"photo.{suffix}"
    profile = colour_profile()
    noise((HEIGHT, WIDTH, 3)).save(name, exif=exif, icc_profile=profile, dpi=(300, 300))
    result = completed(name, weights)
    assert result.size == (HEIGHT, WIDTH)
    assert result.info["icc_profile"] == profile
    found = result.getexif()
    assert found[ExifTag.MAKE] == "A camera"
    assert ExifTag.ORIENTATION not in found
    assert found.get_ifd(ExifTag.DETAILS)[ExifTag.TAKEN] == "2020:02:29 12:00:00"
    if suffix != "webp":  # which has no resolution
        assert result.info["dpi"] == pytest.approx((300, 300), abs=0.01)


class ExifTag:
    ORIENTATION, MAKE, DETAILS, TAKEN = 0x0112, 0x010F, 0x8769, 0x9003


def test_text_of_a_png_is_kept(folder: Path, weights: str) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("Author", "Zoë")
    text.add_itxt("Title", "Schnee ☃", lang="de", tkey="Titel")
    noise((HEIGHT, WIDTH, 3)).save("photo.png", pnginfo=text)
    found = completed("photo.png", weights).text
    assert found == {"Author": "Zoë", "Title": "Schnee ☃"}
    assert (found["Title"].lang, found["Title"].tkey) == ("de", "Titel")


def test_comment_and_xmp_of_a_jpeg_become_text(folder: Path, weights: str) -> None:
    xmp = "<x:xmpmeta>Größe</x:xmpmeta>"
    photo = noise((HEIGHT, WIDTH, 3))
    photo.save("photo.jpg", comment="grüß dich", xmp=xmp.encode())
    found = completed("photo.jpg", weights).text
    assert found == {"Comment": "grüß dich", "XML:com.adobe.xmp": xmp}


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "I;16"])
def test_modes_come_back(mode: str, folder: Path, weights: str) -> None:
    photo = noise((HEIGHT, WIDTH, 4)).convert("RGBA" if "A" in mode else "RGB")
    if mode == "I;16":
        photo = Image.fromarray(np.asarray(photo.convert("L")).astype(np.uint16) * 257)
    else:
        photo = photo.convert(mode)
    photo.save("photo.png")
    result = completed("photo.png", weights)
    assert result.mode == mode
    known = masks.load_mask("new/photo.mask.png") == 0
    assert np.array_equal(np.asarray(result)[known], np.asarray(photo)[known])


# --- gin mask ----------------------------------------------------------------------


def test_the_names_on_the_command_line_are_the_librarys() -> None:
    assert tuple(command_options.MASK_OPTIONS.values()) == masks.KINDS
    assert choices(command_options.Kind) == tuple(command_options.MASK_OPTIONS)
    assert choices(inpaint_command.inpaint, "region") == inpainting.REGIONS
    assert choices(inpaint_command.inpaint, "seam") == seams.SEAMS


def test_most_may_be_missing_where_it_is_said(folder: Path, weights: str) -> None:
    ImageOps.invert(hole()).save("most.png")
    options = ("--mask", "most.png", "--weights", weights, "--out")
    assert main(["inpaint", "good.png", *options, "a", "--no-invert"]) == 0
    assert main(["inpaint", "good.png", *options, "b", "--invert"]) == 0
    changed = [
        (pixels(f"{out}/good.png") != pixels("good.png")).any(axis=2) for out in "ab"
    ]
    white = pixels("mask.png") > 0
    assert not changed[0][white].any()
    assert not changed[1][~white].any()
    assert min(changed[0][~white].mean(), changed[1][white].mean()) > 0.9


def test_a_mask_is_cut_and_grown_as_asked(
    folder: Path, weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    soft = np.zeros((HEIGHT, WIDTH), np.uint8)
    soft[10:20, 10:40] = np.linspace(60, 199, 300).reshape(10, 30)
    Image.fromarray(soft).save("soft.png")
    options = (
        "--mask",
        "soft.png",
        "--threshold",
        "100",
        "--grow",
        "2",
        "--out",
        "new",
    )
    assert main(["inpaint", "good.png", *options, "--weights", weights]) == 0
    mask = masks.grow((soft >= 100).astype(np.uint8), 2)
    changed = (pixels("new/good.png") != pixels("good.png")).any(axis=2)
    assert not changed[mask == 0].any()
    assert changed[mask == 1].mean() > 0.9
    said = f"{100 * masks.area(mask):.2g} % missing"
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("kind", "name", "reading"),
    [
        ("rectangular", "rectangular", "paper"),
        ("free-form", "free_form", "paper"),
        ("free-form", "free_form", "released"),
        ("cellular", "cellular_automata", "paper"),
    ],
)
def test_gin_mask_writes_the_librarys_mask_and_prints_its_area(
    kind: str,
    name: str,
    reading: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["mask", "--kind", kind, "--size", "90x70", "--variant", reading]
    assert main([*command, "--seed", "7", "--out", "new/m.png"]) == 0
    expected = masks.make(name, 70, 90, np.random.default_rng(7), reading)
    assert np.array_equal(pixels("new/m.png"), expected * 255)
    area = float(re.findall(r"([\d.]+) % of 90 x 70 px", capsys.readouterr().out)[0])
    assert area == pytest.approx(100 * expected.mean(), abs=0.051)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--size", "512"), "'512': expected WIDTHxHEIGHT"),
        (("--size", "900000x900000"), "at most 9999 px"),
        (("--size", "64x8"), "from 16 to 65536 px"),
        (("--out", "m.jpg"), "m.jpg: expected a name that ends in .png"),
        (("--out", "mask.png"), "mask.png: exists already"),
        (("--out", "mask.png/below/m.png"), "cannot be written"),
        (("--variant", "released"), "goes with --kind free-form, found cellular"),
        (("--kind", "star"), "rectangular.*free-form.*cellular"),
    ],
)
def test_gin_mask_refuses(
    options: tuple[str, ...],
    words: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = {"--kind": "cellular", "--size": "64x64", "--out": "m.png"}
    given.update(zip(options[::2], options[1::2], strict=True))
    arguments = [part for option in given.items() for part in option]
    assert re.search(words, refused(capsys, "mask", *arguments))


def test_gin_mask_replaces_a_file_by_force(folder: Path) -> None:
    command = ["mask", "--kind", "cellular", "--size", "64x64", "--out", "mask.png"]
    assert main([*command, "--force"]) == 0
    assert pixels("mask.png").shape == (64, 64)


# --- gin train ---------------------------------------------------------------------


TRAIN = ["train", "--data", "photos", "--out", "run", *OPTIONS]


@pytest.fixture
def photos(folder: Path) -> None:
    photographs(folder / "photos")


@pytest.mark.usefixtures("photos")
def test_gin_train_stops_at_a_limit_and_goes_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    begin = [*TRAIN, "--recipe", "smoke", *SETTINGS, "--seed", "1"]
    assert main([*begin, "--max-steps", "2"]) == 0
    said = capsys.readouterr()
    assert said.out == "2 steps: stopped after step 2; continue with --resume\n"
    assert said.err == ""
    assert "holds a run already" in refused(capsys, *begin)
    words = "--resume: continues with the run's own recipe"
    assert words in refused(capsys, *TRAIN, "--resume", "--recipe", "smoke")
    assert words in refused(capsys, *TRAIN, "--resume", "--set=data.image_size=16")
    assert "with seed 1; found 0" in refused(capsys, *TRAIN, "--resume")
    assert main([*TRAIN, "--resume", "--seed", "1"]) == 0
    path = Path("run/weights.safetensors")
    assert capsys.readouterr().out == f"trained weights: {path}\n"
    assert gin.weights.checkpoints.metadata(path)["steps"] == "9"
    assert gin.load(path).base_channels == 2
    assert read_recipe("run/recipe.yaml").schedule.warm_up == 4


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
@pytest.mark.usefixtures("photos")
def test_a_signal_saves_and_ends_with_one_line(
    number: signal.Signals, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def send() -> None:
        while not list(Path("run/checkpoints").glob("step-*.pt")):
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    threading.Thread(target=send, daemon=True).start()
    endless = ["--recipe", "smoke", *SETTINGS, "--set=schedule.warm_up=500"]
    assert main([*TRAIN, *endless]) == code
    said = capsys.readouterr()
    (steps,) = re.findall(
        rf"^gin: {number.name}: stopped after step (\d+); continue with --resume\n$",
        said.err,
    )
    assert said.out == ""
    assert Path(f"run/checkpoints/step-{int(steps):09}.pt").exists()
    assert (
        gin.weights.checkpoints.metadata(Path("run/weights.safetensors"))["steps"]
        == steps
    )


@pytest.mark.usefixtures("photos")
def test_a_training_that_diverges_is_said_in_a_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    wild = ["--set=optimiser.warm_up_lr=1.0e+30", "--set=optimiser.lr_warmup_steps=0"]
    assert main([*TRAIN, "--recipe", "smoke", *SETTINGS, *wild]) == 1
    complaint = capsys.readouterr().err
    assert re.fullmatch(
        r"gin: the training diverged: the (loss is|weights are) not finite "
        r"(at|after) step [12]\n",
        complaint,
    )
    assert not list(Path("run").glob("**/*.pt"))


@pytest.mark.usefixtures("photos")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--recipe", "cake"), "--recipe cake: expected one of paper, released, demo"),
        (("--recipe", "mask.png"), "mask.png: not readable as YAML"),
        (("--set", "optimiser.speed=1"), "the recipe has no optimiser.speed"),
        (("--set", "optimiser.order=mine"), "optimiser.order: expected one of"),
        (("--set", "network.base_channels=3"), "base_channels is 3"),
        (("--set", "data.image_size=8"), "data.image_size is 8"),
        (("--data", "nowhere"), "nowhere: no such folder"),
        (("--data", "out"), "1 of 1 photographs cannot be read: out/good.png"),
        (("--data", "torchvision:Cake"), "torchvision has no dataset"),
        (("--out", "mask.png/run"), "cannot be written"),
        (("--backbone", "mask.png"), "mask.png"),
        (("--root", "photos"), "--root: goes with a list or torchvision:NAME"),
        (("--validation", "nowhere"), "nowhere: no such folder"),
        (("--seed", str(2**64)), "--seed"),
        (("--max-hours", "0"), "max_hours is 0.0; expected a number above 0"),
        (("--max-hours", "nan"), "--max-hours"),
        (("--max-hours", "inf"), "max_hours is inf"),
        (("--max-steps", "0"), "--max-steps"),
        (("--device", "cake"), "device 'cake' cannot be used"),
        (("--precision", "float8"), "precision is 'float8'"),
        (("--devices", "0"), "--devices"),
        (("--workers", "-1"), "--workers"),
        (("--seed", "-1"), "--seed"),
    ],
)
def test_gin_train_refuses(
    options: tuple[str, str],
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = {"--recipe": "smoke", "--data": "photos", "--out": "run"}
    given.update([options])
    arguments = [part for option in given.items() for part in option]
    device = [] if "--device" in given else ["--device=cpu"]
    assert re.search(words, refused(capsys, "train", *device, *arguments))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "--recipe: expected, unless --resume"),
        (["--resume"], "run: there is no run to resume"),
    ],
)
def test_gin_train_needs_a_recipe_or_a_run(
    options: list[str],
    words: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert words in refused(capsys, *TRAIN, *options)


def test_no_plan_for_a_folder_that_is_taken(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("taken").mkdir()
    Path("taken/weights.safetensors").touch()
    given = ("--recipe", "smoke", "--data", "out", "--out", "taken")
    complaint = refused(capsys, "train", *given, "--dry-run")
    assert "taken: holds a run already" in complaint


# --- gin evaluate ------------------------------------------------------------------


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither LPIPS' nor Inception's weights are to be had."""

    def none(*_: object) -> None:
        raise Unavailable("far away")

    for name in ("lpips_metric", "vgg_distance", "inception", "segmenter"):
        monkeypatch.setattr(f"gin.evaluation.evaluator.{name}", none)


EVALUATE = ["evaluate", "--data", "photos", "--size", "original", "--device", "cpu"]


@pytest.mark.usefixtures("photos", "offline")
def test_gin_evaluate_prints_the_table_that_it_writes(
    weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [*EVALUATE, "--weights", weights, "--masks", "free-form"]
    command += ["--baseline", "telea", "--baseline", "mean-colour", "--seed", "3"]
    assert main([*command, "--out", "new/table.md"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    table = Path("new/table.md").read_text("utf-8")
    assert said.out.startswith(table)
    assert re.search(r"^telea: \d+\.\d\d s an image$", said.out, re.MULTILINE)
    assert re.search(r"evaluated in \d+\.\d s: see new.table\.md\n$", said.out)
    for words in ("deepgin |", "deepgin-auto |", "telea |"):
        assert f"| free form | {words}" in table
    assert "**FID**: not available: far away" in table
    mask = masks.load_mask("new/table/masks/photos/original/free_form/001.png")
    drawn = mask_sets.draw(3, "001.png", "free_form", mask.shape[::-1])
    assert np.array_equal(mask, drawn)
    assert "holds an evaluation" in refused(capsys, *command, "--out", "new/table.md")
    before = contents(Path("new"))
    assert main([*command, "--out", "new/table.md", "--resume"]) == 0
    assert contents(Path("new")) == before


@pytest.mark.usefixtures("photos", "offline")
@pytest.mark.parametrize("option", [["--segmentation"], ["--segmenter", "deeplabv3"]])
def test_gin_evaluate_says_what_a_segmentation_lacks(
    option: list[str], weights: str
) -> None:
    command = [*EVALUATE, "--weights", weights, "--masks", "free-form"]
    assert main([*command, *option, "--out", "t.md"]) == 0
    table = Path("t.md").read_text("utf-8")
    assert "| Agreement, % ↑ | mIoU ↑ |" in table
    for metric in ("VGG", "Agreement", "mIoU"):
        assert f"**{metric}**: not available: far away" in table


@pytest.mark.usefixtures("photos")
def test_gin_evaluate_refuses_a_segmentation_that_cannot_be(
    weights: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none(*_: object) -> None:
        raise Unavailable("far away")

    for name in ("lpips_metric", "vgg_distance", "inception"):
        monkeypatch.setattr(f"gin.evaluation.evaluator.{name}", none)
    command = [*EVALUATE, "--weights", weights, "--out", "t.md", "--segmenter"]
    assert "expected lraspp or deeplabv3" in refused(capsys, *command, "star")
    assert "nowhere.pth: no such file" in refused(
        capsys, *command, "lraspp=nowhere.pth"
    )
    assert not Path("t.md").exists()


@pytest.mark.usefixtures("photos", "offline")
def test_gin_evaluate_takes_several_weights_and_ones_own_masks(weights: str) -> None:
    Path("holes").mkdir()
    for path in Path("photos").iterdir():
        hole(*Image.open(path).size).save(f"holes/{path.name}")
    named = ["--weights", f"one={weights}", "--weights", f"two={weights}"]
    options = ["--masks", "mine=holes", "--ensemble", "--out", "t.md"]
    assert main([*EVALUATE, *named, *options]) == 0
    table = Path("t.md").read_text("utf-8")
    for method in ("one", "one-ensemble", "two", "two-ensemble"):
        assert f"| mine | {method} |" in table


@pytest.mark.usefixtures("photos", "offline")
def test_a_preset_measures_the_papers_method_alone(
    weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "check_preset", lambda *_: None)
    preset = ["--preset", "table1", "--data", "photos", "--device", "cpu"]
    assert main(["evaluate", *preset, "--weights", weights, "--out", "t.md"]) == 0
    table = Path("t.md").read_text("utf-8")
    assert "| deepgin |" in table
    assert "deepgin-auto" not in table


@pytest.mark.usefixtures("photos", "offline")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--out", "t.txt"), "t.txt: expected a name that ends in .md"),
        (("--out", "mask.png/t.md"), "cannot be written"),
        (("--data", "nowhere"), "nowhere: no such folder"),
        (("--data", "out"), "good.png: cannot be read as a picture"),
        (("--masks", "star"), "--masks star: expected all"),
        (("--masks", "out"), "expected one mask in out .*found none"),
        (("--masks", "inverted"), "inverted: .*75.0 %.*--invert"),
        (("--size", "512"), "--size"),
        (("--seed", "-1"), "--seed"),
        (("--baseline", "star"), "baseline 'star': expected one of mean-colour"),
        (("--baseline", "deepfillv2"), "baseline deepfillv2: expected its weights"),
        (("--weights", "no.pth"), "no.pth: no such file"),
        (("--preset", "table1"), "found 5 photographs; preset table1 expects 3,000"),
        (("--preset", "table2"), "expects 523 .Oxford Buildings. or 1,000 .FFHQ."),
        (("--backbone", "no.pth"), "far away"),
        (("--resume", None), "there is no evaluation to resume"),
        (("--invert", None), "--invert: goes with a folder of masks"),
    ],
)
def test_gin_evaluate_refuses(
    options: tuple[str, str | None],
    words: str,
    weights: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("inverted").mkdir()
    for path in Path("photos").iterdir():
        width, height = Image.open(path).size
        white = np.full((height, width), 255, np.uint8)
        white[: height // 4] = 0
        Image.fromarray(white).save(f"inverted/{path.name}")
    given = {"--data": "photos", "--out": "t.md", "--weights": weights}
    given.update([options])
    arguments = [part for option in given.items() for part in option if part]
    assert re.search(words, refused(capsys, "evaluate", "--device=cpu", *arguments))


@pytest.mark.usefixtures("photos", "offline")
def test_sigterm_ends_an_evaluation_that_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [*EVALUATE, "--masks", "free-form", "--baseline", "mean-colour"]
    write, written = mask_sets.write_png, []

    def terminated(*arguments: object) -> None:
        written.append(arguments)
        if len(written) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        write(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(mask_sets, "write_png", terminated)
        assert main([*command, "--out", "t.md"]) == 143
    assert capsys.readouterr().err == "gin: stopped by SIGTERM\n"
    assert not list(Path("t").rglob(f".*{PARTIAL}"))
    assert main([*command, "--out", "t.md", "--resume"]) == 0
    assert Path("t.md").exists()


@pytest.mark.usefixtures("photos", "offline")
@pytest.mark.parametrize("size", [0, 100, 1000, 3000])
def test_a_full_disk_ends_an_evaluation_that_goes_on(
    size: int, weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [*EVALUATE, "--masks", "free-form", "--baseline", "mean-colour"]
    command += ["--weights", weights, "--out", "t.md"]
    with full_beyond(size):
        assert main(command) == 2
    assert re.fullmatch(
        r"gin: t.+: cannot be written \(File too large\).*\n", capsys.readouterr().err
    )
    assert not list(Path.cwd().rglob(f".*{PARTIAL}"))
    resume = ["--resume"] if Path("t/run.json").exists() else []
    assert main([*command, *resume]) == 0


def test_the_sizes_and_presets_are_the_librarys() -> None:
    assert tuple(evaluate_command.Size) == protocol.SIZES
    assert choices(evaluate_command.evaluate, "preset") == tuple(
        evaluation_plan.PRESETS
    )


# --- gin info, --version, --help ---------------------------------------------------


def test_gin_info_tells_versions_weights_and_table_1(
    weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["info", "--weights", weights]) == 0
    said = dict(
        re.split(r"\s{2,}", line, maxsplit=1)
        for line in capsys.readouterr().out.splitlines()
        if "  " in line
    )
    assert said["torch"] == torch.__version__
    assert said["device"].startswith(("cpu", "cuda"))
    assert said["weights"] == weights
    assert said["base width"] == "8"
    assert said["data"] == "nothing at all"
    assert said["StdResBlk (Coarse only)"] == "8,167,843"
    assert said["SPDResBlk-MSSA-BP"] == "42,930,186"
    assert said["the two discriminators"] == "3,421,568"
    assert set(gin.VARIANTS) <= said.keys()


def test_gin_info_works_without_the_shipped_weights(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def none() -> Path:
        raise gin.InputError("there are none")

    monkeypatch.setattr("gin.weights.checkpoints.shipped", none)
    assert main(["info"]) == 0
    assert "there are none" in capsys.readouterr().out


def test_gin_info_refuses_bad_weights(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # The versions are printed before the weights are opened.
    assert main(["info", "--weights", "mask.png"]) == 2
    assert capsys.readouterr().err.startswith("gin: mask.png: ")


def test_the_version_is_the_projects(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (version,) = re.findall(r'^version = "(.+)"', project, flags=re.MULTILINE)
    assert capsys.readouterr().out == f"gin {version}\n"


def test_gin_alone_lists_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert set(COMMANDS) <= set(capsys.readouterr().out.split())


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_examples_that_can_be_parsed(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "--help"]) == 0
    page = capsys.readouterr().out
    examples = re.findall(rf"^ +gin {command}\b(.*)$", page, flags=re.MULTILINE)
    assert examples
    for example in examples:
        # --help comes after everything else was understood.
        assert main([command, *example.split(), "--help"]) == 0
        used = {part for part in example.split() if part.startswith("--")}
        assert used <= set(re.findall(r"^ +(?:-\w, )?(--[\w-]+)", page, re.MULTILINE))


@pytest.mark.parametrize("arguments", [("paint",), ("inpaint",), ("mask", "--size")])
def test_usage_errors_take_a_line(
    arguments: tuple[str, ...], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(capsys, *arguments)


def test_beside_gin_config_the_command_says_what_to_do(tmp_path: Path) -> None:
    """Whose `gin/__init__.py` may have replaced ours; and torch is not waited for."""
    information = tmp_path / "gin_config-0.5.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: gin-config\nVersion: 0.5.0\n"
    )
    program = f"""
import sys, types
gin = sys.modules["gin"] = types.ModuleType("gin")
gin.__path__ = [{str(ROOT / "gin")!r}]
from gin.cli.app import main
from gin.errors import Unavailable
code = main(["--help"])
assert "torch" not in sys.modules
sys.exit(code)
"""
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 2
    assert run.stdout == ""
    assert re.fullmatch(r"gin: gin-config 0\.5\.0 .*pip uninstall.*\n", run.stderr)


# --- what is imported when ---------------------------------------------------------


def test_help_does_not_wait_for_torch() -> None:
    code = (
        "import sys; sys.modules['torch'] = None; "
        "from gin.cli.app import main; sys.exit(main(['train', '--help']))"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert b"--dry-run" in run.stdout


def test_every_public_name_is_there() -> None:
    assert set(gin.__all__) <= set(dir(gin))
    assert all(getattr(gin, name) is not None for name in gin.__all__)
    with pytest.raises(AttributeError, match="module 'gin' has no attribute 'Inpaint'"):
        _ = gin.Inpaint
