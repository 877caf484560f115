"""`gin inpaint` with many photographs: pairs, nested folders, formats, batches."""

import os
import signal
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

import gin
from gin.cli.app import main
from gin.evaluation.protocol import (
    ORIGINAL,
    Dataset,
    MaskSet,
    Protocol,
    choose_masks,
    open_dataset,
)
from gin.evaluation.store import EvaluationFolder
from gin.initialisation import identity_initialisation

ROOT = Path(__file__).parents[2]
SIDE = 32


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny network that fills holes with noise."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    net = gin.DeepGIN(base_channels=8, composite=True)
    identity_initialisation(net)
    gin.save(net, path)
    return str(path)


@pytest.fixture
def inpaint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: str
) -> Callable[..., int]:
    """Run `gin inpaint` in an empty folder; its exit code."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: main(["inpaint", *arguments, "--weights", weights])


def photograph(path: str, seed: int = 0, mode: str = "RGB") -> None:
    """A smooth photograph, so that lossy formats stay close."""
    shades = np.linspace(0, 200 + seed, SIDE)[:, None] + np.linspace(0, 50, SIDE)
    picture = Image.fromarray(shades.clip(0, 255).astype(np.uint8)).convert(mode)
    save(picture, path)


def hole(path: str, start: int = 8) -> None:
    white = np.zeros((SIDE, SIDE), np.uint8)
    white[start : start + 8, 8:16] = 255
    save(Image.fromarray(white), path)


def save(picture: Image.Image, path: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)


def pixels(path: str | Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


def files(folder: str = "out") -> list[str]:
    """The files in a folder, at any depth; hidden ones too."""
    paths = (path for path in Path(folder).rglob("*") if path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in paths)


def filled_rows(name: str) -> tuple[int, int]:
    """The first and last rows that differ between `photos/` and `out/`."""
    rows = np.flatnonzero(
        (pixels(f"out/{name}") != pixels(f"photos/{name}")).any((1, 2))
    )
    return int(rows[0]), int(rows[-1])


# --- pairs and folders -------------------------------------------------------------


def test_nested_folders_are_mirrored_and_their_masks_found(
    inpaint: Callable[..., int],
) -> None:
    """Two photographs of one name have masks and results of their own."""
    for start, name in enumerate(("a.png", "one/a.png", "two/a.png")):
        photograph(f"photos/{name}")
        hole(f"masks/{name}", start=4 * start)
    photograph("photos/.ipynb_checkpoints/a-checkpoint.png")
    photograph("photos/.hidden.png")
    assert inpaint("photos", "--mask", "masks", "--out", "out") == 0
    assert files() == ["a.png", "one/a.png", "two/a.png"]
    starts = [filled_rows(name)[0] for name in files()]
    assert starts == [0, 4, 8]


@pytest.mark.parametrize("mask", ["a.mask.png", "a_mask.png", "a_mask001.png"])
def test_photographs_and_masks_may_share_a_folder(
    inpaint: Callable[..., int], mask: str
) -> None:
    photograph("photos/a.png")
    hole(f"photos/{mask}")
    assert inpaint("photos", "--mask", "photos", "--out", "out") == 0
    assert files() == ["a.png"]
    assert filled_rows("a.png") == (8, 15)
    listed = ["photos/a.png", f"photos/{mask}"]  # as the shell's photos/* does
    assert inpaint(*listed, "--mask", "photos", "--out", "again") == 0
    assert files("again") == ["a.png"]


def test_accents_match_in_both_unicode_forms(inpaint: Callable[..., int]) -> None:
    photograph(f"photos/{unicodedata.normalize('NFD', 'café')}.png")
    hole(f"masks/{unicodedata.normalize('NFC', 'café')}.png")
    assert inpaint("photos", "--mask", "masks", "--out", "out") == 0
    assert len(files()) == 1


def test_random_masks_are_found_again_beside_their_results(
    inpaint: Callable[..., int],
) -> None:
    for name in ("a.png", "deep/a.png"):
        photograph(f"photos/{name}")
    random = ("--random-mask", "rectangular", "--seed", "3", "--out", "out")
    assert inpaint("photos", *random) == 0
    kept = ["a.mask.png", "a.png", "deep/a.mask.png", "deep/a.png"]
    assert files() == kept
    again = ("--mask", "out", "--no-invert", "--out", "again")
    assert inpaint("photos", *again) == 0
    assert files("again") == ["a.png", "deep/a.png"]
    for name in files("again"):
        assert np.array_equal(pixels(f"again/{name}"), pixels(f"out/{name}"))


def test_skipped_formats_are_listed_once(
    inpaint: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        photograph(f"photos/{name}.png")
        photograph(f"photos/{name}.gif")
    Path("photos/notes.txt").touch()
    hole("mask.png")
    assert inpaint("photos", "--mask", "mask.png", "--out", "out") == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if "skipped" in line]
    assert lines == ["gin: skipped files of other formats: 2 .gif, 1 .txt"]


def test_evaluating_and_completing_find_the_same_masks(
    inpaint: Callable[..., int],
) -> None:
    """In one folder with the photographs, or as `gin inpaint` left them."""
    for name in ("a.png", "deep/a.png"):
        photograph(f"photos/{name}")
    hole("photos/a_mask.png", start=4)
    hole("photos/deep/a_mask.png", start=12)
    dataset = open_dataset("photos")
    assert dataset.names() == ["a.png", "deep/a.png"]
    own = masks_of(dataset, "photos")
    assert [mask.argmax() // SIDE for mask in own] == [4, 12]
    random = ("--random-mask", "rectangular", "--seed", "5", "--out", "out")
    assert inpaint("photos", *random) == 0
    drawn = [*MaskSet("rectangular").draw(dataset, ORIGINAL, seed=5)]
    assert np.array_equal(masks_of(dataset, "out"), drawn)


def test_evaluating_reads_the_masks_back_that_it_wrote(tmp_path: Path) -> None:
    """Of photographs of one name in several folders, too."""
    for name in ("a.png", "one/a.png", "two/a.png"):
        photograph(f"{tmp_path}/photos/{name}")
    dataset = open_dataset(f"{tmp_path}/photos")
    holes = choose_masks(["cellular_automata"])
    protocol = Protocol([dataset], holes, [ORIGINAL], seed=2)
    EvaluationFolder(tmp_path / "table").write_masks(protocol)
    written = f"{tmp_path}/table/masks/photos/original/cellular_automata"
    drawn = [*holes[0].draw(dataset, ORIGINAL, seed=2)]
    assert np.array_equal(masks_of(dataset, written), drawn)


def masks_of(dataset: Dataset, folder: str) -> list[np.ndarray]:
    (holes,) = choose_masks([f"own={folder}"], invert=False)
    holes.check([dataset], [ORIGINAL])
    return [*holes.draw(dataset, ORIGINAL, seed=0)]


# --- formats -----------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["avif", "jp2", "tga", "ppm", "pgm"])
def test_other_formats_are_read(inpaint: Callable[..., int], suffix: str) -> None:
    photograph(f"photos/a.{suffix}", mode="L" if suffix == "pgm" else "RGB")
    hole("mask.png")
    assert inpaint("photos", "--mask", "mask.png", "--out", "out") == 0
    known = pixels("mask.png") == 0
    assert np.array_equal(
        pixels("out/a.png")[known], pixels(f"photos/a.{suffix}")[known]
    )


@pytest.mark.parametrize(
    ("option", "results"),
    [
        ("png", ["a.png", "b.png", "c.png", "d.png"]),
        ("jpg", ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]),
        ("webp", ["a.webp", "b.webp", "c.webp", "d.webp"]),
        ("same", ["a.png", "b.JPG", "c.webp", "d.png"]),
    ],
)
def test_results_have_the_format_that_is_asked_for(
    inpaint: Callable[..., int], option: str, results: list[str]
) -> None:
    for name in ("a.png", "b.JPG", "c.webp", "d.bmp"):
        photograph(f"photos/{name}")
    hole("mask.png")
    options = ("--mask", "mask.png", "--out", "out", "--format", option)
    assert inpaint("photos", *options) == 0
    assert files() == results
    known = pixels("mask.png") == 0
    formats = {".png": "PNG", ".jpg": "JPEG", ".webp": "WEBP"}
    for name, source in zip(
        results, ("a.png", "b.JPG", "c.webp", "d.bmp"), strict=True
    ):
        with Image.open(f"out/{name}") as result:
            assert result.format == formats[Path(name).suffix.lower()]
        difference = np.abs(
            pixels(f"out/{name}") - pixels(f"photos/{source}").astype(int)
        )
        far = 0 if name.endswith("png") else 40  # beside the hole more than elsewhere
        assert difference[known].max() <= far


def test_quality_changes_the_size_of_the_file(inpaint: Callable[..., int]) -> None:
    photograph("a.png")
    hole("mask.png")
    sizes = []
    for quality in ("10", "95", "100"):
        options = ("--format", "jpg", "--quality", quality, "--out", quality)
        assert inpaint("a.png", "--mask", "mask.png", *options) == 0
        sizes.append(Path(quality, "a.jpg").stat().st_size)
    assert sizes == sorted(set(sizes))


def test_lossy_results_keep_exif_profile_and_comment(
    inpaint: Callable[..., int],
) -> None:
    photograph("a.png")
    hole("mask.png")
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    exif[0x0112] = 3  # upside down
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    with Image.open("a.png") as picture:
        picture.save(
            "a.jpg", exif=exif, icc_profile=profile, comment=b"hello", dpi=(72, 72)
        )
    for option in ("jpg", "webp"):
        options = ("--mask", "mask.png", "--out", "out", "--format", option)
        assert inpaint("a.jpg", *options) == 0
        with Image.open(f"out/a.{option}") as result:
            assert dict(result.getexif()) == {0x010F: "Maker"}
            assert result.info["icc_profile"] == profile
            if option == "jpg":
                assert result.info["comment"] == b"hello"
                assert result.info["dpi"] == (72, 72)


@pytest.mark.parametrize(
    ("mode", "option", "message"),
    [
        ("RGBA", "jpg", r"a.png: has transparency, which .jpg files cannot hold"),
        ("I;16", "webp", r"a.png: has 16 bits a channel, which .webp files cannot"),
        ("RGB", "png", r"--quality: goes with --format jpg, webp or same"),
    ],
)
def test_formats_that_would_lose_something_are_refused(
    inpaint: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    mode: str,
    option: str,
    message: str,
) -> None:
    photograph("a.png", mode=mode)
    hole("mask.png")
    options = ("--mask", "mask.png", "--out", "out", "--format", option)
    assert inpaint("a.png", *options, "--quality", "90") == 2
    assert message in capsys.readouterr().err
    assert not Path("out").exists()


def test_cmyk_is_converted_where_it_is_asked_for(
    inpaint: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    photograph("a.jpg", mode="CMYK")
    hole("mask.png")
    options = ("--mask", "mask.png", "--out", "out")
    assert inpaint("a.jpg", *options) == 2
    assert "a.jpg: its mode is CMYK; expected" in (said := capsys.readouterr().err)
    assert "--convert" in said
    assert inpaint("a.jpg", *options, "--convert") == 0
    with Image.open("a.jpg") as picture, Image.open("out/a.png") as result:
        assert result.mode == "RGB"
        expected = np.asarray(picture.convert("RGB"))
    known = pixels("mask.png") == 0
    assert np.array_equal(pixels("out/a.png")[known], expected[known])


# --- batches that finish -----------------------------------------------------------


@pytest.mark.parametrize(
    "masks", [("--mask", "mask.png"), ("--random-mask", "cellular")]
)
def test_an_interrupted_batch_goes_on_with_skip_existing(
    inpaint: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    masks: tuple[str, str],
) -> None:
    for name in "abc":
        photograph(f"photos/{name}.png", seed=ord(name) - ord("a"))
    hole("mask.png")
    assert inpaint("photos", *masks, "--out", "whole") == 0
    complete, save_picture, calls = gin.Inpainter.__call__, Image.Image.save, []

    def count(*arguments: object, **options: object) -> Image.Image:
        calls.append(arguments)
        return complete(*arguments, **options)

    def interrupted(
        picture: Image.Image, path: Path, *arguments: object, **options: object
    ) -> None:
        if len(calls) == 2 and picture.mode == "RGB":  # b's result; its mask is there
            signal.raise_signal(signal.SIGINT)
        save_picture(picture, path, *arguments, **options)

    monkeypatch.setattr(gin.Inpainter, "__call__", count)
    # A background shell ignores Ctrl-C, and its children inherit that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with monkeypatch.context() as patch:
        patch.setattr(Image.Image, "save", interrupted)
        assert inpaint("photos", *masks, "--out", "out") == 130
    signal.signal(signal.SIGINT, before)
    assert [name for name in files() if "mask" not in name] == ["a.png"]
    again = ("photos", *masks, "--out", "out", "--skip-existing")
    capsys.readouterr()
    assert inpaint(*again) == 0
    assert "2 photographs completed in" in (said := capsys.readouterr().out)
    assert "1 skipped, whose results exist" in said
    assert len(calls) == 4  # a, b twice, c
    assert files() == files("whole")
    for name in files():
        assert Path("out", name).read_bytes() == Path("whole", name).read_bytes()
    assert inpaint(*again) == 0
    assert "0 photographs completed" in capsys.readouterr().out
    assert len(calls) == 4


def test_a_mask_of_another_seed_is_not_replaced(
    inpaint: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    photograph("a.png")
    random = ("a.png", "--random-mask", "cellular", "--out", "out", "--skip-existing")
    assert inpaint(*random) == 0
    Path("out/a.png").unlink()
    mask = Path("out/a.mask.png").read_bytes()
    assert inpaint(*random, "--seed", "9") == 2
    assert "a.mask.png: exists already" in capsys.readouterr().err
    assert Path("out/a.mask.png").read_bytes() == mask


def test_skip_existing_and_force_exclude_each_other(
    inpaint: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    photograph("a.png")
    hole("mask.png")
    options = ("--mask", "mask.png", "--out", "out", "--force", "--skip-existing")
    assert inpaint("a.png", *options) == 2
    assert "--force and --skip-existing: expected one" in capsys.readouterr().err


BAD: dict[str, tuple[Callable[[], object], str]] = {
    "damaged photograph": (
        lambda: Path("photos/b.png").write_bytes(b"not a picture"),
        "photos/b.png: cannot be read as a picture",
    ),
    "no mask": (
        lambda: Path("masks/b.png").unlink(),
        "photos/b.png: expected one mask in masks",
    ),
    "empty mask": (
        lambda: Image.new("L", (SIDE, SIDE)).save("masks/b.png"),
        "masks/b.png for photos/b.png: 0 % of the picture is missing",
    ),
}


@pytest.mark.parametrize("bad", BAD)
def test_keep_going_completes_the_others_and_names_what_failed(
    inpaint: Callable[..., int], capsys: pytest.CaptureFixture[str], bad: str
) -> None:
    for name in "abc":
        photograph(f"photos/{name}.png")
        hole(f"masks/{name}.png")
    damage, message = BAD[bad]
    damage()
    options = ("photos", "--mask", "masks", "--out", "out")
    assert inpaint(*options) == 2
    assert not Path("out").exists()
    capsys.readouterr()
    assert inpaint(*options, "--keep-going") == 1
    assert files() == ["a.png", "c.png"]
    said, complaint = capsys.readouterr()
    assert "2 photographs completed" in said
    assert "1 failed" in said
    (line,) = [line for line in complaint.splitlines() if line.startswith("gin: ")]
    assert message in line
    assert "photos/b.png" in line


def test_keep_going_names_what_fails_on_the_way(
    inpaint: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in "abc":
        photograph(f"photos/{name}.png")
    hole("mask.png")
    complete, calls = gin.Inpainter.__call__, []

    def too_large(*arguments: object, **options: object) -> Image.Image:
        calls.append(arguments)
        if len(calls) == 2:
            raise MemoryError
        return complete(*arguments, **options)

    monkeypatch.setattr(gin.Inpainter, "__call__", too_large)
    options = ("photos", "--mask", "mask.png", "--out", "out", "--keep-going")
    assert inpaint(*options) == 1
    assert files() == ["a.png", "c.png"]
    assert "gin: photos/b.png: not enough memory\n" in capsys.readouterr().err


def test_results_inside_the_folder_are_no_photographs(
    inpaint: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "deep/b"):
        photograph(f"photos/{name}.png")
    hole("mask.png")
    options = ("photos", "--mask", "mask.png", "--out", "photos/done")
    assert inpaint(*options) == 0
    before = {path: path.stat().st_mtime_ns for path in Path("photos").rglob("*.png")}
    assert len(before) == 4
    assert inpaint(*options, "--skip-existing") == 0
    assert "2 skipped" in capsys.readouterr().out
    assert before == {path: path.stat().st_mtime_ns for path in before}
    assert inpaint(*options, "--force") == 0
    assert len([*Path("photos").rglob("*.png")]) == 4


def test_a_photograph_that_is_named_twice_is_completed_once(
    inpaint: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    photograph("photos/a.png")
    hole("mask.png")
    names = ("photos", "photos/a.png", "photos/a.png")
    assert inpaint(*names, "--mask", "mask.png", "--out", "out") == 0
    assert capsys.readouterr().out.startswith("1 photograph completed")


@pytest.mark.parametrize(("suffix", "most"), [("jpg", 65_500), ("webp", 16_383)])
def test_what_a_format_cannot_hold_is_found_before_the_first_completion(
    suffix: str,
    most: int,
    inpaint: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    photograph("photos/a.png")
    Image.new("L", (most + 1, 16)).save("photos/b.png")
    options = ("--random-mask", "rectangular", "--out", "out", "--format", suffix)
    assert inpaint("photos", *options) == 2
    assert f"photos/b.png: {most + 1} x 16 px, and .{suffix}" in capsys.readouterr().err
    assert not Path("out").exists()


def test_nothing_completed_is_a_failure_without_a_traceback(
    inpaint: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    hole("mask.png")
    options = ("--mask", "mask.png", "--out", "out", "--keep-going")
    assert inpaint("gone.png", *options) == 1
    said, complaint = capsys.readouterr()
    assert said.startswith("0 photographs completed")
    assert "gin: gone.png: no such file" in complaint


# --- several processes -------------------------------------------------------------


def by_torchrun(count: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = ROOT / "tests/helpers/gin_program.py"
    launcher = ("-m", "torch.distributed.run", "--standalone")
    return subprocess.run(
        [
            *(sys.executable, *launcher, "--nproc-per-node", str(count), program),
            *("inpaint", *arguments, "--devices", str(count), "--device", "cpu"),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_several_processes_give_the_results_of_one(
    inpaint: Callable[..., int], weights: str
) -> None:
    """One of them meets a photograph that cannot be used."""
    for name in "abcde":
        photograph(f"photos/{name}.png", seed=ord(name) - ord("a"))
    Path("photos/bad.png").write_bytes(b"not a picture")
    options = ("photos", "--random-mask", "cellular", "--keep-going")
    assert inpaint(*options, "--out", "one") == 1
    together = by_torchrun(2, *options, "--out", "two", "--weights", weights)
    assert together.returncode == 1
    assert together.stdout.count("5 photographs completed") == 1, together.stderr
    assert together.stderr.count("gin: photos/bad.png: cannot be read") == 1
    assert files("two") == files("one")
    assert len(files("two")) == 10
    for name in files("two"):
        assert Path("two", name).read_bytes() == Path("one", name).read_bytes()
