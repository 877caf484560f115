"""Notes and refuses every attempt to reach another computer.

Python imports this module when it starts with this folder on PYTHONPATH; so do the
processes that it starts.
"""

import os
import sys
from pathlib import Path
from typing import Any

HERE = {"localhost", "127.0.0.1", "::1", "0.0.0.0", "::", "", None}


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host not in HERE:
        with Path(os.environ["GIN_TEST_ATTEMPTS"]).open("a", encoding="utf-8") as file:
            file.write(f"{host}\n")
        raise OSError(f"no network in this test: {host}")


sys.addaudithook(_watch)
