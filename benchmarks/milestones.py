"""A training that keeps, at ten moments of each stage, what the book shows of it.

    python benchmarks/milestones.py --recipe demo --data photos/ --out runs/mine

trains as `gin train` does and writes the folder `milestones` beside the run: a picture
for each moment (`00120.jpg`: the same twelve photographs, completed), the weights at
the end of the warm-up (`warm-up.safetensors`, float16) and `measures.csv`, with a line
for each moment: step, stage, seconds, the error in the holes (%), the mean alpha of
back projection, and for each self-attention block the share of the holes' attention on
known positions and the share of these positions, which is chance.
"""

import argparse
import csv
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from gin.attention import SelfAttention
from gin.back_projection import BackProjection
from gin.generator import DeepGIN
from gin.masks import KINDS, make
from gin.recipes import Recipe
from gin.training.learner import Learner
from gin.training.recipe_files import read_recipe
from gin.training.trainer import train
from gin.utils.devices import exact_float32
from gin.utils.images import open_picture
from gin.weights.checkpoints import save

PHOTOS = Path(__file__).resolve().parents[1] / "data" / "photos"
COUNT, SIZE, SHOWN = 12, 256, 160  # photographs, their size, their size in the picture
# Of a stage's steps; dense at the beginning, where most changes.
FRACTIONS = (0.0, 0.01, 0.03, 0.08, 0.15, 0.25, 0.4, 0.6, 0.8, 1.0)
MILESTONES, WARM_UP, MEASURES = "milestones", "warm-up.safetensors", "measures.csv"


def moments(recipe: Recipe) -> list[int]:
    """The steps after which something is kept. The recipe counts in steps."""
    schedule = recipe.schedule
    main = schedule.flat + schedule.decay
    steps = {round(f * schedule.warm_up) for f in FRACTIONS if schedule.warm_up}
    steps |= {schedule.warm_up + round(f * main) for f in FRACTIONS if main}
    return sorted(steps - {0})


