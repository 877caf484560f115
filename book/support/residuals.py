"""What chapter 8 measures of back projection, classical and learnt."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from support import figures, probes
from torch import Tensor, nn

from gin.back_projection import back_project, resize
from gin.generator import Completion, DeepGIN


def camera(image: Tensor) -> Tensor:
    """(B, 3, H, W) -> (B, 3, H/4, W/4): the mean of each square of 4 x 4."""
    return F.avg_pool2d(image, 4)


def enlarge(small: Tensor) -> Tensor:
    """(B, 3, h, w) -> (B, 3, 4h, 4w), bilinear."""
    return F.interpolate(small, scale_factor=4, mode="bilinear")


def rms(one: Tensor, other: Tensor) -> float:
    """Root mean square difference, in % of the scale."""
    return 100 * float((one - other).square().mean().sqrt())


def signed(gap: Tensor) -> Tensor:
    """A difference as a picture, five times as strong: grey is nothing."""
    return 0.5 + 5 * gap


def row_eigenvalues(
    shrink: Callable[[Tensor], Tensor], expand: Callable[[Tensor], Tensor], size: int
) -> Tensor:
    """Eigenvalues of "expand, then shrink" for one row of `size` small pixels.

    Both functions take and return (rows, pixels). In pictures the eigenvalues are
    products of two of these.
    """
    matrix = shrink(expand(torch.eye(size).double())).T
    return torch.linalg.eigvals(matrix).real.sort(descending=True).values


def classical_eigenvalues(size: int = 64) -> Tensor:
    """`row_eigenvalues` of `camera` and `enlarge`."""
    return row_eigenvalues(
        lambda rows: F.avg_pool1d(rows, 4),
        lambda rows: F.interpolate(rows[None], scale_factor=4, mode="linear")[0],
        size,
    )


def aligned_eigenvalues(size: int = 64) -> Tensor:
    """`row_eigenvalues` of the network's two resizings."""
    return row_eigenvalues(
        lambda rows: resize(rows[None, None], (size, size))[0, 0],
        lambda rows: resize(rows[None, None], (size, 4 * size))[0, 0],
        size,
    )


def convergence(mu: float, low: float = 1 / 4, high: float = 1.0) -> float:
    """By how much a step multiplies the slowest part of the gap."""
    return max(abs(1 - mu * low), abs(1 - mu * high))


def measured_convergence(mu: float, steps: int = 100) -> float:
    """The same by the last of many steps of `camera` and `enlarge`."""
    torch.manual_seed(0)
    gap = torch.rand(1, 1, 64, 64).double() - 0.3
    growth = 0.0
    for _ in range(steps):
        gap = gap / gap.norm()
        gap = gap - mu * camera(enlarge(gap))
        growth = float(gap.norm())
    return growth


def convergence_table(step_sizes: Sequence[float]) -> figures.Table:
    """Predicted and measured factors, and what follows."""
    rows = []
    for mu in step_sizes:
        predicted, measured = convergence(mu), measured_convergence(mu)
        ends = "diverges" if predicted > 1 else "converges"
        rows.append((f"{mu}", f"{predicted:.3f}", f"{measured:.3f}", ends))
    header = ["step size mu", "factor, predicted", "measured", "so it"]
    return figures.Table(header, rows)


def residual(raw: Tensor, low_res: Tensor) -> Tensor:
    """up(I_lr - down(raw)), (B, 3, H, W)."""
    gap = low_res - resize(raw, (low_res.shape[2], low_res.shape[3]))
    return resize(gap, (raw.shape[2], raw.shape[3]))


def best_alpha(raw: Tensor, low_res: Tensor, truth: Tensor, where: Tensor) -> float:
    """The least-squares weight of the residual in `where`, one for all pixels."""
    e, u = (truth - raw) * where, residual(raw, low_res) * where
    return float((e * u).sum() / (u * u).sum())


def learnt_alpha(raw: Tensor, low_res: Tensor, truth: Tensor) -> float:
    """The same by Adam: one number before a sigmoid, the squared error."""
    logit = torch.zeros(1, requires_grad=True)
    optimiser = torch.optim.Adam([logit], lr=0.1)
    for _ in range(150):
        alpha = torch.sigmoid(logit) * torch.ones_like(raw[:, :1])
        loss = 100 * (back_project(raw, low_res, alpha) - truth).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return float(torch.sigmoid(logit.detach()))


