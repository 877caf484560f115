"""Each extra works alone: its modules and names import with its packages only."""

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import gin

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
PROJECT = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
# What an extra adds to the core. A package stands for all of its modules.
ADDED = {
    "train": (
        "gin.baselines.classical",
        "gin.baselines.deepfill.training",
        "gin.evaluation",
        "gin.training",
    ),
    "book": ("gin.MaskPainter", "gin.ui.painter", "support.figures"),
    "app": (
        "gin.InpaintApp",
        "gin.MaskPainter",
        "gin.app",
        "gin.ui.app.panel",
        "gin.ui.app.view",
        "gin.ui.painter",
    ),
    "export": ("onnx", "onnxruntime", "onnxscript"),
    "heic": (),  # a format, and no module
}
# Starts in an environment that looks like one without the hidden packages.
PROGRAM = """
import json, sys
from importlib import import_module
from importlib.machinery import PathFinder
from packaging.utils import canonicalize_name

names, modules, packages = json.load(sys.stdin)

class InstalledOnly(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        hidden = name.partition(".")[0] in modules
        return None if hidden else super().find_spec(name, path, target)

    @classmethod
    def find_distributions(cls, *arguments):
        for distribution in super().find_distributions(*arguments):
            if canonicalize_name(distribution.name) not in packages:
                yield distribution

sys.meta_path[:] = [f for f in sys.meta_path if f is not PathFinder] + [InstalledOnly]
sys.path.insert(0, "book")  # where the chapters find `support`
for name in names:
    try:
        import_module(name)
    except ModuleNotFoundError as error:
        package, _, attribute = name.rpartition(".")
        if error.name != name or not package:
            sys.exit(f"{name}: {error}")
        getattr(import_module(package), attribute)
"""


def installed(requirements: Iterable[str]) -> set[str]:
    """The packages that `pip install` would bring for `requirements`."""
    packages: set[str] = set()
    todo = [(Requirement(line), "") for line in requirements]
    seen = set()
    while todo:
        requirement, extra = todo.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        packages.add(canonicalize_name(requirement.name))
        for wanted in {"", *requirement.extras}:
            if (key := (canonicalize_name(requirement.name), wanted)) not in seen:
                seen.add(key)
                todo += [(line, wanted) for line in needed_by(requirement.name)]
    return packages


def needed_by(package: str) -> list[Requirement]:
    try:
        return [Requirement(line) for line in requires(package) or ()]
    except PackageNotFoundError:  # not for this platform
        return []


def owners() -> dict[str, set[str]]:
    """Top-level module -> the packages that it is installed by."""
    return {
        module: {canonicalize_name(package) for package in packages}
        for module, packages in packages_distributions().items()
        if module != "gin"
    }


def run(extra: str, names: Iterable[str]) -> str:
    """Import `names` with the packages of the core and of `extra`; the error or ""."""
    kept = installed([*PROJECT["dependencies"], *EXTRAS.get(extra, ()), "packaging"])
    modules = [module for module, packages in owners().items() if not packages & kept]
    packages = set().union(*owners().values()) - kept
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps([[*names], modules, [*packages]]),
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.stderr[-2000:] if ended.returncode else ""


def everything() -> set[str]:
    """Every module of `gin`, `gin.weights._sdist` aside, and every public name."""
    root = Path(gin.__file__).parent
    files = [path.relative_to(root.parent) for path in root.rglob("*.py")]
    modules = {
        ".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in files
    }
    return modules - {"gin.weights._sdist"} | {f"gin.{name}" for name in gin.__all__}


def within(name: str, packages: Iterable[str]) -> bool:
    return any(f"{name}.".startswith(f"{package}.") for package in packages)


def test_the_core_works_without_any_extra():
    added = [name for names in ADDED.values() for name in names]
    names = sorted(name for name in everything() if not within(name, added))
    assert run("", names) == ""


@pytest.mark.parametrize("extra", ADDED)
def test_an_extra_works_alone(extra):
    inside = {name for name in everything() if within(name, ADDED[extra])}
    assert run(extra, sorted(inside | {*ADDED[extra]})) == ""


@pytest.mark.parametrize("module", ["skimage", "matplotlib", "voila", "onnx"])
def test_the_packages_of_other_extras_are_hidden(module):
    assert f"No module named '{module}'" in run("", [module])


@pytest.mark.parametrize("name", ["MaskPainter", "InpaintApp", "app"])
def test_a_name_without_its_extra_says_what_to_install(name, monkeypatch):
    monkeypatch.delitem(gin.__dict__, name, raising=False)
    monkeypatch.setitem(sys.modules, f"gin.{gin._MODULES[name]}", None)
    with pytest.raises(ModuleNotFoundError, match=rf"gin.{name} needs .*\.\[app\]"):
        getattr(gin, name)


def test_every_extra_is_tested():
    assert ADDED.keys() == EXTRAS.keys() - {"all", "test"}
