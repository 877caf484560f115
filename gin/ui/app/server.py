"""The app as a web page: Voila on this computer, protected by a token.

Needs Voila, from the extra `app`.
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

from gin.errors import InputError, install
from gin.utils.files import split_name

HOST = "127.0.0.1"
PORT = 8866
PORTS = range(PORT, PORT + 50)  # tried by default
TEMPLATE = "deepgin"  # in the folder voila/templates beside this file
# Content-Security-Policy; anywidget imports its scripts from blobs.
POLICY = (
    "default-src 'self'; script-src 'self' blob: 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self' ws://{host}:{port} data: blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
# Opened instead of the address: other users can read the arguments of a command.
REDIRECT = """<!doctype html><meta charset="utf-8"><title>DeepGIN</title><script>
const dark = matchMedia("(prefers-color-scheme: dark)").matches;
location.replace("{address}" + (dark ? "&theme=dark" : ""));
</script>
"""


def serve(
    photo: Path | None, weights: Sequence[str], port: int | None, browser: bool
) -> None:
    """Serve the app until Ctrl-C or SIGTERM, and print its address.

    `photo` is the first photograph; None takes a sample. `weights` as for `Catalogue`.
    `port` None takes the first free port from 8866. `browser` opens the address in a
    browser. Raises InputError for a package that is not installed, a photograph or
    weights that cannot be used, or a port that is taken.
    """
    try:
        import ipywidgets  # noqa: F401
        from voila.app import Voila

        from gin.ui.painter.painter import read_photo
    except ModuleNotFoundError as error:
        raise InputError(f"{error.name} is not installed: {install('app')}") from error
    if photo is not None:
        read_photo(photo)
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
    """Environment variables of the server and its kernels.

    Jupyter does not read the user's settings, and glibc keeps freed memory, as in the
    other commands.
    """
    return {
        "MALLOC_MMAP_MAX_": "0",
        "MALLOC_TRIM_THRESHOLD_": str(10**12),
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
    # By default voila.json and voila.py in the working folder override all settings.
    voila |= {"config_file_paths": []}
    policy = POLICY.format(host=HOST, port=port)
    voila |= {"tornado_settings": {"headers": {"Content-Security-Policy": policy}}}
    configuration = {"template": TEMPLATE, "allow_template_override": "NO"}
    return Config({"Voila": voila, "VoilaConfiguration": configuration})


@contextmanager
def _notebook(photo: Path | None, weights: Sequence[str]) -> Iterator[Path]:
    """A notebook whose only cell shows the app, in a private folder of the user."""
    import nbformat
    from jupyter_core.paths import jupyter_runtime_dir

    runtime = Path(jupyter_runtime_dir())
    runtime.mkdir(parents=True, exist_ok=True)
    path = str(photo.resolve()) if photo else None
    sources = [_absolute(source) for source in weights]
    cell = f"import gin\n\ngin.app({path!r}, {sources!r})"
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell)], metadata={"kernelspec": kernel}
    )
    with tempfile.TemporaryDirectory(dir=runtime, prefix="gin-") as folder:
        file = Path(folder) / "DeepGIN.ipynb"
        nbformat.write(notebook, file)
        yield file


def _absolute(weights: str) -> str:
    """`weights` with an absolute path, for another working folder."""
    name, file = split_name(weights)
    if not Path(file).exists():
        return weights
    return f"{name}={Path(file).resolve()}" if name else str(Path(file).resolve())


def _free_port(port: int | None) -> int:
    for candidate in [port] if port else PORTS:
        with socket.socket() as server:
            # Allows the port of a server that has just ended.
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                server.bind((HOST, candidate))
            except OSError as error:
                reason = error.strerror
                continue
            return candidate
    ports = f"port {port}" if port else f"every port from {PORTS[0]} to {PORTS[-1]}"
    raise InputError(
        f"{ports} cannot be used ({reason}); expected a free one, as in --port 9000"
    )


def _announce(folder: Path, port: int, token: str, browser: bool) -> None:
    """Print the address once the server answers, and open it in a browser."""
    while True:
        try:
            socket.create_connection((HOST, port), timeout=1).close()
            break
        except OSError:
            threading.Event().wait(0.1)
    address = f"http://{HOST}:{port}/?token={token}"
    print(f"The app: {address}")
    print("It is reachable from this computer only. From another one, run there")
    print(f"  ssh -L {port}:{HOST}:{port} {platform.node()}")
    print("and open the same address there. Ctrl-C ends it.", flush=True)
    if browser:
        page = folder / "open.html"
        page.write_text(REDIRECT.format(address=address), encoding="utf-8")
        webbrowser.open(page.as_uri())
