"""Folders, lists and torchvision's datasets give upright RGB pictures by name."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torchvision
from data_trees import folder_of, photograph
from PIL import Image

import gin
from gin.data.sources import (
    SUFFIXES,
    Files,
    Source,
    find_photographs,
    open_source,
    skipped_formats,
)
from gin.utils.images import decode


def names(source: Source) -> list[str]:
    return [source.name(index) for index in range(len(source))]


def test_photographs_are_found_at_any_depth(tmp_path: Path) -> None:
    photograph(0).save(tmp_path / "0.PNG")
    folder_of(tmp_path / "deep" / "er", 2)
    (tmp_path / "notes.md").write_text("not a photograph")
    source = open_source(tmp_path)
    assert names(source) == ["0.PNG", "deep/er/000.png", "deep/er/001.png"]
    assert find_photographs(tmp_path) == [tmp_path / name for name in names(source)]
    assert np.array_equal(source.read(2), photograph(1))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_suffix_is_found_and_read(tmp_path: Path, suffix: str) -> None:
    smooth = Image.linear_gradient("L").convert("RGB")
    smooth.save(tmp_path / f"picture{suffix}", quality=95)
    source = open_source(tmp_path)
    read = source.read(0)
    assert read.mode == "RGB"
    difference = np.asarray(read, int) - np.asarray(smooth, int)
    lossless = suffix not in (".jpg", ".jpeg", ".webp", ".avif")
    assert abs(difference).max() <= (0 if lossless else 8)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photographs_stand_upright(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = photograph(5, 20, 30)
    stored.save(tmp_path / "a.png", exif=exif)
    pixels = np.asarray(stored)
    upright = {
        1: pixels,
        2: pixels[:, ::-1],
        3: pixels[::-1, ::-1],
        4: pixels[::-1],
        5: pixels.transpose(1, 0, 2),
        6: np.rot90(pixels, -1),
        7: pixels[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(pixels),
    }[orientation]
    assert np.array_equal(open_source(tmp_path).read(0), upright)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    levels = np.array([[0, 96, 255]], np.uint8)
    if mode == "I;16":
        picture = Image.fromarray(levels.astype(np.uint16) * 256 + 7)
    else:
        picture = Image.fromarray(levels).convert(mode, dither=Image.Dither.NONE)
    picture.save(tmp_path / "a.tif")
    read = open_source(tmp_path).read(0)
    assert read.mode == "RGB"
    expected = [0, 0, 255] if mode == "1" else [0, 96, 255]
    assert np.asarray(read)[0].tolist() == [[level] * 3 for level in expected]


def test_floating_point_pictures_are_refused(tmp_path: Path) -> None:
    Image.new("F", (4, 4)).save(tmp_path / "a.tif")
    with pytest.raises(gin.InputError, match=r"a.tif: its mode is F; expected 8 or 16"):
        open_source(tmp_path).read(0)


def test_no_folder_and_no_photographs(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(gin.InputError, match="file: is a file; expected a folder"):
        open_source(tmp_path / "file")
    with pytest.raises(gin.InputError, match="none: no such folder"):
        open_source(tmp_path / "none")
    with pytest.raises(gin.InputError, match="no photographs in it; expected .jpg"):
        open_source(tmp_path)


def test_unreadable_photographs_are_named(tmp_path: Path) -> None:
    with pytest.raises(gin.InputError, match="gone.jpg: no such file"):
        Files(tmp_path, ["gone.jpg"]).read(0)
    with pytest.raises(gin.InputError, match=r"a.tar: 7.jpg: cannot be read"):
        decode(b"\xff\xd8 cut off", "a.tar: 7.jpg")


@pytest.mark.parametrize("root", ["beside", "absolute", "relative", "argument"])
def test_a_list_and_its_root(tmp_path: Path, root: str) -> None:
    photos = folder_of(tmp_path / "photos", 3)
    path = (photos if root == "beside" else tmp_path) / "list.txt"
    first = {"absolute": f"# root: {photos}\n", "relative": "# root: photos\n"}
    path.write_text(first.get(root, "") + "002.png\n\n000.png\n")
    source = open_source(path, photos if root == "argument" else None)
    assert names(source) == ["002.png", "000.png"]
    assert np.array_equal(source.read(0), photograph(2))


def test_lists_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(gin.InputError, match=r"no.txt: cannot be read \(No such file"):
        open_source(tmp_path / "no.txt")
    (tmp_path / "empty.txt").write_text("# root: /somewhere\n")
    with pytest.raises(gin.InputError, match=r"empty.txt: names no photographs"):
        open_source(tmp_path / "empty.txt")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8"])
def test_a_list_with_a_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    photos = folder_of(tmp_path / "photos", 2)
    path = tmp_path / "list.txt"
    path.write_bytes("# root: photos\r\n001.png\r\n".encode(encoding))
    assert names(open_source(path)) == ["001.png"]
    assert np.array_equal(open_source(path).read(0), photograph(1))
    path.write_text("001.png\n", encoding=encoding)
    assert np.array_equal(open_source(path, photos).read(0), photograph(1))


def test_a_list_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("001.png\n", encoding="utf-16")
    with pytest.raises(gin.InputError, match=r"list.txt: holds null bytes; .* UTF-8"):
        open_source(path)


def test_names_that_begin_with_a_dot_are_no_photographs(tmp_path: Path) -> None:
    root = folder_of(tmp_path / ".hidden" / "root", 1)
    photograph(0).save(root / "._000.png")
    folder_of(root / ".cache" / "deep", 1)
    (root / "folder.png").mkdir()
    assert names(open_source(root)) == ["000.png"]
    (root / "000.png").unlink()
    with pytest.raises(gin.InputError, match="no photographs in it"):
        open_source(root)


def test_jupyters_checkpoints_are_no_photographs(tmp_path: Path) -> None:
    root = folder_of(tmp_path, 1)
    folder_of(root / "deep" / ".ipynb_checkpoints", 2)
    assert names(open_source(root)) == ["000.png"]


@pytest.mark.parametrize("mask", ["a.mask.png", "a_mask.bmp", "a_mask001.png"])
def test_masks_beside_their_photographs_are_no_photographs(
    tmp_path: Path, mask: str
) -> None:
    for name in ("a.jpg", mask, "b_mask.png"):  # b_mask has no photograph b
        photograph(0).save(tmp_path / name)
    (tmp_path / "deep").mkdir()
    photograph(0).save(tmp_path / "deep" / mask)
    expected = ["a.jpg", "b_mask.png", f"deep/{mask}"]
    assert names(open_source(tmp_path)) == expected


def test_formats_that_are_skipped_are_counted(tmp_path: Path) -> None:
    for name in ("a.gif", "b.GIF", "deep/c.txt", "README", ".hidden.gif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    expected = "2 .gif, 1 .txt, 1 without suffix"
    with pytest.raises(gin.InputError, match=f"; found {expected}$"):
        open_source(tmp_path)
    photograph(0).save(tmp_path / "a.png")
    assert skipped_formats([tmp_path]) == expected


def test_a_named_pipe_among_photographs_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "list.txt").write_text("pipe.jpg")
    for source in (open_source(tmp_path), open_source(tmp_path / "list.txt")):
        with pytest.raises(gin.InputError, match=r"pipe.jpg: is not a regular file"):
            source.read(0)


def test_a_named_pipe_is_no_list(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "list.txt")
    with pytest.raises(gin.InputError, match="list.txt: is not a regular file"):
        open_source(tmp_path / "list.txt")


def test_a_fingerprint_knows_names_and_order_but_not_the_place(tmp_path: Path) -> None:
    one = Files(tmp_path, ["a", "b"]).fingerprint()
    assert Files(tmp_path / "moved", ["a", "b"]).fingerprint() == one
    assert Files(tmp_path, ["b", "a"]).fingerprint() != one
    assert Files(tmp_path, ["a"]).fingerprint() != one


def flowers(root: Path) -> None:
    """The files of Flowers102, with four photographs of which two train."""
    base = root / "flowers-102"
    (base / "jpg").mkdir(parents=True)
    for number in range(1, 5):
        photograph(number).save(base / "jpg" / f"image_{number:05}.jpg", quality=95)
    scipy.io.savemat(base / "imagelabels.mat", {"labels": [[1, 1, 2, 2]]})
    splits = {"trnid": [[4, 2]], "valid": [[1, 3]], "tstid": [[3, 1]]}
    scipy.io.savemat(base / "setid.mat", splits)


@pytest.fixture
def known_flowers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flowers102 without its checksums."""
    monkeypatch.setattr(
        torchvision.datasets.Flowers102,
        "_check_integrity",
        lambda self: self._images_folder.is_dir(),
    )


