"""Parity with the authors' network, and the import of their files."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from reference import BASE_WIDTHS, FIXTURES, released_shapes, released_state

import gin
from gin.released import released_names


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
