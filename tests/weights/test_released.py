"""Parity with the authors' network, and the import of their files."""

import os
import re
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import gdown
import numpy as np
import pytest
import torch
from memory import megabytes
from reference import BASE_WIDTHS, FIXTURES, released_shapes, released_state

import gin
from gin.baselines import load_deepfillv2
from gin.cli.app import main
from gin.weights import checkpoints, released
from gin.weights.imagenet import load_backbone
from gin.weights.released import released_names


@pytest.mark.parametrize("inference", [False, True])
@pytest.mark.parametrize("name", ["a", "b"])
def test_parity_with_the_released_network(
    name: str, inference: bool, tmp_path: Path
) -> None:
    torch.save(released_state(BASE_WIDTHS[name]), tmp_path / "generator.pth")
    # In float64, so that the file's own rounding is all that can differ.
    net = gin.load_released(tmp_path / "generator.pth").double()
    stored = np.load(FIXTURES / f"released_generator_{name}.npz")
    image, mask = (torch.from_numpy(stored[key]).double() for key in ("gt", "mask"))
    if inference:
        image = image * (1 - mask)
    with torch.no_grad():
        done = net(image, mask)
    largest = {
        key: np.abs(value.numpy() - stored[key]).max()
        for key, value in done._asdict().items()
    }
    print(largest)
    assert max(largest.values()) < 1e-5
    if inference:
        for key in ("out", "completed"):
            ours = getattr(done, key).numpy()
            assert np.abs(ours - stored[f"{key}_inference"]).max() < 1e-5


def test_every_published_tensor_has_its_own_place() -> None:
    names = released_names()
    assert set(names) == set(released_shapes(64))
    with torch.device("meta"):
        ours = gin.DeepGIN().state_dict()
    assert sorted(names.values()) == sorted(ours)
    for theirs, shape in released_shapes(64).items():
        assert tuple(ours[names[theirs]].shape) == shape


def test_a_missing_and_an_extra_tensor_are_named() -> None:
    state = released_state(8)
    state["stray.weight"] = state.pop("r_de_conv5.weight")
    with pytest.raises(gin.InputError) as error:
        gin.load_released(state)
    assert "1 missing: r_de_conv5.weight" in str(error.value)
    assert "1 not expected: stray.weight" in str(error.value)


def test_a_wrong_shape_is_named() -> None:
    state = released_state(8)
    state["r_de_conv5.weight"] = torch.zeros(3, 4, 5, 5)
    with pytest.raises(
        gin.InputError, match=r"refinement.rgb.weight is \(3, 4, 5, 5\)"
    ):
        gin.load_released(state)


