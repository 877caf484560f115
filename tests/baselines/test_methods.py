"""Every way to fill a hole sees the same, and nothing of what it should guess."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_evaluation import grey, seen

import gin
from gin.baselines import DeepFillV1, DeepFillV2, methods
from gin.baselines.interface import complete
from gin.errors import InputError, Unavailable
from gin.initialisation import identity_initialisation
from gin.weights.state_dicts import fingerprint


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny networks that were never trained: deepgin, deepfillv1 and deepfillv2."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights")
    net = gin.DeepGIN(base_channels=8, composite=True)
    identity_initialisation(net)  # not black everywhere, unlike the paper's
    gin.save(net, path / "deepgin.safetensors")
    gin.save(DeepFillV1(8), path / "deepfillv1.safetensors")
    gin.save(DeepFillV2(8), path / "deepfillv2.safetensors")
    return path


@pytest.fixture(scope="module")
def every(folder: Path) -> dict[str, methods.Candidate]:
    learnt = [(name, f"{folder / name}.safetensors") for name in methods.LEARNT]
    found = methods.candidates(
        {"deepgin": str(folder / "deepgin.safetensors")},
        [*((name, None) for name in methods.CLASSICAL), *learnt],
        ensemble=True,
        device="cpu",
        precision="float32",
        regions=("whole", "auto"),
    )
    return {each.name: each for each in found}


DEEPGIN = [f"deepgin{end}" for end in ("", "-ensemble", "-auto", "-auto-ensemble")]
NAMES = (*DEEPGIN, *methods.CLASSICAL, *methods.LEARNT)


def pair(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    image = rng.integers(256, size=(36, 44, 3), dtype=np.uint8)
    mask = np.zeros((36, 44), np.uint8)
    mask[10:24, 8:30] = 1
    return image, mask


@pytest.mark.parametrize("name", NAMES)
def test_noise_under_the_hole_changes_nothing(
    name: str, every: dict[str, methods.Candidate]
) -> None:
    image, mask = pair()
    scrambled = np.where(mask[..., None] == 1, pair(1)[0], image)
    method = every[name].method
    try:
        filled = complete(method, image, mask)
    except Unavailable as error:
        pytest.skip(str(error))
    assert np.array_equal(filled, complete(method, scrambled, mask))
    known = mask == 0
    assert np.array_equal(filled[known], image[known])
    assert filled[~known].std() > 0 or name == "mean-colour"


def test_a_method_is_given_copies_with_a_white_hole() -> None:
    image, mask = pair()
    before = image.copy(), mask.copy()

    def rude(hidden: np.ndarray, hole: np.ndarray) -> np.ndarray:
        assert (hidden[hole == 1] == 255).all()
        assert np.array_equal(hidden[hole == 0], image[hole == 0])
        hidden[:], hole[:] = 0, 0
        return hidden

    assert (complete(rude, image, mask) == 0).all()
    assert np.array_equal(image, before[0])
    assert np.array_equal(mask, before[1])


def test_another_shape_or_type_is_refused() -> None:
    image, mask = pair()
    for wrong in (image[:-1], image / 255, image[..., 0]):
        with pytest.raises(InputError, match=r"expected \(36, 44, 3\), uint8"):
            complete(lambda i, m, w=wrong: w, image, mask)
    assert (complete(grey, image, mask) == 128).all()
    assert (complete(seen, image, mask)[mask == 1] == 255).all()


def test_candidates_come_in_order_and_say_whose_weights_they_have(
    every: dict[str, methods.Candidate], folder: Path
) -> None:
    assert tuple(every) == NAMES
    net = gin.load(folder / "deepgin.safetensors")
    assert fingerprint(net) in every["deepgin"].description
    assert "base width 8, float32, deepgin.safetensors" in every["deepgin"].description
    with torch.no_grad():
        next(net.parameters()).flatten()[0] += 1
    assert fingerprint(net) not in every["deepgin"].description


@pytest.mark.parametrize("ensemble", [False, True])
def test_auto_is_what_gin_inpaint_does_by_default(
    ensemble: bool, every: dict[str, methods.Candidate], folder: Path
) -> None:
    image, mask = pair()
    inpaint = gin.Inpainter.from_pretrained(
        folder / "deepgin.safetensors", "cpu", "float32"
    )
    end = "-ensemble" if ensemble else ""
    for name, options in {"deepgin-auto": {}, "deepgin": {"region": "whole"}}.items():
        filled = every[name + end].method(image, mask)
        expected = inpaint(Image.fromarray(image), mask, ensemble=ensemble, **options)
        assert np.array_equal(filled, np.asarray(expected))
    assert every["deepgin-auto"].description.startswith("deepgin, with crops")


def test_two_of_one_kind_are_told_apart_by_their_files(folder: Path) -> None:
    copy = folder / "retrained.safetensors"
    copy.write_bytes((folder / "deepfillv2.safetensors").read_bytes())
    files = [str(folder / "deepfillv2.safetensors"), str(copy)]
    found = methods.candidates({}, [("deepfillv2", file) for file in files])
    expected = ["deepfillv2 deepfillv2", "deepfillv2 retrained"]
    assert [each.name for each in found] == expected
    with pytest.raises(InputError, match="two methods are called deepfillv2 retrained"):
        methods.candidates({}, [("deepfillv2", files[1])] * 2)


@pytest.mark.parametrize(
    ("name", "weights", "words"),
    [
        ("star", None, "baseline 'star': expected one of mean-colour, .*deepfillv2"),
        ("telea", "w.pth", "baseline telea: takes no weights, found w.pth"),
        ("deepfillv2", None, "baseline deepfillv2: expected its weights"),
        ("deepfillv2", "no.pth", "no.pth: no such file"),
        ("deepfillv1", "{folder}/deepfillv2.safetensors", "holds deepfillv2; expected"),
        ("deepfillv2", "{folder}/deepfillv1.safetensors", "holds deepfillv1; expected"),
        ("deepfillv2", "{folder}/deepgin.safetensors", "deepgin.safetensors"),
    ],
)
def test_a_baseline_that_cannot_be_is_refused(
    name: str, weights: str | None, words: str, folder: Path
) -> None:
    file = weights and weights.format(folder=folder)
    with pytest.raises(InputError, match=words):
        methods.candidates({}, [(name, file)])


def test_names_of_weights() -> None:
    assert methods.weights_by_name([]) == {"deepgin": None}
    assert methods.weights_by_name(["w/a.pth"]) == {"deepgin": "w/a.pth"}
    several = methods.weights_by_name(["w/a.pth", "SPD-BP=w/weights.safetensors"])
    assert several == {"a": "w/a.pth", "SPD-BP": "w/weights.safetensors"}
    with pytest.raises(InputError, match="--weights: two are called a; name them"):
        methods.weights_by_name(["one/a.pth", "two/a.pth"])


def test_names_of_baselines() -> None:
    found = methods.named_baselines(["telea", "deepfillv2=a=b.pth"])
    assert found == [("telea", None), ("deepfillv2", "a=b.pth")]
    classical = methods.named_baselines(["classical"])
    assert classical == [(name, None) for name in methods.CLASSICAL]
    assert methods.named_baselines(["telea", "classical"]).count(("telea", None)) == 1
