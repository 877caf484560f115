"""Loading the authors' published generator into `gin.DeepGIN`.

Taught in book/03_network.md.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from filelock import FileLock
from torch import Tensor

from gin.errors import InputError, input_error
from gin.generator import DeepGIN
from gin.utils.files import StrPath, atomic
from gin.weights import downloads, state_dicts

RELEASED = "released"
# Name -> Google Drive identifier, as linked in the authors' README.
DRIVE = {
    RELEASED: "1yOtMELWwTBc-PMSY69x1FH8D1anUN7tD",
    "released-warm-up": "1T3ST-ujhtDZQpWUiagICOAIvBF7CMeYz",
}
# Released module name -> name in `DeepGIN`.
_PLAIN = {
    "lr_coarse_tinker.1": "coarse.encoder.0.0",
    "lr_coarse_tinker.4": "coarse.encoder.1.0",
    "lr_coarse_tinker.7": "coarse.encoder.2.0",
    "lr_coarse_tinker.10": "coarse.encoder.3.0",
    "lr_coarse_tinker.20": "coarse.decoder.0.conv.0",
    "lr_coarse_tinker.24": "coarse.decoder.1.conv.0",
    "lr_coarse_tinker.28": "coarse.decoder.2.conv.0",
    "lr_coarse_tinker.31": "coarse.rgb",
    "r_en_conv1": "refinement.encoder.0.0",
    "r_en_conv2": "refinement.encoder.1.0",
    "r_en_conv3": "refinement.encoder.2.0",
    "r_en_conv4": "refinement.encoder.3.0",
    "r_en_conv5": "refinement.encoder.4.0",
    "r_en_skp_conv3": "refinement.skip3.narrow.0",
    "r_en_skp_conv4": "refinement.skip4.narrow.0",
    "r_de_conv1": "refinement.up1.conv.0",
    "r_de_mix_conv1": "refinement.skip4.mix.0",
    "r_de_conv2": "refinement.up2.conv.0",
    "r_de_mix_conv2": "refinement.skip3.mix.0",
    "r_de_conv2_lr": "refinement.back_projection.low_res.0.0",
    "r_de_conv3_lr": "refinement.back_projection.low_res.1",
    "r_de_conv3": "refinement.up3.conv.0",
    "r_de_conv4": "refinement.up4.conv.0",
    "r_de_conv5": "refinement.rgb",
    "r_de_conv5_lr_alpha": "refinement.back_projection.alpha",
}
_ATTENTION = {
    "r_md_satn1": "refinement.middle.3",
    "r_de_satn2": "refinement.skip4.attention",
    "r_de_satn3": "refinement.skip3.attention",
}
_COARSE_BLOCKS = {f"lr_coarse_tinker.{12 + i}": f"coarse.middle.{i}" for i in range(6)}
# The released file runs its six blocks in the order 1, 2, 5, 3, 4, 6.
_REFINEMENT_BLOCKS = {
    f"r_md_mres{block}": f"refinement.middle.{index}"
    for block, index in zip((1, 2, 5, 3, 4, 6), (0, 1, 2, 4, 5, 6), strict=True)
}


def _modules() -> Iterator[tuple[str, str]]:
    yield from _PLAIN.items()
    for theirs, ours in _ATTENTION.items():
        for part in ("theta", "phi", "g"):
            yield f"{theirs}.{part}", f"{ours}.{part}"
        yield f"{theirs}.W", f"{ours}.project"
    for blocks, branches in ((_COARSE_BLOCKS, 8), (_REFINEMENT_BLOCKS, 4)):
        for theirs, ours in blocks.items():
            for i in range(branches):
                yield f"{theirs}.branch{i + 1}.conv", f"{ours}.branches.{i}"
            yield f"{theirs}.fusion{branches + 1}.conv", f"{ours}.fusion"


def released_names() -> dict[str, str]:
    """Tensor names of the published generator file -> names in `DeepGIN`."""
    return {
        f"{theirs}.{tensor}": f"{ours}.{tensor}"
        for theirs, ours in _modules()
        for tensor in ("weight", "bias")
    }


def load_released(source: StrPath | Mapping[str, Tensor]) -> DeepGIN:
    """Load the authors' generator as a `DeepGIN(composite=True)` in evaluation mode.

    `source` is their `.pth` file, read with `weights_only=True`, or its state dict. The
    base width is inferred from the shapes. Raises InputError if the file cannot be read
    or tries to run code, or its tensors are not exactly those of the published
    generator; the difference is listed.
    """
    if isinstance(source, Mapping):
        where = "the state dict"
        theirs = state_dicts.named_tensors(source, where)
    else:
        where, theirs = str(source), state_dicts.read_state_dict(Path(source))
    names = released_names()
    state_dicts.check_names(where, set(names), set(theirs))
    width = state_dicts.checked_base_channels(theirs["r_en_conv2.bias"].numel(), where)
    state = {ours: theirs[name] for name, ours in names.items()}
    return state_dicts.build_and_load(
        lambda: DeepGIN(base_channels=width, composite=True), state, where
    )


def released_file(name: str = RELEASED) -> Path:
    """The path of a file in `DRIVE`, downloaded once into torch's cache.

    Its SHA-256 is stored beside it and checked on each call. Raises InputError if the
    download fails, or the file is not their generator or has changed; the message
    names the path for a file that is downloaded by hand.
    """
    path = downloads.cache() / f"deepgin-{name}.pth"
    mark = path.with_suffix(".sha256")
    if not (path.is_file() and mark.is_file()):
        with input_error(f"{path.parent}: cannot be written", OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path.with_suffix(".lock")).acquire()
        with lock:
            _download(DRIVE[name], path, mark)
    expected = mark.read_text(errors="replace").strip()
    digest = downloads.sha256(path)
    if digest != expected:
        raise InputError(
            f"{path}: its SHA-256 is {digest[:8]}, it was {expected[:8]} when it was "
            f"first read; remove it and {mark.name} to download it again"
        )
    return path


def _download(identifier: str, path: Path, mark: Path) -> None:
    """Download the file, unless it exists, and write its SHA-256 to `mark`."""
    if path.is_file():
        if not mark.is_file():
            load_released(path)
            _write_sha256(path, mark)
        return
    with atomic(path) as temporary:
        try:
            downloads.from_drive(identifier, temporary)
            load_released(temporary)
        except InputError as error:
            reason = str(error).replace(str(temporary), "the downloaded file")
            raise InputError(
                f"the authors' weights were not downloaded ({reason}); download "
                f"https://drive.google.com/file/d/{identifier}/view in a browser and "
                f"put the file at {path}"
            ) from error
        _write_sha256(temporary, mark)  # first, so that the file never lacks one


def _write_sha256(path: Path, mark: Path) -> None:
    with atomic(mark) as temporary:
        temporary.write_text(f"{downloads.sha256(path)}\n")