class Payload:
    """A pickle that makes a folder when it is loaded the unsafe way."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.folder),)


def test_a_pickle_that_runs_code_is_refused(tmp_path: Path) -> None:
    torch.save({"weights": Payload(tmp_path / "owned")}, tmp_path / "bad.pth")
    with pytest.raises(gin.InputError, match="bad.pth: refused"):
        gin.load_released(tmp_path / "bad.pth")
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 cut off"])
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(gin.InputError, match="weights.pth: "):
        gin.load_released(path)


def test_other_content_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(gin.InputError, match="list.pth: holds something other"):
        gin.load_released(tmp_path / "list.pth")
    with pytest.raises(gin.InputError, match="none.pth: no such file"):
        gin.load_released(tmp_path / "none.pth")


# What may be saved in the place of weights, or around them


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_wrappers_and_data_parallels_prefix_are_read(
    wrapped: bool, prefix: str, tmp_path: Path
) -> None:
    state = {f"{prefix}{name}": value for name, value in released_state(8).items()}
    content = {"epoch": 3, "state_dict": state} if wrapped else state
    torch.save(content, tmp_path / "theirs.pth")
    for source in (content, tmp_path / "theirs.pth"):
        net = gin.load_released(source)
        assert torch.equal(
            net.coarse.rgb.bias, released_state(8)["lr_coarse_tinker.31.bias"]
        )


def test_deepfillv2s_wrapper_is_not_deepgins(tmp_path: Path) -> None:
    content = {"G": released_state(8)}
    torch.save(content, tmp_path / "theirs.pth")
    for source in (content, tmp_path / "theirs.pth"):
        with pytest.raises(gin.InputError, match="holds something other"):
            gin.load_released(source)


HTML = b"\n<!DOCTYPE html><html><head><title>Sign in</title></head></html>"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(
    ("content", "words"),
    [(HTML, "an HTML page"), (LFS, "a Git LFS pointer")],
    ids=["page", "pointer"],
)
def test_a_page_and_a_pointer_are_called_what_they_are(
    suffix: str, content: bytes, words: str, tmp_path: Path
) -> None:
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(content)
    for read in (
        checkpoints.network,
        load_deepfillv2,
        lambda path: load_backbone("alexnet", path),
    ):
        with pytest.raises(gin.InputError, match=f"weights{suffix}: {words}; expected"):
            read(path)


# Files that claim more than they hold


def forge(path: Path, edit: Callable[[bytes], bytes], compression: int) -> Path:
    """Write the file again with another pickle in it."""
    with zipfile.ZipFile(path) as archive:
        entries = [
            (entry.filename, archive.read(entry)) for entry in archive.infolist()
        ]
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in entries:
            archive.writestr(name, edit(content) if name.endswith(".pkl") else content)
    return path


def wide(path: Path) -> Path:
    """One number, expanded to a base width of 8192: 1 TB."""
    state = {
        name: torch.zeros(1).expand(s) for name, s in released_shapes(8192).items()
    }
    torch.save(state, path)
    return path


def bomb(path: Path) -> Path:
    """Zeros, deflated to a thousandth."""
    torch.save({"a": torch.zeros(3 * 10**7)}, path)
    return forge(path, lambda content: content, zipfile.ZIP_DEFLATED)


def long_storage(path: Path) -> Path:
    """300 numbers, said to be 10 ** 13."""
    torch.save({"a": torch.zeros(300)}, path)
    claimed = b"\x8a\x06" + (10**13).to_bytes(6, "little")
    return forge(path, lambda p: p.replace(b"M\x2c\x01", claimed), zipfile.ZIP_STORED)


def long_storage_of_old(path: Path) -> Path:
    """The same in the format before the zip files, 8 * 10 ** 9 numbers."""
    torch.save({"a": torch.zeros(300)}, path, _use_new_zipfile_serialization=False)
    claimed = b"\x8a\x05" + (2 * 10**9).to_bytes(5, "little")
    path.write_bytes(path.read_bytes().replace(b"M\x2c\x01", claimed))
    return path


def no_storage(path: Path) -> Path:
    """A tensor on the device "meta"."""
    torch.save({"a": torch.zeros(10**6, 10**6, device="meta")}, path)
    return path


def sparse(path: Path) -> Path:
    """Nothing in a million million."""
    torch.save({"a": torch.sparse_coo_tensor(size=(10**6, 10**6))}, path)
    return path


@pytest.mark.filterwarnings("ignore:Sparse inv", "ignore:Validating sparse")
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (wide, r"its tensors would take [\d,]+ bytes; expected no more than the file"),
        (bomb, r"refused, it would unpack to [\d,]+ bytes; expected no more than the"),
        (long_storage, "not a readable PyTorch file"),
        (long_storage_of_old, "not a readable PyTorch file"),
        (no_storage, "holds something other than named tensors"),
        (sparse, "holds something other than named tensors"),
    ],
    ids=["wide", "bomb", "long storage", "long storage of old", "no storage", "sparse"],
)
def test_what_a_file_claims_takes_no_memory(
    make: Callable[[Path], Path], words: str, tmp_path: Path
) -> None:
    path = make(tmp_path / "weights.pth")

    def load() -> None:
        with pytest.raises(gin.InputError, match=f"weights.pth: {words}"):
            gin.load_released(path)

    assert megabytes(load) < 50


def test_a_width_and_types_that_are_none() -> None:
    state = released_state(8)
    with pytest.raises(gin.InputError, match="its base width is 0; expected"):
        gin.load_released({**state, "r_en_conv2.bias": torch.zeros(0)})
    with pytest.raises(
        gin.InputError, match="configuration is not usable: base_channe"
    ):
        gin.load_released({**state, "r_en_conv2.bias": torch.tensor(1.0)})
    alpha = "r_de_conv5_lr_alpha.bias"
    with pytest.raises(
        gin.InputError, match=r"alpha.bias is \(1,\) of torch.complex64"
    ):
        gin.load_released({**state, alpha: torch.zeros(1, dtype=torch.complex64)})


# The authors' file by name, against a stand-in for Google Drive


class Drive(BaseHTTPRequestHandler):
    """Answers with `answer`: status, promised length, content."""

    answer: tuple[int, int, bytes]
    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        status, length, content = self.answer
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def drive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Drive]]:
    """gdown itself, at an address on this computer; torch's cache is empty."""
    download = gdown.download
    handler = type("Handler", (Drive,), {})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.02,))
        thread.start()
        address = f"http://127.0.0.1:{http.server_port}"
        monkeypatch.setattr(
            gdown, "download", lambda id, **given: download(f"{address}/{id}", **given)
        )
        monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
        yield handler
        http.shutdown()
        thread.join()


