"""ONNX export of DeepGIN, for programs and browsers without PyTorch.

Taught in book/23_paint.md.
"""

import copy
import warnings
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import Dim

from gin.attention import SelfAttention
from gin.errors import InputError
from gin.generator import STRIDE, DeepGIN
from gin.utils.files import StrPath, atomic, check_folder, check_new
from gin.weights import checkpoints
from gin.weights.state_dicts import fingerprint

if TYPE_CHECKING:
    from onnx import ModelProto


INPUTS, OUTPUTS = ("image", "mask"), ("coarse", "completed")
PACKAGES = ("onnx", "onnxscript", "onnxruntime")
TOLERANCE = 1e-4  # of the scale from black to white: a fortieth of an 8-bit level
# (B, H, W) at which outputs are compared with torch's; all differ from `TRACED`.
CHECKED = ((1, 64, 64), (2, 16, 48), (3, 80, 32))
TRACED = (2, 32, 48)
MAX_SIDE = 4096  # times 16 px; torch.export requires a bound
OPSET = 20
# Computes attention weights for one row of queries at a time: ONNX has no fused
# attention, and the weights of all queries take 16 GiB for an image of 1,024 px.
ATTENTION = f"""
<domain: "gin", opset_import: ["": {OPSET}]>
attention (queries, keys, values) => (attended) {{
  attended = Scan <
    num_scan_inputs = 1, scan_input_axes = [1], scan_output_axes = [1],
    body = row (query) => (mixed) {{
      scores = MatMul (query, keys)
      weights = Softmax <axis = -1> (scores)
      mixed = MatMul (weights, values)
    }}
  > (queries)
}}
"""
METADATA = {
    "image": "float32 (B, 3, H, W), RGB in [0, 1]; what the hole hides is not read",
    "mask": "float32 (B, 1, H, W), 1 = missing, 0 = known",
    "coarse": "float32 (B, 3, H, W), the first stage alone; not clamped",
    "completed": "float32 (B, 3, H, W), known pixels as given; the rest not clamped",
    "sizes": f"any B; H and W any multiples of {STRIDE}",
}


@dataclass(frozen=True)
class Export:
    """An ONNX file that was written."""

    path: Path  #: of the file
    size: int  #: in bytes
    difference: float  #: the largest absolute difference from torch's outputs


class _RowAttention(nn.Module):
    """`SelfAttention` for tracing, as a symbolic node that `ATTENTION` defines."""

    def __init__(self, layer: SelfAttention) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        queries = self.layer.theta(x).permute(0, 2, 3, 1)  # (B, H, W, C/2)
        keys = self.layer.phi(x).flatten(2)  # (B, C/2, HW)
        values = self.layer.g(x).flatten(2).transpose(1, 2)  # (B, HW, C/2)
        attended = torch.onnx.ops.symbolic(
            "gin::attention",
            (queries, keys, values),
            dtype=queries.dtype,
            shape=queries.shape,
            version=1,
        )
        return x + self.layer.project(attended.permute(0, 3, 1, 2))


