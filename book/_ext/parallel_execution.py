"""Sphinx extension: chapters are executed side by side, and again only when needed.

Sphinx reads one page after the other, and MyST-NB executes a chapter while it is read.
Before the first page is read, this extension executes the chapters that are not in
jupyter-cache yet, each in a kernel of its own, as many at a time as there are cores
(the variable WORKERS sets another number), and puts them into the cache, where MyST-NB
finds them. A chapter that fails is not kept: MyST-NB executes it again and reports the
error.

jupyter-cache compares the code of a chapter, its tags and its captions. What the code
depends on decides in which folder the cache lies: the package, `book/support`, `data`
and the pinned versions.
"""

import hashlib
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import forked_kernels
import patient_kernels
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn, JupyterCacheAbstract
from jupyter_cache.executors.utils import ExecutionResult, single_nb_execution
from myst_nb.core.read import create_nb_reader
from nbformat import NotebookNode
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

SOURCES = ("gin", "book/support", "data", "claims.yml", "constraints.txt")
CACHES = Path("_build", ".executed")
log = logging.getLogger(__name__)


def digest(root: Path, sources: Iterable[str] = SOURCES) -> str:
    """12 digits of a SHA-256 of the files under `sources`, and of Python's version."""
    found = hashlib.sha256(sys.version.encode())
    for path in _files(root, sources):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").digest()
        found.update(path.relative_to(root).as_posix().encode() + content)
    return found.hexdigest()[:12]


def _files(root: Path, sources: Iterable[str]) -> Iterator[Path]:
    for source in sources:
        path = root / source
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (p for p in inside if p.is_file() and p.suffix != ".pyc")


def place_cache(app: Sphinx, config: Config) -> None:
    """Let MyST-NB use the cache of the present sources, and remove other caches."""
    root = Path(app.srcdir)
    cache = root / CACHES / digest(root)
    config.nb_execution_mode = "cache"
    config.nb_execution_cache_path = str(cache)
    for old in (root / CACHES).glob("*"):
        if old != cache:
            shutil.rmtree(old)


def execute_missing(app: Sphinx, env: BuildEnvironment, pages: Sequence[str]) -> None:
    """Execute the chapters among `pages` that are not in the cache."""
    settings = env.mystnb_config  # type: ignore[attr-defined]
    cache = get_cache(settings.execution_cache_path)
    notebooks = {}
    for page in pages:
        path = Path(env.doc2path(page))
        text = path.read_text("utf-8")
        reader = create_nb_reader(str(path), env.myst_config, settings, text)  # type: ignore[attr-defined]
        if reader is not None and not _is_cached(cache, notebook := reader.read(text)):
            notebooks[path] = notebook
    workers = int(os.environ.get("WORKERS") or os.cpu_count() or 1)
    execute(cache, notebooks, workers, settings.execution_timeout)


def _is_cached(cache: JupyterCacheAbstract, notebook: NotebookNode) -> bool:
    try:
        cache.match_cache_notebook(notebook)
    except KeyError:
        return False
    return True


def execute(
    cache: JupyterCacheAbstract,
    notebooks: dict[Path, NotebookNode],
    workers: int,
    timeout: int,
) -> None:
    """Execute notebooks, each in the folder of its file, and cache those that succeed.

    The longest are begun first, so that no worker is left alone at the end.
    """
    order = sorted(notebooks, key=lambda path: -path.stat().st_size)
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        running = {
            pool.submit(run, notebooks[path], str(path.parent), timeout): path
            for path in order
        }
        for number, future in enumerate(as_completed(running), start=1):
            path, result = running[future], future.result()
            count = f"{number} of {len(running)}"
            if result.err is not None:
                log.info("%s failed after %.0f s (%s)", path.name, result.time, count)
                continue
            data = {"execution_seconds": result.time}
            bundle = CacheBundleIn(result.nb, str(path), data=data)
            cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
            log.info("%s executed in %.0f s (%s)", path.name, result.time, count)


def run(notebook: NotebookNode, folder: str, timeout: int) -> ExecutionResult:
    """Execute a notebook in a kernel of one thread, in a process of its own."""
    patient_kernels.patch()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    forked_kernels.install()
    return single_nb_execution(
        notebook, cwd=folder, timeout=timeout, allow_errors=False
    )


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("config-inited", place_cache, priority=100)
    app.connect("env-before-read-docs", execute_missing)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
