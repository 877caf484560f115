"""What a training shows while it runs: one progress bar, and TensorBoard's curves."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from gin.utils.files import FULL, no_room

EVERY = 50  # steps between two points of a curve, at most


class Report(ExitStack):
    """Averages terms from point to point; silent in all processes but the first.

    Leaving it raises InputError if the disk was full.

    Args:
        folder: for TensorBoard's files.
        steps, progress: taken before, 0 to 1; the curves of a resumed run go on
            there, and points that a killed one wrote beyond it are dropped.
        speaks: whether this is the process that reports.
    """

    def __init__(self, folder: Path, steps: int, progress: float, speaks: bool) -> None:
        super().__init__()
        self.images, self.since = 0, time.perf_counter()
        self.terms: dict[str, list[Tensor]] = {}
        self.writer: SummaryWriter | None = None
        if speaks:
            self.writer = self.enter_context(_open_writer(folder, steps))
        self.bar = tqdm(
            total=1.0,
            initial=progress,
            bar_format="{percentage:3.0f}%|{bar}| {remaining} left, {postfix}",
            disable=None if speaks else True,
            mininterval=1,
            miniters=0,
        )
        self.callback(self.bar.close)

    def step(
        self, terms: dict[str, Tensor], images: int, steps: int, progress: float
    ) -> None:
        """Take note of a step's terms (scalars on any device) and its images."""
        self.images += images
        for name, term in terms.items():
            self.terms.setdefault(name, []).append(term)
        self.bar.update(progress - self.bar.n)

    def point(self, rate: float, steps: int) -> None:
        """Write the terms' means since the last point, and the generators' rate."""
        if self.writer is None or not self.terms:
            return
        speed = self.images / (time.perf_counter() - self.since)
        means = {n: torch.stack(each).mean().item() for n, each in self.terms.items()}
        for name, mean in means.items():
            self.writer.add_scalar(f"loss/{name}", mean, steps)
        self.writer.add_scalar("rate", rate, steps)
        self.writer.add_scalar("images per second", speed, steps)
        shown = means.get("total", means["l1"])
        self.bar.set_postfix_str(
            f"step {steps}, {speed:.1f} images/s, loss {shown:.3f}", refresh=False
        )
        self.terms, self.images, self.since = {}, 0, time.perf_counter()

    def validation(self, error: float, sheet: Tensor, steps: int) -> None:
        """The error in the holes (%), and a sheet of pictures (3, H, W) in [0, 1]."""
        if self.writer is not None:
            self.writer.add_scalar("validation/error in the hole (%)", error, steps)
            self.writer.add_image("validation", sheet.clamp(0, 1), steps)


@contextmanager
def _open_writer(folder: Path, steps: int) -> Iterator[SummaryWriter]:
    """TensorBoard's writer. Raises InputError if the disk is full."""
    before, others = threading.excepthook, set(threading.enumerate())
    threading.excepthook = _said_later
    try:
        with closing(SummaryWriter(folder, purge_step=steps + 1)) as writer:
            yield writer
    except OSError as error:
        for thread in set(threading.enumerate()) - others:
            thread.join(1)
        raise no_room(folder, error) if error.errno in FULL else error from None
    finally:
        threading.excepthook = before


def _said_later(failure: threading.ExceptHookArgs) -> None:
    """TensorBoard's thread cannot write: its next call raises that."""
    if not isinstance(failure.exc_value, OSError):
        threading.__excepthook__(failure)


class Validation:
    """The same few batches each time, completed by the averaged network."""

    def __init__(self, batches: list[tuple[Tensor, Tensor]]) -> None:
        self.batches = batches

    @torch.no_grad()
    def __call__(self, net: torch.nn.Module) -> tuple[float, Tensor]:
        """Mean absolute error in the holes (%), and a sheet: holes, result, truth."""
        training = net.training
        net.eval()
        gaps, holes = 0.0, 0.0
        for image, mask in self.batches:
            completed = net(image, mask).completed.clamp(0, 1)
            gap = (completed - image).abs().mean(dim=1, keepdim=True)
            gaps += (gap * mask).sum().item()
            holes += mask.sum().item()
        net.train(training)
        masked = torch.where(mask > 0, torch.ones_like(image), image)
        columns = torch.stack([masked, completed, image])  # (3, B, 3, H, W)
        sheet = columns.permute(2, 1, 3, 0, 4).flatten(3).flatten(1, 2)
        return 100 * gaps / holes, sheet  # (3, BH, 3W)