@pytest.fixture
def theirs(tmp_path: Path) -> bytes:
    torch.save(released_state(8), tmp_path / "theirs.pth")
    return (tmp_path / "theirs.pth").read_bytes()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "torch" / "hub" / "checkpoints" / "deepgin-released.pth"


def test_released_is_downloaded_once_and_remembered(
    drive: type[Drive],
    theirs: bytes,
    place: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    drive.answer = (200, len(theirs), theirs)
    for _ in range(2):
        net = gin.Inpainter.from_pretrained("released").net
        assert (net.base_channels, net.composite) == (8, True)
    assert drive.asked == 1
    assert place.read_bytes() == theirs
    assert main(["info", "--weights", "released"]) == 0
    assert re.search(rf"weights +{place}", capsys.readouterr().out)

    place.write_bytes(theirs[:-1] + b"\x01")
    with pytest.raises(
        gin.InputError, match="SHA-256 is .* it was .* first read; remove"
    ):
        checkpoints.network("released")
    assert drive.asked == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda whole: (403, 0, b""), "403"),
        (lambda whole: (404, 0, b""), "404"),
        (lambda whole: (200, len(HTML), HTML), "the downloaded file: an HTML page"),
        (lambda whole: (200, len(whole), whole[:5000]), "incomplete"),
        (
            lambda whole: (200, 5000, whole[:5000]),
            "the downloaded file: not a readable PyTorch",
        ),
        (lambda whole: (200, 0, b""), "the downloaded file: not a readable PyTorch"),
    ],
    ids=["refused", "gone", "a page", "cut off", "truncated", "empty"],
)
def test_released_that_is_not_to_be_had(
    answer: Callable[[bytes], tuple[int, int, bytes]],
    reason: str,
    drive: type[Drive],
    theirs: bytes,
    place: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    drive.answer = answer(theirs)
    assert main(["info", "--weights", "released"]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("gin: the authors' weights were not downloaded (")
    assert reason in said
    link = "https://drive.google.com/file/d/1yOtMELWwTBc-PMSY69x1FH8D1anUN7tD/view"
    assert f"download {link} in a browser and put the file at {place}" in said
    assert [path.name for path in place.parent.iterdir()] == ["deepgin-released.lock"]


def test_released_without_a_network(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    for scheme in ("HTTP_PROXY", "HTTPS_PROXY", "https_proxy", "http_proxy"):
        monkeypatch.setenv(scheme, "http://127.0.0.1:9")
    with pytest.raises(
        gin.InputError, match=r"not downloaded \(Google Drive: "
    ) as error:
        checkpoints.network("released")
    assert "\n" not in str(error.value)
    assert not place.exists()


def test_released_that_was_put_there_by_hand(
    drive: type[Drive], theirs: bytes, place: Path
) -> None:
    place.parent.mkdir(parents=True)
    place.write_bytes(HTML)
    with pytest.raises(gin.InputError, match="deepgin-released.pth: an HTML page"):
        checkpoints.network("released")
    place.write_bytes(theirs)
    assert checkpoints.network("released").base_channels == 8
    assert place.with_suffix(".sha256").exists()
    assert drive.asked == 0


def test_two_that_want_released_download_it_once(
    drive: type[Drive], theirs: bytes
) -> None:
    drive.answer = (200, len(theirs), theirs)
    threads = [threading.Thread(target=released.released_file) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert drive.asked == 1
