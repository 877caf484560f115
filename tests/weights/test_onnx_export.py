"""ONNX files: the same pictures as torch at any size, and nothing half-written."""

import copy
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import ModelProto, numpy_helper
from onnxruntime import InferenceSession

import gin
from gin.attention import SelfAttention
from gin.cli.app import main
from gin.errors import InputError
from gin.initialisation import identity_initialisation
from gin.weights import checkpoints
from gin.weights import onnx_export as exporting

FULL, COARSE = "SPDResBlk-MSSA-BP", "StdResBlk (Coarse only)"
VARIANTS = (FULL, "DilatedResBlk-MSSA", COARSE)
NOTES = {"licence": "CC BY-SA 4.0", "seed": "7"}


def network(variant: str) -> gin.DeepGIN:
    """Narrow, untrained, but filling holes with lively noise."""
    torch.manual_seed(0)
    net = gin.DeepGIN(variant, base_channels=4, composite=True)
    identity_initialisation(net)
    for module in net.modules():
        if isinstance(module, SelfAttention):  # which would add nothing
            torch.nn.init.normal_(module.project.weight, std=0.3)
    return net.eval()


@pytest.fixture(scope="module")
def traced() -> dict[str, ModelProto]:
    """What `to_onnx` gave: tracing takes seconds."""
    return {}


@pytest.fixture
def quick(traced: dict[str, ModelProto], monkeypatch: pytest.MonkeyPatch) -> None:
    """`to_onnx` traces each variant once, for weights that halves hold exactly."""
    trace = exporting.to_onnx

    def once(net: gin.DeepGIN) -> ModelProto:
        if net.variant not in traced:
            traced[net.variant] = trace(net)
        return copy.deepcopy(traced[net.variant])

    monkeypatch.setattr(exporting, "to_onnx", once)


def halves(variant: str) -> gin.DeepGIN:
    return network(variant).half().float()


def run(path: Path, image: torch.Tensor, mask: torch.Tensor) -> list[np.ndarray]:
    session = InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(
        ["coarse", "completed"], {"image": image.numpy(), "mask": mask.numpy()}
    )


