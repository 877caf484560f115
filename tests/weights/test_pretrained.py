"""Where weights come from, and what is said when there are none."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gin.errors import InputError
from gin.generator import DeepGIN
from gin.inpainting import Inpainter
from gin.weights import checkpoints
from gin.weights.released import released_names


@pytest.fixture(scope="module")
def net() -> DeepGIN:
    return DeepGIN(base_channels=16, composite=True)


def same(one: DeepGIN, two: DeepGIN) -> bool:
    first, second = one.state_dict(), two.state_dict()
    return all(torch.equal(first[name], second[name]) for name in first | second)


@pytest.mark.parametrize("as_path", [True, False])
def test_a_file_and_its_folder(net: DeepGIN, tmp_path: Path, as_path: bool) -> None:
    checkpoints.save(net, tmp_path / "mine.safetensors")
    checkpoints.save(net, tmp_path / checkpoints.FILE_NAME)
    for path in (tmp_path / "mine.safetensors", tmp_path):
        loaded = checkpoints.network(path if as_path else str(path))
        assert same(loaded, net)


@pytest.mark.parametrize("suffix", [".pth", ".pt"])
def test_the_authors_file(net: DeepGIN, tmp_path: Path, suffix: str) -> None:
    state = net.state_dict()
    theirs = {name: state[ours] for name, ours in released_names().items()}
    torch.save(theirs, tmp_path / f"latest_net_G{suffix}")
    loaded = checkpoints.network(tmp_path / f"latest_net_G{suffix}")
    assert same(loaded, net)
    assert loaded.composite


def test_a_name_on_the_hub(
    net: DeepGIN, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints.save(net, tmp_path / "cached.safetensors")
    asked = []

    def fetch(repository: str) -> Path:
        asked.append(repository)
        return tmp_path / "cached.safetensors"

    monkeypatch.setattr(checkpoints, "fetch", fetch)
    assert same(Inpainter.from_pretrained("hf:someone/deepgin-v1.5").net, net)
    assert same(checkpoints.network("hf:someone/deepgin@v2"), net)
    assert asked == ["someone/deepgin-v1.5", "someone/deepgin@v2"]


def test_a_typing_error_does_not_ask_the_hub(
    net: DeepGIN, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(checkpoints, "hf_hub_download", None)
    checkpoints.save(net, tmp_path / "run1" / "weights.safetensors")
    for typed in ("run1/wieghts", "run1/weigths.safetensors", "run1"):
        with pytest.raises(InputError, match="did you mean run1/weights.safetensors.?"):
            checkpoints.network(typed)
    with pytest.raises(InputError, match="did you mean run1.?"):
        checkpoints.network("runn1/weights.safetensors")
    with pytest.raises(
        InputError, match="someone/deepgin: no such file or folder; exp"
    ):
        checkpoints.network("someone/deepgin")


def test_the_package_comes_before_the_checkout(
    net: DeepGIN, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "gin" / "weights" / "checkpoints.py"
    monkeypatch.setattr(checkpoints, "__file__", str(program))
    with pytest.raises(InputError, match="shipped weights.*lie neither in .* nor in"):
        checkpoints.network()
    places = (tmp_path / "data" / "weights", tmp_path / "gin" / "_weights")
    for place in places:
        place.mkdir(parents=True)
        checkpoints.save(net, place / checkpoints.FILE_NAME)
        assert checkpoints.shipped() == place / checkpoints.FILE_NAME
        assert same(checkpoints.network(), net)


def test_an_inpainter_from_them(net: DeepGIN, tmp_path: Path) -> None:
    checkpoints.save(net, tmp_path / "w.safetensors")
    inpaint = Inpainter.from_pretrained(tmp_path / "w.safetensors", "cpu", "bf16")
    assert (inpaint.device.type, inpaint.precision) == ("cpu", "bf16")
    assert same(inpaint.net, net)
    mask = np.zeros((16, 16), np.uint8)
    mask[5:9, 5:9] = 1
    assert inpaint(Image.new("RGB", (16, 16)), mask).size == (16, 16)


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [
        ("nowhere", "nowhere: no such file or folder; expected a .safetensors or"),
        ("a/b/c", "a/b/c: no such file or folder"),
        ("../deepgin", "../deepgin: no such file or folder"),
        ("runs/none.safetensors", "none.safetensors: no such file"),
        ("runs/none.pth", "none.pth: no such file"),
        ("hf:nobody/nothing", "hf:nobody/nothing: no deepgin.safetensors from the Hug"),
        ("hf:nothing", "hf:nothing: expected hf:owner/name or hf:owner/name@revision"),
    ],
)
def test_missing_weights(
    weights: str,
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=sentence) as refusal:
        checkpoints.network(weights)
    assert "\n" not in str(refusal.value)


def test_a_folder_without_weights(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="deepgin.safetensors: no such file"):
        checkpoints.network(tmp_path)


def test_a_picture_is_not_weights(tmp_path: Path) -> None:
    Image.new("RGB", (16, 16)).save(tmp_path / "photo.png")
    with pytest.raises(InputError, match="photo.png: not a readable safetensors file"):
        checkpoints.network(tmp_path / "photo.png")
