"""Ways to complete photographs larger than 256 px, for book/22_any_photograph.md."""

import csv
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from scipy.ndimage import distance_transform_edt
from support import figures, rivals
from support.figures import Drawing, Table
from torch import Tensor

from gin import masks, subsampling
from gin.evaluation import metrics
from gin.inference.regions import crops
from gin.inpainting import Inpainter
from gin.utils.images import open_picture

RESULTS = rivals.DATA / "results"
TURNS = ((0, False), (1, False), (2, False), (3, False), (0, True))
Way = Callable[[Tensor, Tensor], Tensor]
Record = dict[tuple[str, str], dict[str, tuple[float, float]]]


def picture(name: str, side: int) -> Image.Image:
    """A shipped photograph at `side` x `side`."""
    photo = open_picture(rivals.DATA / "photos" / f"{name}.jpg")
    return photo.resize((side, side))


def case(name: str, kind: str, side: int = 512) -> tuple[Tensor, Tensor]:
    """A photograph and its hole, (1, 3, side, side) and (1, 1, side, side)."""
    rng = np.random.default_rng(rivals.NAMES.index(name))
    drawn = masks.make(kind, side, side, rng)
    hole = torch.from_numpy(drawn)[None, None].float()
    return figures.as_tensor(picture(name, side)), hole


@torch.no_grad()
def network(images: Tensor, holes: Tensor) -> Tensor:
    """The shipped network, one image after the other: (B, 3, h, w), (B, 1, h, w)."""
    net = rivals.shipped("deepgin").net
    pairs = zip(images.split(1), holes.split(1), strict=True)
    return torch.cat([net(*pair).completed for pair in pairs]).clamp(0, 1)


def resized(image: Tensor, hole: Tensor) -> Tensor:
    """Completed at half the size, and enlarged."""
    white = image.masked_fill(hole > 0, 1)
    done = network(F.avg_pool2d(white, 2), F.max_pool2d(hole, 2))
    large = F.interpolate(done, scale_factor=2, mode="bicubic")
    return torch.where(hole > 0, large.clamp(0, 1), image)


def tiled(image: Tensor, hole: Tensor) -> Tensor:
    """Four tiles of 256 px of an image of 512 px, each completed alone."""
    done = image.clone()
    for top, left in ((0, 0), (0, 256), (256, 0), (256, 256)):
        at = (..., slice(top, top + 256), slice(left, left + 256))
        done[at] = network(image[at], hole[at])
    return done


def halved(done: Tensor, image: Tensor, hole: Tensor) -> Tensor:
    """The released script's last step, inside the hole: half the size, and back."""
    small = F.interpolate(done, scale_factor=0.5, mode="bicubic")
    soft = F.interpolate(small, scale_factor=2, mode="bicubic")
    return torch.where(hole > 0, soft.clamp(0, 1), image)


def turned(x: Tensor, turns: int, mirrored: bool) -> Tensor:
    """`x` mirrored, then turned by quarters."""
    return torch.rot90(x.flip(3) if mirrored else x, turns, (2, 3))


def turned_back(x: Tensor, turns: int, mirrored: bool) -> Tensor:
    """Undo `turned`."""
    upright = torch.rot90(x, -turns, (2, 3))
    return upright.flip(3) if mirrored else upright


def views(image: Tensor, hole: Tensor) -> Tensor:
    """A square image completed in five orientations: (5, 3, H, W)."""
    return torch.cat(
        [
            turned_back(network(turned(image, *way), turned(hole, *way)), *way)
            for way in TURNS
        ]
    )


def scores(done: Tensor, image: Tensor, hole: Tensor) -> tuple[float, float]:
    """PSNR in dB and the mean error in the hole in %, of pictures in 8 bits."""
    pasted = metrics.composite(done, image, hole).double() / 255
    truth = metrics.eight_bits(image, "image").double() / 255
    psnr = -10 * (pasted - truth).square().mean().log10()
    return psnr.item(), metrics.l1_hole(pasted, truth, hole.double()).item()


def border(image: Tensor, hole: Tensor) -> float:
    """The mean step from a known pixel to a missing one beside it, in %."""
    steps = []
    for axis in (2, 3):
        across = (hole.diff(dim=axis) != 0).expand(1, 3, -1, -1)
        steps.append(image.diff(dim=axis).abs()[across])
    return 100 * torch.cat(steps).mean().item()


def four_ways(image: Tensor, hole: Tensor) -> Drawing:
    """What the network sees: the whole, phases, the resized picture, tiles."""
    white = image * (1 - hole) + hole

    def mosaic(parts: tuple[Tensor, ...] | list[Tensor], gap: int = 6) -> Tensor:
        framed = [F.pad(part, (gap,) * 4, value=1.0) for part in parts]
        above, below = torch.cat(framed[:2], 3), torch.cat(framed[2:], 3)
        return torch.cat([above, below], 2)

    tiles = [half for row in white.chunk(2, 2) for half in row.chunk(2, 3)]
    phases = subsampling.split(white, 2).split(1)
    small = F.pad(F.avg_pool2d(white, 2), (128,) * 4, value=1.0)
    drawn = [white, mosaic(phases), small, mosaic(tiles)]
    return figures.row(drawn, ["one piece", "phases", "resized", "tiles"], 2)