def photographs() -> tuple[Tensor, Tensor]:
    """Twelve photographs (12, 3, H, W) in [0, 1], and their masks (12, 1, H, W)."""
    rng, images, masks = np.random.default_rng(12), [], []
    paths = sorted(PHOTOS.glob("*.jpg"))
    for number, path in enumerate(paths[:: len(paths) // COUNT][:COUNT]):
        photo = open_picture(path).convert("RGB").resize((SIZE, SIZE))
        images.append(torch.from_numpy(np.array(photo)).permute(2, 0, 1) / 255)
        kind = KINDS[number % len(KINDS)]
        masks.append(torch.from_numpy(make(kind, SIZE, SIZE, rng))[None].float())
    return torch.stack(images), torch.stack(masks)


@contextmanager
def attention_inputs(net: nn.Module) -> Iterator[dict[str, tuple[nn.Module, Tensor]]]:
    """Collect what each self-attention block is given, by its name."""
    given: dict[str, tuple[nn.Module, Tensor]] = {}
    hooks = []
    for name, block in net.named_modules():
        if isinstance(block, SelfAttention):

            def keep(
                module: nn.Module, args: tuple[Tensor], _: Tensor, name: str = name
            ) -> None:
                given[name] = (module, args[0])

            hooks.append(block.register_forward_hook(keep))
    try:
        yield given
    finally:
        for hook in hooks:
            hook.remove()


def share_on_known(block: nn.Module, x: Tensor, mask: Tensor) -> tuple[float, float]:
    """The share of the holes' attention on known positions, and that of chance."""
    missing = F.adaptive_max_pool2d(mask, x.shape[-2:]).flatten(1) > 0  # (B, HW)
    shares, known = [], []
    for features, lost in zip(x, missing, strict=True):
        query = block.theta(features[None])[0].flatten(1)[:, lost]  # (C/2, Q)
        key = block.phi(features[None])[0].flatten(1)
        weights = torch.softmax(query.T @ key, dim=1)
        shares.append(weights[:, ~lost].sum(dim=1).mean())
        known.append((~lost).float().mean())
    return float(torch.stack(shares).mean()), float(torch.stack(known).mean())


@torch.no_grad()
def measure(
    net: DeepGIN, image: Tensor, mask: Tensor
) -> tuple[dict[str, float], Tensor]:
    """The measures of `measures.csv`, and the completed images."""
    alphas: list[Tensor] = []
    hooks = [
        part.alpha.register_forward_hook(lambda _, __, out: alphas.append(out))
        for part in net.modules()
        if isinstance(part, BackProjection)
    ]
    with exact_float32(image.device), attention_inputs(net) as given:
        completed = net(image, mask).completed.clamp(0, 1)
        row = {"error in the hole (%)": _error(completed, image, mask)}
        for name, (block, x) in given.items():
            row[f"{name} on known"], row[f"{name} chance"] = share_on_known(
                block, x, mask
            )
    for hook in hooks:
        hook.remove()
    if alphas:
        alpha = torch.sigmoid(alphas[0].float())
        row["alpha"] = float((alpha * mask).sum() / mask.sum())
    return row, completed


def _error(completed: Tensor, image: Tensor, mask: Tensor) -> float:
    gap = (completed - image).abs().mean(dim=1, keepdim=True)
    return 100 * float((gap * mask).sum() / mask.sum())


def picture(images: Tensor) -> Image.Image:
    """Four images a row, (B, 3, H, W) in [0, 1]."""
    small = F.interpolate(images.float(), (SHOWN, SHOWN), mode="area")
    pixels = (255 * small).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    rows = [np.hstack(list(pixels[i : i + 4])) for i in range(0, len(pixels), 4)]
    return Image.fromarray(np.vstack(rows))


class Recorder:
    """Writes the moments of one training into `folder`."""

    def __init__(self, folder: Path, recipe: Recipe) -> None:
        self.folder, self.steps = folder, set(moments(recipe))
        self.warm_up, self.started = recipe.schedule.warm_up, time.monotonic()
        self.image, self.mask = photographs()
        folder.mkdir(parents=True, exist_ok=True)
        holes = torch.where(self.mask > 0, torch.ones_like(self.image), self.image)
        picture(holes).save(folder / "holes.jpg", quality=85)
        picture(self.image).save(folder / "originals.jpg", quality=85)

    def __call__(self, net: DeepGIN, steps: int) -> None:
        """Keep the moment, if it is one."""
        if steps not in self.steps:
            return
        training, device = net.training, next(net.parameters()).device
        row, completed = measure(
            net.eval(), self.image.to(device), self.mask.to(device)
        )
        picture(completed).save(self.folder / f"{steps:05}.jpg", quality=85)
        if steps == self.warm_up:
            save(net, self.folder / WARM_UP, half=True)
        net.train(training)
        stage = "warm-up" if steps <= self.warm_up else "main"
        seconds = f"{time.monotonic() - self.started:.0f}"
        self._write({"step": steps, "stage": stage, "seconds": seconds, **row})

    def _write(self, row: dict[str, object]) -> None:
        path = self.folder / MEASURES
        first = not path.exists()
        with path.open("a", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(row), lineterminator="\n")
            if first:
                writer.writeheader()
            writer.writerow(
                {k: f"{v:.5g}" if isinstance(v, float) else v for k, v in row.items()}
            )


def recording(folder: Path, recipe: Recipe) -> type[Learner]:
    """A `Learner` that keeps the moments of `recipe` in `folder`."""
    record = Recorder(folder, recipe)

    class Recording(Learner):
        def follow(self, steps: int) -> None:
            super().follow(steps)
            if self.fabric.is_global_zero:
                record(self.average, steps)

    return Recording


def main() -> None:
    """Train."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipe", required=True, help="a name or a YAML file")
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--backbone")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", action="store_true")
    chosen = parser.parse_args()
    recipe = read_recipe(chosen.recipe)
    learner = recording(chosen.out / MILESTONES, recipe)
    train(
        recipe,
        chosen.data,
        chosen.out,
        seed=chosen.seed,
        resume=chosen.resume,
        backbone=chosen.backbone,
        learner=learner,
    )


if __name__ == "__main__":
    main()
