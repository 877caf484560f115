"""FID and KID against float64 computations of their own, and Inception's weights."""

import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import torch
from metric_reference import by_eigenvalues, by_loops, features
from safetensors.torch import save_file
from torch import Tensor, nn

from gin.errors import InputError, Unavailable
from gin.evaluation.fid_kid import SET_METRICS, Distribution, fid, inception, kid
from gin.weights import downloads
from gin.weights.state_dicts import read_state_dict

published = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
WEIGHTS = published.URL_INCEPTION_V3.rpartition("/")[2]


def by_square_root(x: np.ndarray, y: np.ndarray) -> float:
    """FID's formula with SciPy's matrix square root."""
    sigma_x, sigma_y = np.cov(x.T), np.cov(y.T)
    root = scipy.linalg.sqrtm(sigma_x @ sigma_y).real
    distance = np.square(x.mean(axis=0) - y.mean(axis=0)).sum()
    return distance + np.trace(sigma_x + sigma_y - 2 * root)


def test_fid_is_its_formula() -> None:
    x, y = features(60, 16)
    expected = by_square_root(x.numpy(), y.numpy())
    assert expected > 0.5
    assert fid(x, y) == pytest.approx(expected, rel=1e-9)
    assert fid(y, x) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("count", "dimensions"), [(2, 9), (30, 200), (60, 100)])
def test_fid_below_as_many_images_as_dimensions(count: int, dimensions: int) -> None:
    x, y = features(count, dimensions)
    expected = by_eigenvalues(x.numpy(), y.numpy())
    # The root of a rounded zero is no zero: each of D eigenvalues of the product of the
    # covariances is off by up to D eps times the largest, and counts twice by its root.
    product = np.linalg.norm(np.cov(x.T) @ np.cov(y.T), 2)
    rounded = dimensions * np.finfo(float).eps * product
    assert fid(x, y) == pytest.approx(expected, abs=2 * dimensions * rounded**0.5)


def test_fid_of_a_shift_is_its_square() -> None:
    x, _ = features(50, 12)
    assert fid(x + 2, x) == pytest.approx(12 * 4, rel=1e-6)
    assert 0 <= fid(x, x) < 1e-6


def test_kid_is_its_formula() -> None:
    x, y = features(25, 40)
    expected = by_loops(x.numpy(), y.numpy())
    assert kid(x, y) == pytest.approx(expected, rel=1e-10)


def test_kid_beyond_what_fits_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gin.evaluation.fid_kid.KID_SUBSET_SIZE", 40)
    x, y = features(200, 20)
    before = torch.get_rng_state()
    found = kid(x, y)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    assert kid(x, y) == found
    assert found != by_loops(x.numpy()[:40], y.numpy()[:40])  # drawn, not the first
    assert found == pytest.approx(by_loops(x.numpy(), y.numpy()), rel=0.5)


class Colours(nn.Module):
    """Three features a picture, on the range that Inception is given."""

    def forward(self, pictures: Tensor) -> Tensor:
        assert pictures.dtype == torch.uint8
        return pictures.double().mean(dim=(2, 3)) / 255


def photographs(count: int = 6) -> tuple[Tensor, Tensor, list[str]]:
    generator = torch.Generator().manual_seed(0)
    image = torch.rand((count, 3, 1, 1), generator=generator).expand(-1, -1, 4, 5)
    completed = 0.8 * image + 0.1 * torch.rand(image.shape, generator=generator)
    names = [f"set {i}/photograph-{i}.jpg" for i in range(count)]
    return (completed * 255).byte(), image, names


def test_order_and_batches_make_no_difference() -> None:
    completed, image, names = photographs()
    whole, parts = Distribution(Colours()), Distribution(Colours())
    whole.update(completed, image, names)
    for i in (4, 0, 2):
        part = slice(i, i + 2)
        parts.update(completed[part], image[part], names[part])
    parts.update(completed[:2], image[:2], names[:2])  # again
    found = whole.compute()
    assert list(found) == list(SET_METRICS)
    assert parts.compute() == found
    x, y = (
        Colours()((255 * z).round().byte() if z.is_floating_point() else z).float()
        for z in (completed, image)
    )
    assert found["FID"] == pytest.approx(fid(x.double(), y.double()))
    assert found["KID"] == pytest.approx(kid(x.double(), y.double()))


