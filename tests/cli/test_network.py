"""No command reaches for another computer, but those whose help says so.

Python's own sockets are watched by no_network/sitecustomize.py; what goes through a
proxy, as the libraries of other languages do, ends at one that notes it and hangs up.
"""

import os
import re
import socketserver
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from data_trees import folder_of
from PIL import Image
from tiny_training import OPTIONS, SETTINGS

import gin

TESTS = Path(__file__).parents[1]
# Under these, programs refrain from what they would do on a person's machine.
QUIET = {"CI", "GITHUB_ACTIONS", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS"}

TINY = (*SETTINGS, *OPTIONS)

# What a command is given; nothing of it is to be found elsewhere.
LOCAL = (
    "--help",
    "mask --kind cellular --size 64x64 --out new.png",
    "inpaint photos --mask mask.png --weights w.safetensors --out done",
    "export --weights w.safetensors --out m.onnx",
    f"train --recipe smoke --data photos --out run {' '.join(TINY)} --dry-run",
    f"train --recipe smoke --data photos --out run {' '.join(TINY)}",
    "info --weights w.safetensors",
)
EVALUATE = "evaluate --weights w.safetensors --data photos --out table.md --device=cpu"

# Ends with the first command's exit code that is not 0.
PROGRAM = """
import sys
from gin.cli.app import main
for line in sys.argv[1:]:
    print(line, file=sys.stderr)
    if code := main(line.split()):
        sys.exit(code)
"""

Run = Callable[[str], tuple[subprocess.CompletedProcess[str], list[str]]]


@pytest.fixture
def proxy() -> Iterator[tuple[str, list[str]]]:
    """The address of a proxy that hangs up, and what it was asked for."""
    asked: list[str] = []

    class Dead(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            asked.append(self.rfile.readline().decode("latin-1").strip())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Dead) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()


@pytest.fixture
def own(tmp_path: Path, proxy: tuple[str, list[str]]) -> dict[str, str]:
    """The environment of a process that is watched, in a home without a file."""
    kept = {k: v for k, v in os.environ.items() if k not in QUIET}
    names = {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"}
    through = dict.fromkeys(names | {name.lower() for name in names}, proxy[0])
    homes = ("HOME", "XDG_CACHE_HOME", "TORCH_HOME")
    path = os.pathsep.join((str(TESTS / "no_network"), str(TESTS.parent)))
    return (
        kept
        | through
        | {"NO_PROXY": "", "no_proxy": "", "PYTHONPATH": path}
        | dict.fromkeys(homes, str(tmp_path / "home"))
        | {"GIN_TEST_ATTEMPTS": str(tmp_path / "attempts")}
    )


@pytest.fixture
def attempts(tmp_path: Path, proxy: tuple[str, list[str]]) -> Callable[[], list[str]]:
    """What was asked for so far: without a proxy, then through it."""
    log = tmp_path / "attempts"
    log.touch()
    return lambda: [*log.read_text(encoding="utf-8").split(), *proxy[1]]


@pytest.fixture
def run(tmp_path: Path, own: dict[str, str], attempts: Callable[[], list[str]]) -> Run:
    """Run commands, a line each, in a folder of their own; also what they asked for."""
    work = tmp_path / "work"
    work.mkdir()
    folder_of(work / "photos", 3)
    mask = Image.new("L", (48, 40))
    mask.paste(255, (10, 10, 30, 30))
    mask.save(work / "mask.png")
    gin.save(gin.DeepGIN("StdResBlk (Coarse only)", 2), work / "w.safetensors")

    def ran(lines: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
        command = [sys.executable, "-c", PROGRAM, *lines.splitlines()]
        text = {"capture_output": True, "text": True, "check": False}
        return subprocess.run(command, cwd=work, env=own, **text), attempts()

    return ran


def test_commands_reach_for_no_other_computer(run: Run, tmp_path: Path) -> None:
    done, attempts = run("\n".join(LOCAL))
    assert done.returncode == 0, done.stderr
    assert attempts == []
    for left in ("new.png", "done", "m.onnx", "run/weights.safetensors"):
        assert (tmp_path / "work" / left).exists()
    assert not [*(tmp_path / "home").rglob("Microsoft")]  # onnxruntime's telemetry


def test_an_evaluation_fetches_what_its_help_says(run: Run) -> None:
    _, attempts = run(EVALUATE)
    places = r"download\.pytorch\.org|github\.com|pypi\.org"
    assert attempts
    assert all(re.search(places, attempt) for attempt in attempts)
    told, _ = run("evaluate --help")
    assert re.search(r"\bdownloaded\b", told.stdout)


ASKS = """
from urllib.request import build_opener, ProxyHandler, urlopen
for open in (urlopen, build_opener(ProxyHandler({})).open):
    try:
        open("http://elsewhere.invalid/")
    except OSError:
        pass
"""


def test_an_attempt_is_seen_with_a_proxy_and_without(
    own: dict[str, str], attempts: Callable[[], list[str]]
) -> None:
    subprocess.run([sys.executable, "-c", ASKS], env=own, check=True)
    direct, through = attempts()
    assert direct == "elsewhere.invalid"
    assert through.startswith("GET http://elsewhere.invalid/")