@pytest.mark.usefixtures("known_flowers")
def test_a_torchvision_dataset_that_is_there(tmp_path: Path) -> None:
    flowers(tmp_path)
    train = open_source("torchvision:Flowers102", tmp_path)
    assert names(train) == ["Flowers102[0]", "Flowers102[1]"]
    file = tmp_path / "flowers-102/jpg/image_00004.jpg"
    assert np.array_equal(train.read(0), Image.open(file))
    other = open_source("torchvision:Flowers102?split=val", tmp_path)
    assert other.fingerprint() != train.fingerprint()
    file = tmp_path / "flowers-102/jpg/image_00001.jpg"
    assert np.array_equal(other.read(0), Image.open(file))
    file.write_bytes(file.read_bytes()[:400])
    with pytest.raises(gin.InputError, match=r"Flowers102\[0\]: cannot be read \("):
        other.read(0)


@pytest.mark.usefixtures("known_flowers")
def test_a_torchvision_dataset_is_downloaded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    downloads = []

    def download(self: torchvision.datasets.Flowers102) -> None:
        downloads.append(self.root)
        flowers(Path(self.root))

    monkeypatch.setattr(torchvision.datasets.Flowers102, "download", download)
    for _ in range(2):
        assert len(open_source("torchvision:Flowers102", tmp_path)) == 2
    assert downloads == [str(tmp_path)]