def test_inception_runs_without_tf32_and_without_autocast(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    completed, image, names = photographs()
    switches, dtypes, network = [], [], Colours()
    forward = network.forward

    def recorded(x: Tensor) -> Tensor:
        switches.append(torch.backends.cudnn.allow_tf32)
        dtypes.append(torch.mm(torch.ones(1, 1), torch.ones(1, 1)).dtype)
        return forward(x)

    monkeypatch.setattr(network, "forward", recorded)
    before = torch.backends.cudnn.allow_tf32
    with torch.autocast("cpu", torch.bfloat16):
        Distribution(network).update(completed, image, names)
    assert before
    assert (switches, dtypes) == ([False], [torch.float32])
    assert torch.backends.cudnn.allow_tf32


def test_it_goes_on_from_a_file(tmp_path: Path) -> None:
    completed, image, names = photographs()
    whole, first, second = (Distribution(Colours()) for _ in range(3))
    whole.update(completed, image, names)
    first.update(completed[:3], image[:3], names[:3])
    first.save(tmp_path / "features.safetensors")
    second.load(tmp_path / "features.safetensors")
    assert set(second.features) == set(names[:3])
    second.update(completed[3:], image[3:], names[3:])
    assert second.compute() == whole.compute()


def test_a_file_of_something_else(tmp_path: Path) -> None:
    file = tmp_path / "features.safetensors"
    with pytest.raises(InputError, match="features.safetensors: not readable"):
        Distribution(Colours()).load(file)
    file.write_bytes(b"a page of text, longer than a header")
    with pytest.raises(InputError, match="features.safetensors: not readable"):
        Distribution(Colours()).load(file)
    for other in (torch.zeros(3, 4), torch.zeros(2, 5), torch.zeros(2, 4).double()):
        save_file({"a": torch.zeros(2, 4), "b": other}, file)
        with pytest.raises(InputError, match="features.safetensors: holds other tens"):
            Distribution(Colours()).load(file)


@pytest.mark.parametrize("count", [0, 1])
def test_one_image_is_no_distribution(count: int) -> None:
    one = Distribution(Colours())
    completed, image, names = photographs()
    if count:
        one.update(completed[:1], image[:1], names[:1])
    with pytest.raises(Unavailable, match=f"two images or more; found {count}"):
        one.compute()


def test_batches_that_do_not_match() -> None:
    completed, image, names = photographs()
    empty = Distribution(Colours())
    with pytest.raises(InputError, match="expected .5, 3, H, W., as there are 5 names"):
        empty.update(completed, image, names[:5])
    with pytest.raises(InputError, match="completed is .5, 3, 4, 5., image .6, 3"):
        empty.update(completed[:5], image, names)
    with pytest.raises(InputError, match="image holds .* expected 0 to 1"):
        empty.update(completed, image * 255, names)
    assert not empty.features


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Random weights under Inception's names, in the place of the published ones."""
    folder = tmp_path_factory.mktemp("torch") / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng():
        torch.manual_seed(0)
        network = published.FeatureExtractorInceptionV3
        patch.setattr(published, "load_state_dict_from_url", lambda *_, **__: {})
        patch.setattr(network, "load_state_dict", lambda *_: None)
        state = network("inception-v3-compat", ["2048"]).state_dict()
    torch.save(state, folder / WEIGHTS)
    yield folder / WEIGHTS
    (folder / WEIGHTS).unlink()  # 100 MB, which pytest would keep


def no_network(*_: object, **__: object) -> None:
    raise OSError("no route to host")


def test_inception_is_torch_fidelity_s(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gin.weights.downloads.urlopen", no_network)
    monkeypatch.setenv("TORCH_HOME", str(weights.parents[2]))
    with pytest.raises(InputError, match=f"{WEIGHTS}: refused, its SHA-256.*6726825d0"):
        inception()
    content = hashlib.sha256(weights.read_bytes())
    monkeypatch.setitem(downloads.SHA256, WEIGHTS, content.hexdigest())
    network = inception()  # from torch's cache
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randint(256, (2, 3, 40, 56), generator=generator).byte()
    found = network(pictures)
    assert found.shape == (2, 2048)
    original = published.FeatureExtractorInceptionV3(
        "inception-v3-compat", ["2048"], str(weights)
    )
    assert torch.equal(found, original(pictures)[0])
    assert not torch.allclose(found, network(pictures.flip(1)), rtol=1e-3, atol=0)
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert not any(module.training for module in network.modules())


class Payload:
    """A pickle that makes a folder when it is loaded the unsafe way."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.folder),)


def test_inceptions_file_is_read_once(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mine.pth"
    file.symlink_to(weights)

    def read(*given: object) -> dict[str, Tensor]:
        state = read_state_dict(*given)
        file.unlink()
        torch.save(Payload(tmp_path / "owned"), file)
        return state

    monkeypatch.setattr("gin.evaluation.fid_kid.read_state_dict", read)
    assert isinstance(inception(file), nn.Module)
    assert not (tmp_path / "owned").exists()


def test_without_weights_there_is_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gin.weights.downloads.urlopen", no_network)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(Unavailable, match=f"{WEIGHTS}: not downloaded .no route"):
        inception()


def test_without_the_package_there_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, published.__name__, None)
    monkeypatch.delattr("torch_fidelity.feature_extractor_inceptionv3", raising=False)
    with pytest.raises(Unavailable, match=r"pip install '\.\[train\]'"):
        inception()


def test_other_weights_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "mine.pth"
    torch.save({"fc.weight": torch.zeros(2, 2)}, file)
    with pytest.raises(InputError, match=f"mine.pth: not the weights.*{WEIGHTS}") as e:
        inception(file)
    assert not isinstance(e.value, Unavailable)
    with pytest.raises(InputError, match="none.pth: no such file"):
        inception(tmp_path / "none.pth")
