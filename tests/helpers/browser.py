"""Chromium for tests and benchmarks, and what it visits: a folder, or JupyterLab."""

import functools
import http.client
import http.server
import importlib.util
import os
import secrets
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox",  # root has none
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def why_not() -> str:
    """Why there is no browser to test in; empty if there is one."""
    if os.environ.get("CI"):
        return "no tests in a browser where the variable CI is set"
    if not importlib.util.find_spec("playwright"):
        return 'playwright is not installed: pip install -e ".[test]"'
    return "" if CHROMIUM else "no chromium on the path: apt-get install chromium"


@contextmanager
def chromium() -> Iterator[Any]:
    """A playwright Browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of `folder` on the loopback, ending with a slash."""
    handler = functools.partial(_Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class JupyterLab:
    """A server that shows the notebooks of `folder`, and a line into its kernel."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.token = folder, secrets.token_hex(16)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.runtime = folder / "runtime"
        own = {
            "JUPYTER_CONFIG_DIR": folder / "config",
            "JUPYTER_DATA_DIR": folder / "data",
            "JUPYTER_RUNTIME_DIR": self.runtime,
            "JUPYTERLAB_SETTINGS_DIR": folder / "settings",
            "JUPYTERLAB_WORKSPACES_DIR": folder / "workspaces",
            "PYTHONPATH": Path(__file__).parents[2],
        }
        options = {
            "--ServerApp.ip": "127.0.0.1",
            "--ServerApp.port": self.port,
            "--ServerApp.port_retries": 0,
            "--ServerApp.root_dir": folder,
            "--IdentityProvider.token": self.token,
        }
        self.log = (folder / "jupyter.log").open("w")
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
                *(f"{name}={value}" for name, value in options.items()),
            ],
            env={**os.environ, **{name: str(path) for name, path in own.items()}},
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_for(lambda: self.ask("GET", "/api/status") == 200, "a Jupyter server")
        except AssertionError:
            self.close()
            raise

    def ask(self, method: str, path: str) -> int:
        """The status of an answer of the server; 0 if there is none."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            line.request(method, path, headers={"Authorization": f"token {self.token}"})
            return line.getresponse().status
        except OSError:
            return 0
        finally:
            line.close()

    def address(self, notebook: str) -> str:
        return f"http://127.0.0.1:{self.port}/doc/tree/{notebook}?token={self.token}"

    def kernel(self) -> Any:
        """A client of the kernel that was started last."""
        from jupyter_client import BlockingKernelClient

        wait_for(lambda: any(self.runtime.glob("kernel-*.json")), "a kernel")
        files = self.runtime.glob("kernel-*.json")
        newest = max(files, key=lambda path: path.stat().st_mtime)
        client = BlockingKernelClient(connection_file=str(newest))
        client.load_connection_file()
        client.start_channels(hb=False)
        return client

    def close(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


class Connection:
    """The web sockets from a page to its kernels; to be made before the page loads."""

    def __init__(self, page: Any) -> None:
        self.whole, self.lines = True, []
        page.route_web_socket("**/channels**", self._join)

    def _join(self, line: Any) -> None:
        if self.whole:
            line.connect_to_server()
            self.lines.append(line)
        else:
            line.close()

    def cut(self) -> None:
        self.whole = False
        for line in self.lines:
            line.close()

    def mend(self) -> None:
        """Let the page connect again, which it tries by itself."""
        self.whole = True


def reload(page: Any, shown: str) -> None:
    """Load a notebook anew, again where JupyterLab gives up on a slow machine."""
    for _ in range(3):
        page.reload()
        failed = page.get_by_text("model not found")
        page.locator(shown).or_(failed).first.wait_for()
        if not failed.count():
            return


def run_cell(page: Any) -> None:
    """Run the only cell of the notebook that `page` shows.

    A cell that is still being set up, or whose kernel is, lets the keys pass, so they
    may be pressed again.
    """
    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]")
    cell = page.locator(".jp-CodeCell")
    mark = "(all) => all.forEach((each) => each.classList.add('old'))"
    cell.locator(".jp-OutputArea-child").evaluate_all(mark)

    def taken() -> bool:
        cell.locator(".cm-content").press("Control+Enter")
        page.wait_for_timeout(500)
        ran = cell.locator(".jp-InputPrompt").inner_text() != "[ ]:"
        return ran and not cell.locator(".old").count()

    wait_for(taken, "run of the cell", 120)


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 60) -> Any:
    """What `condition` gives once it is true; AssertionError if it stays false."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError(f"no {what} within {seconds} s")
