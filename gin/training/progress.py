"""A training's progress bar, and its curves for TensorBoard."""

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
    """Averages terms between points of the curves; reports in the first process only.

    `folder` is TensorBoard's, `steps` were taken before: the curves of a resumed run
    continue there, and points that a killed one wrote beyond them are dropped.
    `progress` is the fraction of the schedule that is done, 0 to 1, and `reports`
    whether this is the process that reports. Leaving the block raises InputError if the
    disk was full.
    """

    def __init__(
        self, folder: Path, steps: int, progress: float, reports: bool
    ) -> None:
        super().__init__()
        self.images, self.since = 0, time.perf_counter()
        self.terms: dict[str, list[Tensor]] = {}
        self.writer: SummaryWriter | None = None
        if reports:
            self.writer = self.enter_context(_open_writer(folder, steps))
        self.bar = tqdm(
            total=1.0,
            initial=progress,
            bar_format="{percentage:3.0f}%|{bar}| {remaining} left, {postfix}",
            disable=None if reports else True,
            mininterval=1,
            miniters=0,
        )
        self.callback(self.bar.close)

    def step(self, terms: dict[str, Tensor], images: int, progress: float) -> None:
        """Add a step's terms, scalars on any device, and its number of images."""
        if self.writer is None:
            return
        self.images += images
        for name, term in terms.items():
            self.terms.setdefault(name, []).append(term)
        self.bar.update(progress - self.bar.n)

    def point(self, lr: float, steps: int) -> None:
        """Write the terms' means since the last point, and the learning rate."""
        if self.writer is None or not self.terms:
            return
        speed = self.images / (time.perf_counter() - self.since)
        means = {name: torch.stack(t).mean().item() for name, t in self.terms.items()}
        for name, mean in means.items():
            self.writer.add_scalar(f"loss/{name}", mean, steps)
        self.writer.add_scalar("rate", lr, steps)
        self.writer.add_scalar("images per second", speed, steps)
        shown = means.get("total", means["l1"])
        self.bar.set_postfix_str(
            f"step {steps}, {speed:.1f} images/s, loss {shown:.3f}", refresh=False
        )
        self.terms, self.images, self.since = {}, 0, time.perf_counter()

    def validation(self, error: float, sheet: Tensor, steps: int) -> None:
        """Write the error in the holes (%) and a sheet of pictures (3, H, W)."""
        if self.writer is not None:
            self.writer.add_scalar("validation/error in the hole (%)", error, steps)
            self.writer.add_image("validation", sheet.clamp(0, 1), steps)


@contextmanager
def _open_writer(folder: Path, steps: int) -> Iterator[SummaryWriter]:
    """TensorBoard's writer. Raises InputError if the disk is full."""
    before, others = threading.excepthook, set(threading.enumerate())
    threading.excepthook = _hide_disk_errors
    try:
        with closing(SummaryWriter(folder, purge_step=steps + 1)) as writer:
            yield writer
    except OSError as error:
        for thread in set(threading.enumerate()) - others:
            thread.join(1)
        raise no_room(folder, error) if error.errno in FULL else error from None
    finally:
        threading.excepthook = before


def _hide_disk_errors(failure: threading.ExceptHookArgs) -> None:
    """Hide an OSError of TensorBoard's thread, which its next call raises."""
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