class _Pictures(nn.Module):
    """The network for tracing, with the outputs `OUTPUTS`."""

    def __init__(self, net: DeepGIN) -> None:
        super().__init__()
        self.net = copy.deepcopy(net)
        for name, layer in [*self.net.named_modules()]:
            if isinstance(layer, SelfAttention):
                self.net.set_submodule(name, _RowAttention(layer))

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) and (B, 1, H, W) -> both (B, 3, H, W)."""
        done = self.net(image, mask)
        return done.coarse, done.completed


def export(
    net: DeepGIN,
    path: StrPath,
    half: bool = False,
    notes: dict[str, str] | None = None,
    replace: bool = True,
) -> Export:
    """Write `net` as ONNX to `path`, atomically, if its outputs equal torch's.

    `half` stores the weights in 16 bits; the computation stays in float32. `notes` are
    metadata beside `METADATA` and the configuration. Raises InputError for another
    suffix than .onnx, a folder that cannot be written, an existing file without
    `replace`, or outputs that differ by more than `TOLERANCE`; ModuleNotFoundError if
    one of `PACKAGES` (the extra `export`) is missing. Then no file is written.
    """
    path = Path(path)
    if path.suffix.lower() != ".onnx":
        raise InputError(f"{path}: expected a name that ends in .onnx")
    for package in PACKAGES:
        import_module(package)
    net = copy.deepcopy(net).cpu().eval()
    metadata = {**(notes or {}), **description(net)}
    if half:
        net = net.half().float()  # the comparison uses rounded weights, too
    model = to_onnx(net)
    if half:
        store_in_half(model)
    for key, value in sorted(metadata.items()):
        model.metadata_props.add(key=key, value=value)
    content = model.SerializeToString()
    difference = largest_difference(content, net)
    if not difference <= TOLERANCE:
        raise InputError(
            f"{path}: not written, since onnxruntime's pictures differ from torch's by "
            f"{difference:.2g}; expected at most {TOLERANCE:g}"
        )
    with atomic(path, replace) as temporary:
        temporary.write_bytes(content)
    return Export(path, len(content), difference)


def export_weights(
    weights: str | None, path: Path, half: bool = False, force: bool = False
) -> Export:
    """Export the network of `checkpoints.network(weights)`, with its metadata.

    Raises InputError also for unusable weights, or if `path` exists without `force`.
    """
    check_new(path, force)
    check_folder(path.parent)
    net = checkpoints.network(weights)
    return export(net, path, half, checkpoints.notes(weights), force)


def to_onnx(net: DeepGIN) -> "ModelProto":
    """Convert the network to an ONNX graph in float32, for any B, H and W.

    H and W are multiples of `STRIDE`. The graph's memory grows with H * W, in
    attention with H * W * W.
    """
    rows, columns = Dim("rows", max=MAX_SIDE), Dim("columns", max=MAX_SIDE)
    axes = {0: Dim("batch"), 2: STRIDE * rows, 3: STRIDE * columns}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about axis names that two tensors share
        program = torch.onnx.export(
            _Pictures(net).eval(),
            _example(*TRACED),
            input_names=INPUTS,
            output_names=OUTPUTS,
            dynamic_shapes=dict.fromkeys(INPUTS, axes),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export returned no program")
    model = _inlined(program.model_proto)
    for part in (model.graph, *model.graph.node, *model.graph.initializer):
        del part.metadata_props[:]  # lines of Python, with paths of this machine
    del model.graph.value_info[:]
    return model


def _inlined(model: "ModelProto") -> "ModelProto":
    """Replace the attention nodes by `ATTENTION`, which leaves standard ONNX."""
    from onnx import defs, inliner, parser

    model.functions.append(parser.parse_function(ATTENTION))
    model = inliner.inline_local_functions(model)
    standard = [o for o in model.opset_import if o.domain == defs.ONNX_DOMAIN]
    del model.opset_import[:]
    model.opset_import.extend(standard)
    return model


def store_in_half(model: "ModelProto") -> None:
    """Store weights that float16 represents exactly in 16 bits, with a cast back."""
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(tensor)
        with np.errstate(over="ignore"):
            halves = values.astype(np.float16)
        if values.size > 1 and np.array_equal(halves.astype(np.float32), values):
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(halves, f"{name}_half"))
            cast = helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT)
            casts.append(cast)
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def description(net: DeepGIN) -> dict[str, str]:
    """The metadata of the file: inputs, outputs, configuration and versions."""
    configuration = checkpoints.configuration(net)
    return {
        **METADATA,
        **{key: str(value) for key, value in configuration.items()},
        "gin": version("deepgin-book"),
        "weights": fingerprint(net),
    }


@torch.inference_mode()
def largest_difference(content: bytes, net: DeepGIN) -> float:
    """The largest difference between onnxruntime and torch, at the sizes `CHECKED`."""
    from onnxruntime import InferenceSession

    session = InferenceSession(content, providers=["CPUExecutionProvider"])
    differences = [0.0]
    for shape in CHECKED:
        image, mask = _example(*shape)
        done = net(image, mask)
        ours = session.run(OUTPUTS, {"image": image.numpy(), "mask": mask.numpy()})
        for expected, picture in zip((done.coarse, done.completed), ours, strict=True):
            differences.append(float(np.abs(expected.numpy() - picture).max()))
    return float(np.max(differences))  # NaN if one is NaN


def _example(batch: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Seeded noise, and a mask that hides half of it."""
    rng = torch.Generator().manual_seed(0)
    image = torch.rand(batch, 3, height, width, generator=rng)
    mask = torch.rand(batch, 1, height, width, generator=rng).round()
    return image, mask