def scene(batch: int, height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(height)
    image = torch.rand(batch, 3, height, width, generator=rng)
    return image, (torch.rand(batch, 1, height, width, generator=rng) < 0.3).float()


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("variant", VARIANTS)
def test_onnxruntime_gives_torchs_pictures_at_any_size(
    variant: str, tmp_path: Path
) -> None:
    net = halves(variant)
    written = gin.weights.onnx_export.export(net, tmp_path / "m.onnx")
    assert written.difference < 1e-4
    assert written.size == written.path.stat().st_size
    for shape in ((1, 16, 16), (2, 96, 48), (5, 32, 64)):
        image, mask = scene(*shape)
        with torch.inference_mode():
            done = net(image, mask)
        assert done.completed[mask.expand_as(image) > 0].std() > 0.01
        coarse, completed = run(written.path, image, mask)
        np.testing.assert_allclose(coarse, done.coarse, atol=1e-4)
        np.testing.assert_allclose(completed, done.completed, atol=1e-4)


@pytest.mark.usefixtures("quick")
def test_what_the_hole_hides_is_not_read(tmp_path: Path) -> None:
    written = gin.weights.onnx_export.export(halves(COARSE), tmp_path / "m.onnx")
    image, mask = scene(1, 32, 32)
    hidden = torch.where(mask > 0, torch.tensor(float("nan")), image)
    first, second = (run(written.path, each, mask) for each in (image, hidden))
    assert all(map(np.array_equal, first, second))


@pytest.mark.usefixtures("quick")
def test_half_is_a_smaller_file_with_the_same_pictures(tmp_path: Path) -> None:
    net = halves(FULL)
    whole = gin.weights.onnx_export.export(net, tmp_path / "whole.onnx")
    half = gin.weights.onnx_export.export(net, tmp_path / "half.onnx", half=True)
    assert half.size < 0.65 * whole.size
    image, mask = scene(1, 48, 48)
    for one, other in zip(
        run(whole.path, image, mask), run(half.path, image, mask), strict=True
    ):
        assert np.array_equal(one, other)


def test_only_what_sixteen_bits_hold_is_stored_in_them() -> None:
    names = {"fits": [0.5, 0.25], "does not": [0.1, 0.2], "single": [0.5]}
    model = ModelProto()
    for name, values in names.items():
        array = np.array(values, np.float32)
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    exporting.store_in_half(model)
    stored = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    assert stored == {"fits_half": 10, "does not": 1, "single": 1}
    (cast,) = model.graph.node
    assert (cast.op_type, *cast.input, *cast.output) == ("Cast", "fits_half", "fits")


@pytest.mark.usefixtures("quick")
def test_half_rounds_a_copy_and_says_which_weights_it_had(tmp_path: Path) -> None:
    net = halves(COARSE)
    net.coarse.rgb.bias.data += 1e-5  # what 16 bits do not hold
    before = copy.deepcopy(net.state_dict())
    path = gin.weights.onnx_export.export(net, tmp_path / "m.onnx", half=True).path
    assert all(torch.equal(before[key], net.state_dict()[key]) for key in before)
    about = InferenceSession(path).get_modelmeta().custom_metadata_map
    assert about["weights"] == exporting.fingerprint(net)


@pytest.mark.usefixtures("quick")
def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    path = gin.weights.onnx_export.export(
        halves(COARSE), tmp_path / "m.onnx", notes=NOTES
    ).path
    session = InferenceSession(path)
    about = session.get_modelmeta().custom_metadata_map
    assert about.items() >= {**NOTES, **exporting.METADATA}.items()
    assert "1 = missing" in about["mask"]
    assert "multiples of 16" in about["sizes"]
    assert (about["variant"], about["base_channels"]) == (COARSE, "4")
    assert about["weights"].startswith("SHA-256 ")
    assert [each.name for each in session.get_inputs()] == ["image", "mask"]
    assert [each.name for each in session.get_outputs()] == ["coarse", "completed"]
    content = path.read_bytes()
    for place in (str(Path(gin.__file__).parent), "site-packages", "forward("):
        assert place.encode() not in content
    keys = [entry.key for entry in onnx.load(path).metadata_props]
    assert keys == sorted(keys)  # equal files, whatever the order in the weights' file


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("wrong", [1e-3, float("nan")])
def test_other_pictures_than_torchs_are_not_written(
    wrong: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace, path = exporting.to_onnx, tmp_path / "m.onnx"

    def bent(net: gin.DeepGIN) -> ModelProto:
        model = trace(net)
        (bias,) = (t for t in model.graph.initializer if t.name.endswith("rgb.bias"))
        values = numpy_helper.to_array(bias) + np.float32(wrong)
        bias.CopyFrom(numpy_helper.from_array(values, bias.name))
        return model

    monkeypatch.setattr(exporting, "to_onnx", bent)
    path.write_text("older")
    with pytest.raises(InputError, match="not written.*expected at most 0.0001"):
        gin.weights.onnx_export.export(halves(COARSE), path)
    assert [each.name for each in tmp_path.iterdir()] == ["m.onnx"]
    assert path.read_text() == "older"


@pytest.mark.usefixtures("quick")
def test_gin_export_writes_prints_and_replaces_by_force_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    checkpoints.save(halves(COARSE), "w.safetensors", notes=NOTES)
    command = ["export", "--weights", "w.safetensors", "--half", "--out", "new/m.onnx"]
    assert main(command) == 0
    assert capsys.readouterr().out.startswith("new/m.onnx: 0.1 MB; its pictures differ")
    about = InferenceSession("new/m.onnx").get_modelmeta().custom_metadata_map
    assert about["licence"] == "CC BY-SA 4.0"
    assert main(command) == 2
    assert "exists already; --force replaces it" in capsys.readouterr().err
    assert main([*command, "--force"]) == 0


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--out", "m.pt"), "m.pt: expected a name that ends in .onnx"),
        (("--out", "w.safetensors/m.onnx"), "cannot be written"),
        (("--weights", "no.safetensors"), "no.safetensors: no such file"),
    ],
)
def test_gin_export_refuses(
    options: tuple[str, str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    checkpoints.save(halves(COARSE), "w.safetensors")
    given = {"--weights": "w.safetensors", "--out": "m.onnx"}
    given.update([options])
    assert main(["export", *(part for pair in given.items() for part in pair)]) == 2
    assert words in capsys.readouterr().err
    assert [each.name for each in tmp_path.iterdir()] == ["w.safetensors"]


@pytest.mark.parametrize("package", exporting.PACKAGES)
def test_a_missing_package_is_named_with_its_remedy(
    package: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    path = tmp_path / "w.safetensors"
    checkpoints.save(network(COARSE), path)
    out = tmp_path / "m.onnx"
    assert main(["export", "--weights", str(path), "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"gin: {package} is not installed: pip install")
    assert not out.exists()


PEAK = """
import sys, resource
import gin
import numpy as np
from onnxruntime import InferenceSession

session = InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
for side in (64, 512):
    image = np.full((1, 3, side, side), 0.5, np.float32)
    session.run(None, {"image": image, "mask": image[:, :1].round()})
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no peak memory on Windows")
@pytest.mark.usefixtures("quick")
def test_attention_never_holds_the_weights_of_all_queries(tmp_path: Path) -> None:
    path = gin.weights.onnx_export.export(halves(FULL), tmp_path / "m.onnx").path
    command = [sys.executable, "-c", PEAK, str(path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    small, large = map(int, said.split())
    unit = 1 if sys.platform == "darwin" else 1024
    positions = (512 // 4) ** 2
    assert unit * (large - small) < positions**2  # a quarter of the float32 weights


@pytest.mark.usefixtures("quick")
def test_the_file_is_standard_onnx(tmp_path: Path) -> None:
    path = gin.weights.onnx_export.export(halves(FULL), tmp_path / "m.onnx").path
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert [each.domain for each in model.opset_import] == [""]
    assert not model.functions


def test_whoever_imports_onnxruntime_imports_gin_first() -> None:
    """`gin` switches its telemetry off, which it reads when it is imported."""
    root = Path(gin.__file__).parents[1]
    home = re.compile(r"^\s*(?:from|import) gin\b", re.MULTILINE)
    theirs = re.compile(r"^\s*(?:from|import) onnxruntime\b", re.MULTILINE)
    for folder, suffix in (("book", "*.md"), ("benchmarks", "*.py")):
        for path in (root / folder).glob(suffix):
            text = path.read_text(encoding="utf-8")
            if found := theirs.search(text):
                assert home.search(text, 0, found.start()), path


def test_importing_gin_switches_the_telemetry_of_onnxruntime_off(
    tmp_path: Path,
) -> None:
    seen = {"CI", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS"}
    homes = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"), str(tmp_path))
    environment = {k: v for k, v in os.environ.items() if k not in seen} | homes
    command = [sys.executable, "-c", "import gin; import onnxruntime"]
    subprocess.run(command, env=environment, check=True)
    assert not [*tmp_path.iterdir()]  # else it leaves the machine's identifier there