def noisy_alphas(noises: Sequence[float]) -> dict[float, tuple[float, float]]:
    """Best and learnt alpha for a raw picture with wrong colours.

    The small picture is the right one with noise of that standard deviation.
    """
    torch.manual_seed(0)
    truth = probes.photographs(["erase_kingfisher"], 128)
    raw = truth + resize(0.15 * torch.randn(1, 3, 5, 5), (128, 128))
    right, everywhere = resize(truth, (32, 32)), torch.ones_like(raw[:, :1])
    alphas = {}
    for noise in noises:
        small = right + noise * torch.randn_like(right)
        best = best_alpha(raw, small, truth, everywhere)
        alphas[noise] = best, learnt_alpha(raw, small, truth)
    return alphas


@dataclass(frozen=True)
class Head:
    """What the back-projection head was given and returned, (B, ., H, W) each."""

    raw: Tensor
    alpha: Tensor
    done: Completion

    @property
    def low_res(self) -> Tensor:
        """I_lr, (B, 3, H/4, W/4)."""
        assert self.done.low_res is not None
        return self.done.low_res

    @property
    def residual(self) -> Tensor:
        """Of the raw picture."""
        return residual(self.raw, self.low_res)

    @property
    def out(self) -> Tensor:
        """I_out."""
        assert self.done.out is not None
        return self.done.out


def head_of(net: DeepGIN, images: Tensor, mask: Tensor) -> Head:
    """Complete the images and note what happens in the head."""
    assert net.refinement is not None
    head = net.refinement.back_projection
    assert head is not None
    modules: dict[str, nn.Module] = {"head": head, "alpha": head.alpha}
    with probes.recorded(modules) as notes:
        done = probes.completed(net, images, mask)
    return Head(notes["head"][0], torch.sigmoid(notes["alpha"][1]), done)


def head_figure(head: Head, n: int = 0) -> figures.Drawing:
    """Six steps of the head on one photograph."""
    weighted = head.alpha * head.residual
    drawn: Mapping[str, figures.Picture] = {
        "raw": head.raw[n],
        "I_lr, 64 px": head.low_res[n],
        "residual": signed(head.residual[n]),
        "alpha": figures.heat(head.alpha[n, 0].numpy(), high=1),
        "alpha x residual": signed(weighted[n]),
        "completed": head.done.completed[n],
    }
    return figures.row(list(drawn.values()), list(drawn), per_line=3)


def head_scores(head: Head, images: Tensor, mask: Tensor) -> list[dict[str, float]]:
    """For each photograph: alpha in and outside the hole, its best value, errors."""
    goal, scores = resize(images, (64, 64)), []
    told = back_project(head.raw, goal, torch.ones_like(mask))
    for n, hole in enumerate(mask):
        alpha, inside = head.alpha[n], (hole > 0).expand(3, -1, -1)
        known = alpha[hole == 0]
        raw, low, image = head.raw[n, None], head.low_res[n, None], images[n, None]
        scores.append(
            {
                "alpha in the hole": float(alpha[hole > 0].mean()),
                "outside": float(known.mean()),
                "best in the hole": best_alpha(raw, low, image, hole[None]),
                "raw": rms(raw[0][inside], images[n][inside]),
                "corrected": rms(head.out[n][inside], images[n][inside]),
                "by the true small picture": rms(told[n][inside], images[n][inside]),
            }
        )
    return scores


@contextmanager
def without_back_projection(net: DeepGIN) -> Iterator[None]:
    """Within the block, the head returns the raw picture."""
    assert net.refinement is not None
    head = net.refinement.back_projection
    assert head is not None
    with probes.replaced([head], lambda module, inputs, out: (inputs[0], out[1])):
        yield


def alphas_table(alphas: Mapping[float, tuple[float, float]]) -> figures.Table:
    """`noisy_alphas`, a line for each noise."""
    rows = [(f"{n}", f"{best:.3f}", f"{own:.3f}") for n, (best, own) in alphas.items()]
    return figures.Table(["noise", "closed form", "learnt by Adam"], rows)


def scores_table(
    names: Sequence[str], scores: Sequence[Mapping[str, float]]
) -> figures.Table:
    """`head_scores`, a line for each photograph."""
    rows = [
        (name.split("_")[1], *(f"{value:.2f}" for value in score.values()))
        for name, score in zip(names, scores, strict=True)
    ]
    return figures.Table(["alpha; RMS error in the hole (%)", *scores[0]], rows)