def weave(fills: dict[str, Tensor], hole: Tensor) -> Drawing:
    """64 px of the middle of the hole, and what differs from a mean of 3 x 3, x 8."""
    y, x = (int(place.float().mean()) for place in hole[0, 0].nonzero().T)
    middle = (..., slice(y - 32, y + 32), slice(x - 32, x + 32))
    fine = [0.5 + 8 * (f - F.avg_pool2d(f, 3, 1, padding=1)) for f in fills.values()]
    parts = [f[middle] for f in (*fills.values(), *fine)]
    return figures.row(parts, [*fills, *["x 8"] * len(fills)], len(fills))


@cache
def recorded(side: int) -> Record:
    """(photograph, kind) -> way -> (PSNR, error in the hole), from ways.csv."""
    found: Record = {}
    for line in _lines(RESULTS / "ways.csv"):
        if int(line["side"]) == side:
            key = line["photograph"], line["kind"]
            both = float(line["psnr"]), float(line["l1_hole"])
            found.setdefault(key, {})[line["way"]] = both
    return found


def gain(kind: str, way: str, than: str = "phases") -> tuple[float, float]:
    """PSNR in dB beyond `than` at 512 px: the mean, and its standard error."""
    gains = [
        found[way][0] - found[than][0]
        for (_, its_kind), found in recorded(512).items()
        if its_kind == kind
    ]
    return float(np.mean(gains)), float(np.std(gains) / len(gains) ** 0.5)


def gains() -> Table:
    """The recorded gain of each way over phases, for each kind of mask."""
    ways = ("one piece", "resized", "tiles", "phases, blurred")
    rows = []
    for kind in masks.KINDS:
        cells = ("{:+.2f} ± {:.2f}".format(*gain(kind, way)) for way in ways)
        rows.append((kind.replace("_", " "), *cells))
    return Table(["PSNR beyond phases (dB)", *ways], rows)


def gains_of_views() -> dict[str, np.ndarray]:
    """Way -> PSNR beyond one view at 256 px, for each photograph."""
    found = recorded(256).values()
    ways = next(iter(found))
    return {w: np.array([f[w][0] - f["mean of 1"][0] for f in found]) for w in ways}


def regions() -> dict[tuple[str, str, str], dict[str, float]]:
    """(size and hole, region, seam) -> measurement -> value, from regions.csv."""
    return {
        (row.pop("size, hole"), row.pop("region"), row.pop("seam")): {
            name: float(value) for name, value in row.items()
        }
        for row in _lines(RESULTS / "regions.csv")
    }


def region_table() -> Table:
    """`regions` at the default context of 1.5 times the hole, and phases."""
    rows = []
    for key, found in regions().items():
        if key[1] in ("whole", "auto x 1.5"):
            cells = (f"{found['PSNR']:.2f}", f"{found['LPIPS']:.3f}")
            more = (f"{found['step']:+.1f}", f"{found['s']:.2f}")
            rows.append((", ".join(key), *cells, *more))
    header = ["hole, region, seam", "PSNR (dB)", "LPIPS", "step (levels)", "s"]
    return Table(header, rows)


def difficulty(name: str, kind: str) -> tuple[float, float, float]:
    """Depth (px), contrast (%) and share (%) of a hole at 256 px."""
    image, hole = case(name, kind, 256)
    depth = distance_transform_edt(hole[0, 0].numpy())
    inside = image[hole.expand_as(image) > 0].view(3, -1)
    contrast = 100 * inside.std(1).mean().item()
    return depth[depth > 0].mean(), contrast, 100 * hole.mean().item()


def predictors() -> list[float]:
    """The correlation of the recorded error with each part of `difficulty`."""
    error = {key: found["mean of 1"][1] for key, found in recorded(256).items()}
    columns = np.array([difficulty(*key) for key in error]).T
    return [np.corrcoef([*error.values()], c)[0, 1].item() for c in columns]


def brush_stroke(
    inpaint: Inpainter,
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """A stroke completed by phases and by a crop without a correction of the border.

    Returns the two, the photograph and the hole, all of them within the crop.
    """
    photo = picture("monuments_colosseum", 512)
    brush = np.zeros((512, 512), np.uint8)
    brush[150:180, 200:280] = brush[180:230, 250:280] = 1
    (window,) = crops(brush)
    done = {
        "phases": inpaint(photo, brush, region="whole"),
        "crop": inpaint(photo, brush, seam="none"),
    }
    looks = {way: figures.as_rgb(result)[window] for way, result in done.items()}
    hole = brush[window][..., np.newaxis].astype(float)
    return looks, figures.as_rgb(photo)[window], hole


def failures(count: int = 4) -> Drawing:
    """The recorded cases with the largest error in the hole, completed anew."""
    error = {key: found["mean of 1"][1] for key, found in recorded(256).items()}
    drawn: dict[str, list[figures.Picture]] = {}
    for name, kind in sorted(error, key=error.__getitem__)[: -count - 1 : -1]:
        image, hole = case(name, kind, 256)
        short = name.split("_", 1)[1].replace("_", " ")
        drawn[short] = [image * (1 - hole) + hole, network(image, hole), image]
    return figures.grid(drawn, ["masked", "completed", "photograph"])


def _lines(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))
