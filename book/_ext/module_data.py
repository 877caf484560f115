"""Sphinx extension: the data of the modules in `_static/modules`, computed by gin.

Photographs without loss, queries and keys of the shipped network's attention layers for
one photograph, and the curves and milestones of the recorded training.
"""

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sphinx.application import Sphinx
from sphinx.config import Config
from torch import Tensor

from gin import masks
from gin.attention import SelfAttention
from gin.generator import DeepGIN
from gin.utils.images import open_picture
from gin.weights import checkpoints

ROOT = Path(__file__).parents[2]
PHOTOS = ROOT / "data" / "photos"
WEIGHTS = ROOT / "data" / "weights" / "deepgin.safetensors"
RUN = ROOT / "data" / "runs" / "shipped"
SIDE = 256  # px
KINGFISHER, COFFEE = "erase_kingfisher.jpg", "skimage_coffee.jpg"
# Of the curves, those that the module draws.
CURVES = (
    "loss/l1",
    "loss/total",
    "loss/perceptual",
    "loss/adversarial",
    "loss/discriminators",
)


def photo(name: str) -> Image.Image:
    """A sample photograph, RGB, of `SIDE` px."""
    return open_picture(PHOTOS / name).convert("RGB").resize((SIDE, SIDE))


def hole() -> np.ndarray:
    """The hole of the attention module, uint8 (SIDE, SIDE) of {0, 1}."""
    return masks.free_form(SIDE, SIDE, np.random.default_rng(5))


@torch.inference_mode()
def attention_tensors(
    net: DeepGIN, image: Tensor, mask: Tensor
) -> list[tuple[Tensor, Tensor]]:
    """Queries and keys (C/2, H, W) of each attention layer, in the order they run.

    `image` is (1, 3, H, W), `mask` (1, 1, H, W).
    """
    found = []

    def catch(layer: SelfAttention, inputs: tuple[Tensor]) -> None:
        found.append((layer.theta(inputs[0])[0], layer.phi(inputs[0])[0]))

    layers = [part for part in net.modules() if isinstance(part, SelfAttention)]
    hooks = [layer.register_forward_pre_hook(catch) for layer in layers]
    net(image, mask)
    for hook in hooks:
        hook.remove()
    return found


def write_attention(folder: Path) -> None:
    """Write the photograph, its mask, and queries and keys as float32."""
    picture, mask = photo(KINGFISHER), hole()
    image = torch.from_numpy(np.asarray(picture) / np.float32(255)).permute(2, 0, 1)
    net = checkpoints.network(str(WEIGHTS)).eval()
    missing = torch.from_numpy(mask).float()
    pairs = attention_tensors(net, image[None], missing[None, None])
    start, layers, parts = 0, [], []
    for pair in pairs:
        channels, side = pair[0].shape[:2]
        layers.append({"channels": channels, "side": side, "start": start})
        parts += [part.numpy().astype("<f4").ravel() for part in pair]
        start += 2 * pair[0].numel()
    (folder / "attention.bin").write_bytes(np.concatenate(parts).tobytes())
    (folder / "attention.json").write_text(json.dumps(layers))
    white = np.where(mask[..., None] == 1, 255, np.asarray(picture)).astype(np.uint8)
    Image.fromarray(white).save(folder / "attention.png")
    Image.fromarray(255 * mask).save(folder / "attention_mask.png")


def write_training(folder: Path, run: Path = RUN) -> None:
    """Write the curves and the milestones of a recorded run.

    A milestone is a picture in `run`/milestones whose name ends with its step.
    """
    curves: dict[str, list[tuple[int, float]]] = {name: [] for name in CURVES}
    with (run / "curves.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["curve"] in curves:
                point = int(row["step"]), float(row["value"])
                curves[row["curve"]].append(point)
    curves = {name: sorted(points) for name, points in curves.items() if points}
    milestones = []
    for path in (run / "milestones").glob("*.*"):
        if step := re.search(r"(\d+)$", path.stem):
            shutil.copy(path, folder)
            milestones.append({"step": int(step[1]), "file": path.name})
    milestones.sort(key=lambda milestone: milestone["step"])
    steps = max(step for points in curves.values() for step, _ in points)
    content = {"curves": curves, "milestones": milestones, "steps": steps}
    (folder / "training.json").write_text(json.dumps(content))


def assemble(folder: Path) -> None:
    """Fill `folder` with everything that the modules load."""
    folder.mkdir(parents=True)
    photo(KINGFISHER).save(folder / "kingfisher.png")
    photo(COFFEE).save(folder / "coffee.png")
    write_attention(folder)
    write_training(folder)


def add_to_site(app: Sphinx, config: Config) -> None:
    """Put everything where Sphinx copies static files from."""
    static = Path(app.doctreedir) / "module_data"
    shutil.rmtree(static, ignore_errors=True)
    assemble(static / "modules" / "data")
    config.html_static_path.append(str(static))


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", add_to_site)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