def test_a_torchvision_dataset_without_a_root() -> None:
    source = open_source("torchvision:FakeData?size=3&num_classes=2")
    assert len(source) == 3
    assert source.read(2).size == (224, 224)
    assert np.array_equal(pickle.loads(pickle.dumps(source)).read(1), source.read(1))


def test_an_argument_that_is_text_stays_text(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def voc(year: str = "2012", size: int = 3, **others: object) -> list[None]:
        asked.append((year, size, others))
        return [None]

    monkeypatch.setattr(torchvision.datasets, "VOCDetection", voc)
    open_source("torchvision:VOCDetection?year=2007&size=4&small=true")
    assert asked == [("2007", 4, {"small": True})]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("torchvision:Flower102", r"no dataset of this name; .*Flowers102"),
        ("torchvision:CelebA", r"CelebA: expected a root folder for it, found none"),
        ("torchvision:FakeData?colour=red", r"cannot be opened \(.*colour"),
        ("torchvision:FakeData?size=0", r"there are no photographs in it"),
    ],
)
def test_torchvision_datasets_that_cannot_be_used(spec: str, message: str) -> None:
    with pytest.raises(gin.InputError, match=message):
        open_source(spec)


def test_a_torchvision_dataset_that_has_no_pictures(tmp_path: Path) -> None:
    class Sounds:
        def __len__(self) -> int:
            return 1

        def __getitem__(self, index: int) -> tuple[float, int]:
            return 0.5, 0

    source = gin.data.sources.TorchvisionDataset("Sounds", Sounds())
    with pytest.raises(gin.InputError, match=r"Sounds\[0\]: expected a picture, found"):
        source.read(0)
