"""Saving and loading weights, and what must not be loaded."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from memory import megabytes
from safetensors.torch import save_file

import gin
from gin.weights import checkpoints


@pytest.mark.parametrize("variant", gin.VARIANTS)
def test_a_network_comes_back_as_it_was(variant: str, tmp_path: Path) -> None:
    net = gin.DeepGIN(variant, base_channels=8, composite=True)
    gin.save(net, tmp_path / "w.safetensors", notes={"licence": "CC0"})
    back = gin.load(tmp_path / "w.safetensors")
    assert (back.variant, back.base_channels, back.composite) == (variant, 8, True)
    assert not back.training
    for name, tensor in net.state_dict().items():
        assert torch.equal(back.state_dict()[name], tensor)
    assert checkpoints.metadata(tmp_path / "w.safetensors")["licence"] == "CC0"


def test_half_precision_is_half_the_size_and_nearly_the_same(tmp_path: Path) -> None:
    net = gin.DeepGIN(base_channels=8)
    for half in (False, True):
        gin.save(net, tmp_path / f"{half}.safetensors", half=half)
    whole, half_size = (
        (tmp_path / f"{h}.safetensors").stat().st_size for h in (False, True)
    )
    assert half_size < 0.55 * whole
    back = gin.load(tmp_path / "True.safetensors")
    for name, tensor in net.state_dict().items():
        assert back.state_dict()[name].dtype == torch.float32
        torch.testing.assert_close(
            back.state_dict()[name], tensor, rtol=1e-3, atol=1e-6
        )


def test_an_interrupted_save_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "w.safetensors"
    gin.save(gin.DeepGIN(base_channels=8), path)
    before = path.read_bytes()

    def fail(target: Path, content: bytes) -> None:
        with target.open("wb") as file:
            file.write(content[:12])
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(KeyboardInterrupt):
        gin.save(gin.DeepGIN(base_channels=8), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def write(path: Path, configuration: object, drop: str = "") -> Path:
    state = gin.DeepGIN(base_channels=8).state_dict()
    state.pop(drop, None)
    save_file(state, path, {"gin": json.dumps(configuration)})
    return path


GOOD = {"variant": "SPDResBlk-MSSA-BP", "base_channels": 8, "composite": False}


@pytest.mark.parametrize(
    ("configuration", "message"),
    [
        ({"base_channels": 8}, "not DeepGIN's configuration"),
        (["a list"], "not DeepGIN's configuration"),
        ({**GOOD, "variant": "other"}, "its configuration is not usable: variant"),
        ({**GOOD, "base_channels": "8"}, "its base width is '8'; expected a number"),
        (
            {**GOOD, "base_channels": 7},
            "its configuration is not usable: base_channels",
        ),
        ({**GOOD, "base_channels": 10**6}, "its base width is 1000000; expected"),
        ({**GOOD, "base_channels": 10**30}, "its base width is 10+; expected"),
        ({**GOOD, "base_channels": True}, "its base width is True; expected"),
        ({**GOOD, "variant": [1]}, "its configuration is not usable"),
        ({**GOOD, "variant": "StdResBlk"}, "not the weights of this network"),
        ({**GOOD, "base_channels": 16}, "tensors differ in shape"),
    ],
)
def test_a_wrong_configuration(
    configuration: object, message: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "w.safetensors", configuration)
    with pytest.raises(gin.InputError, match=f"w.safetensors: .*{message}"):
        gin.load(path)


def test_a_width_that_the_file_does_not_hold_takes_no_memory(tmp_path: Path) -> None:
    path = write(tmp_path / "w.safetensors", {**GOOD, "base_channels": 256})
    with pytest.raises(gin.InputError, match="tensors differ in shape"):
        gin.load(path)  # once, so that what stays is there already

    def load() -> None:
        with pytest.raises(gin.InputError, match="tensors differ in shape"):
            gin.load(path)

    assert megabytes(load) < 100  # the network has 2,700


def test_a_configuration_of_a_million_brackets(tmp_path: Path) -> None:
    path = tmp_path / "deep.safetensors"
    save_file({"a": torch.zeros(1)}, path, {"gin": 10**6 * "["})
    with pytest.raises(gin.InputError, match="not DeepGIN's configuration"):
        gin.load(path)


def test_weights_that_are_no_floats_are_refused(tmp_path: Path) -> None:
    state = gin.DeepGIN(base_channels=8).state_dict()
    state["coarse.rgb.bias"] = torch.zeros(3, dtype=torch.int64)
    save_file(state, tmp_path / "w.safetensors", {"gin": json.dumps(GOOD)})
    with pytest.raises(gin.InputError, match=r"rgb.bias is \(3,\) of torch.int64"):
        gin.load(tmp_path / "w.safetensors")


def test_a_file_can_be_overwritten_once_it_is_loaded(tmp_path: Path) -> None:
    path = write(tmp_path / "w.safetensors", GOOD)
    net = gin.load(path)
    before = net.coarse.rgb.weight.detach().clone()
    path.write_bytes(b"")  # nothing is mapped from it any more
    assert torch.equal(net.coarse.rgb.weight, before)
    assert net.coarse.rgb.weight.requires_grad


def test_a_missing_tensor_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "w.safetensors", GOOD, drop="coarse.rgb.bias")
    with pytest.raises(gin.InputError, match="1 missing: coarse.rgb.bias"):
        gin.load(path)


def test_damaged_other_and_missing_files(tmp_path: Path) -> None:
    whole = write(tmp_path / "w.safetensors", GOOD).read_bytes()
    for name, content in (
        ("cut.safetensors", whole[: len(whole) // 2]),
        ("empty.safetensors", b""),
        ("text.safetensors", b"hello, this is not a weights file"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(gin.InputError, match=f"{name}: not a readable safetensors"):
            gin.load(tmp_path / name)
    with pytest.raises(gin.InputError, match="none.safetensors: no such file"):
        gin.load(tmp_path / "none.safetensors")


@pytest.mark.parametrize("name", ["", ".", "x" * 300, "a\0b"])
def test_a_place_that_cannot_be_written_is_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    net = gin.DeepGIN("StdResBlk (Coarse only)", 2)
    with pytest.raises(gin.InputError, match="is a folder|cannot be written"):
        gin.save(net, name)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(gin.InputError, match="is a folder|cannot be read|no such"):
        gin.load(name)


def test_notes_are_kept_as_text(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    notes: Any = {"steps": 7}
    gin.save(gin.DeepGIN("StdResBlk (Coarse only)", 2), path, notes=notes)
    assert checkpoints.metadata(path)["steps"] == "7"


def test_the_content_of_a_file_counts_and_not_its_suffix(tmp_path: Path) -> None:
    path = tmp_path / "mine.pth"
    gin.save(gin.DeepGIN("StdResBlk (Coarse only)", 2), path)
    assert checkpoints.network(path).base_channels == 2
    with pytest.raises(gin.InputError, match="a safetensors file, which gin.load"):
        gin.load_released(path)


def test_push_to_hub_uploads_a_loadable_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against a stand-in for the Hub, since the real one needs an account."""
    calls = []

    class Hub:
        def create_repo(self, name: str, exist_ok: bool) -> None:
            calls.append((name, exist_ok))

        def upload_folder(self, repo_id: str, folder_path: str) -> object:
            net = gin.load(Path(folder_path) / checkpoints.FILE_NAME)
            calls.append((repo_id, net.base_channels))
            return type("Commit", (), {"commit_url": "the commit"})

    monkeypatch.setattr(checkpoints, "HfApi", Hub)
    net = gin.DeepGIN(base_channels=8)
    assert gin.push_to_hub(net, "me/deepgin", tmp_path) == "the commit"
    assert calls == [("me/deepgin", True), ("me/deepgin", 8)]


def test_fetch_asks_the_hub_for_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def download(repository: str, name: str, revision: str | None) -> str:
        asked.append((repository, name, revision))
        return str(tmp_path / name)

    monkeypatch.setattr(checkpoints, "hf_hub_download", download)
    for name in ("me/deepgin", "me/deepgin@v1.0"):
        assert checkpoints.fetch(name) == tmp_path / checkpoints.FILE_NAME
    assert asked == [
        ("me/deepgin", "deepgin.safetensors", None),
        ("me/deepgin", "deepgin.safetensors", "v1.0"),
    ]
    for name in ("", "me", "me/deepgin/more", "../deepgin", "me/deepgin@", "-/x y"):
        with pytest.raises(gin.InputError, match="expected hf:owner/name"):
            checkpoints.fetch(name)
