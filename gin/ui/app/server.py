"""The app as a page of its own: Voila on this computer alone, behind a token.

Needs Voila, which the extra `app` brings.
"""

import logging
import os
import platform
import secrets
import socket
import tempfile
import threading
import webbrowser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gin.errors import InputError

HOST = "127.0.0.1"
PORT = 8866
TRIED = 50  # ports from there on, where none is asked for
TEMPLATE = "deepgin"  # in the folder voila/templates beside this file
# What the page may load: anywidget imports its scripts from blobs.
POLICY = (
    "default-src 'self'; script-src 'self' blob: 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self' ws://{host}:{port} data: blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
# Opened instead of the address itself: other users see what a command is given.
REDIRECT = """<!doctype html><meta charset="utf-8"><title>DeepGIN</title><script>
const dark = matchMedia("(prefers-color-scheme: dark)").matches;
location.replace("{address}" + (dark ? "&theme=dark" : ""));
</script>
"""


def serve(
    photo: Path | None, weights: Sequence[str], port: int | None, browser: bool
) -> None:
    """Serve the app until Ctrl-C or SIGTERM; print where it is, and open a browser.

    Args:
        photo: the first photograph; None takes a sample.
        weights: as `Catalogue` takes them.
        port: None takes the first free one from 8866 on.

    Raises:
        InputError: a package that is not installed, a photograph or weights that
            cannot be used, or a port that is taken.
    """
    try:
        import ipywidgets  # noqa: F401
        from voila.app import Voila

        from gin.ui.painter.painter import read
    except ModuleNotFoundError as error:
        raise InputError(
            f'{error.name} is not installed: pip install "deepgin-book[app]"'
        ) from error
    if photo is not None:
        read(photo)
    if weights:
        from gin.ui.app.choices import Catalogue  # torch takes seconds to import

        Catalogue(weights)
    port, token = _free_port(port), secrets.token_urlsafe(24)
    with _notebook(photo, weights) as notebook:
        os.environ.update(_environment(notebook.parent))
        server = Voila(config=_settings(port, token))
        server.initialize([str(notebook)])
        threading.Thread(
            target=_announce, args=(notebook.parent, port, token, browser), daemon=True
        ).start()
        server.start()
    print("The app has ended.")


def _environment(folder: Path) -> dict[str, str]:
    """Variables under which Jupyter reads no settings of the user's."""
    return {
        "JUPYTER_CONFIG_DIR": str(folder),
        "JUPYTER_CONFIG_PATH": "",
        "JUPYTER_DATA_DIR": str(folder),
        "JUPYTER_PATH": str(Path(__file__).parent),
        "JUPYTER_PREFER_ENV_PATH": "1",
        "IPYTHONDIR": str(folder / "ipython"),
    }


def _settings(port: int, token: str) -> Any:
    from traitlets.config import Config

    voila = {"ip": HOST, "port": port, "port_retries": 0, "open_browser": False}
    voila |= {"token": token, "log_level": logging.ERROR}
    # By default voila.json and voila.py in the working folder would have the last word.
    voila |= {"config_file_paths": []}
    policy = POLICY.format(host=HOST, port=port)
    voila |= {"tornado_settings": {"headers": {"Content-Security-Policy": policy}}}
    look = {"template": TEMPLATE, "allow_template_override": "NO"}
    return Config({"Voila": voila, "VoilaConfiguration": look})


@contextmanager
def _notebook(photo: Path | None, weights: Sequence[str]) -> Iterator[Path]:
    """A notebook of one cell, which shows the app, in a folder for this user alone."""
    import nbformat
    from jupyter_core.paths import jupyter_runtime_dir

    runtime = Path(jupyter_runtime_dir())
    runtime.mkdir(parents=True, exist_ok=True)
    shown = str(photo.resolve()) if photo else None
    given = [_absolute(each) for each in weights]
    cell = f"import gin\n\ngin.app({shown!r}, {given!r})"
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell)], metadata={"kernelspec": kernel}
    )
    with tempfile.TemporaryDirectory(dir=runtime, prefix="gin-") as folder:
        path = Path(folder) / "DeepGIN.ipynb"
        nbformat.write(notebook, path)
        yield path


def _absolute(weights: str) -> str:
    """The same weights from another working folder."""
    name, equals, file = weights.rpartition("=")
    return f"{name}{equals}{Path(file).resolve()}" if Path(file).exists() else weights


def _free_port(port: int | None) -> int:
    for tried in [port] if port else range(PORT, PORT + TRIED):
        with socket.socket() as free:
            # A server that ended a moment ago does not count; one that runs does.
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                free.bind((HOST, tried))
            except OSError:
                continue
            return tried
    wanted = f"port {port}" if port else f"every port from {PORT} to {PORT + TRIED - 1}"
    raise InputError(f"{wanted} is taken; expected a free one, as in --port 9000")


def _announce(folder: Path, port: int, token: str, browser: bool) -> None:
    """Once the server answers, say where; and open it."""
    while True:
        try:
            socket.create_connection((HOST, port), timeout=1).close()
            break
        except OSError:
            threading.Event().wait(0.1)
    address = f"http://{HOST}:{port}/?token={token}"
    print(f"The app: {address}")
    print("It answers to this computer alone. From another one, run there")
    print(f"  ssh -L {port}:{HOST}:{port} {platform.node()}")
    print("and open the same address there. Ctrl-C ends it.", flush=True)
    if browser:
        page = folder / "open.html"
        page.write_text(REDIRECT.format(address=address), encoding="utf-8")
        webbrowser.open(page.as_uri())
