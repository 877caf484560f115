"""The files that describe the project agree with each other."""

import csv
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from gin.errors import check_import_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def read_yaml(path: Path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def requirements_of_all() -> set[Requirement]:
    """What the extra `all` brings, read through the extras it names."""
    extras = PROJECT["project"]["optional-dependencies"]
    (everything,) = map(Requirement, extras["all"])
    lists = [PROJECT["project"]["dependencies"], *map(extras.get, everything.extras)]
    return {Requirement(line) for lines in lists for line in lines}


def constraints() -> dict[str, Version]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line.split("==") for line in lines if not line.startswith("#")]
    return {canonicalize_name(name): Version(version) for name, version in pins}


def test_all_names_every_extra():
    extras = PROJECT["project"]["optional-dependencies"]
    (everything,) = map(Requirement, extras["all"])
    assert everything.name == PROJECT["project"]["name"]
    assert everything.extras == extras.keys() - {"all", "browser"}


def test_environment_yml_lists_what_all_brings():
    environment = read_yaml(ROOT / "environment.yml")
    *conda, with_pip = environment["dependencies"]
    *requirements, project = with_pip["pip"]
    assert {Requirement(line) for line in requirements} == requirements_of_all()
    assert project == "-e ."
    assert conda == [f"python{PROJECT['project']['requires-python']}", "pip"]


def test_constraints_pin_every_requirement_within_its_range():
    pins = constraints()
    wrong = [
        str(requirement)
        for requirement in requirements_of_all()
        if not requirement.specifier.contains(
            pins.get(canonicalize_name(requirement.name), "0")
        )
    ]
    assert not wrong


def test_constraints_hold_nothing_of_one_machine():
    pins = constraints()
    assert not [name for name in pins if re.match("nvidia|cuda|triton|deepgin", name)]
    assert not [name for name, version in pins.items() if version.local]


def test_citation_and_book_agree_with_the_project():
    project = PROJECT["project"]
    citation = read_yaml(ROOT / "CITATION.cff")
    repository = project["urls"]["Repository"]
    assert str(citation["version"]) == project["version"]
    assert citation["license"] == project["license"]
    assert citation["repository-code"] == repository
    assert read_yaml(ROOT / "_config.yml")["repository"]["url"] == repository


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_pins_its_actions_and_calls_targets_that_exist(path):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):.*##", makefile, flags=re.MULTILINE))
    workflow = read_yaml(path)
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    actions = [step["uses"] for step in steps if "uses" in step]
    commands = "\n".join(step["run"] for step in steps if "run" in step)
    assert workflow["permissions"] == {"contents": "read"}
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", action) for action in actions)
    assert set(re.findall(r"\bmake (\w+)", commands)) <= targets


def test_there_are_three_workflows():
    assert [path.stem for path in WORKFLOWS] == ["book", "test", "weekly"]


def test_every_photograph_has_a_licence():
    photographs = {path.name for path in (ROOT / "data/photos").glob("*.jpg")}
    with (ROOT / "data/photos/LICENSES.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(photographs) == 40
    assert {row["file"] for row in rows} == photographs
    free = re.compile(r"CC0-1\.0|Public domain|CC-BY(-SA)?-\d\.0")
    assert all(free.fullmatch(row["licence"]) for row in rows)
    assert all(row["author"] and (row["url"] or row["package"]) for row in rows)


def test_a_wheel_contains_the_package_and_the_weights(tmp_path):
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "gin", tmp_path / "gin")
    (tmp_path / "data/weights").mkdir(parents=True)
    (tmp_path / "data/weights/some.safetensors").write_bytes(b"weights")
    (wheel,) = WheelBuilder(str(tmp_path)).build(
        directory=str(tmp_path / "dist"), versions=["standard"]
    )
    contents = set(zipfile.ZipFile(wheel).namelist())
    modules = {
        path.relative_to(ROOT).as_posix()
        for kind in ("py", "js", "css")
        for path in (ROOT / "gin").rglob(f"*.{kind}")
    }
    assert contents >= modules | {"gin/_weights/some.safetensors"}


@pytest.fixture
def gin_config(tmp_path: Path) -> Path:
    """A folder in which `gin-config` looks installed."""
    information = tmp_path / "gin_config-0.5.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: gin-config\nVersion: 0.5.0\n"
    )
    return tmp_path


def test_the_import_name_is_ours_without_gin_config():
    check_import_name()


def test_gin_config_is_noticed(gin_config, monkeypatch):
    monkeypatch.syspath_prepend(gin_config)
    with pytest.raises(ImportError, match=r"gin-config 0\.5\.0 .*pip uninstall"):
        check_import_name()


def test_importing_gin_beside_gin_config_says_what_to_do(gin_config):
    path = os.pathsep.join([str(gin_config), str(ROOT)])
    run = subprocess.run(
        [sys.executable, "-c", "import gin"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 1
    assert "ImportError: gin-config 0.5.0 is installed" in run.stderr
