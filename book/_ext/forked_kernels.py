"""Kernels that start in a moment: forked from a process that has imported PyTorch.

The imports take most of the time of a short chapter. `install` lets jupyter_client, and
with it nbval and nbclient, start kernels so; it changes nothing in what a kernel sees.
"""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from contextlib import suppress
from importlib.metadata import EntryPoint
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning import KernelProvisionerFactory, LocalProvisioner

NAME = "forked"
# Nothing of this project: what is edited is imported anew by each kernel.
IMPORTED = [
    "__main__",
    "ipykernel.kernelapp",
    "lightning_fabric",
    "matplotlib.pyplot",
    "scipy.stats",
    "torch.utils.data",
    "torchvision",
]
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(IMPORTED)


def install() -> None:
    """Make forked kernels the default of this process, not of programs it starts.

    On Linux alone: elsewhere a process that has imported so much is not safe to fork.
    """
    if sys.platform != "linux":
        return
    factory = KernelProvisionerFactory.instance()
    factory.provisioners[NAME] = EntryPoint(NAME, f"{__name__}:ForkedProvisioner", "")
    factory.default_provisioner_name = NAME


class ForkedKernel:
    """What jupyter_client uses of a `subprocess.Popen`, for a forked process."""

    stdin = stdout = stderr = None

    def __init__(self, process: BaseProcess) -> None:
        self._process = process
        self.pid = process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self) -> int | None:
        self._process.join()
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class ForkedProvisioner(LocalProvisioner):
    """Starts kernels of the Python that runs this; their output goes nowhere else."""

    async def launch_kernel(
        self, cmd: list[str], **kwargs: Any
    ) -> KernelConnectionInfo:
        self.cwd = kwargs.get("cwd") or Path.cwd()
        arguments = cmd[cmd.index("-f") :]
        target = str(self.cwd), kwargs["env"], _search_path(kwargs["env"]), arguments
        # A daemon: one that hangs is ended with its parent, which does not wait for it.
        process = SERVER.Process(target=run_kernel, args=target, daemon=True)
        process.start()
        self.process = ForkedKernel(process)
        self.pid = self.pgid = process.pid
        return self.connection_info


def _search_path(environment: dict[str, str]) -> list[str]:
    """Where a new interpreter finds modules; this one may have other places."""
    code = "import json, sys; print(json.dumps(sys.path))"
    command = [sys.executable, "-c", code]
    return json.loads(subprocess.check_output(command, env=environment))


def run_kernel(
    folder: str, environment: dict[str, str], path: list[str], arguments: list[str]
) -> None:
    """Run a kernel in this process, as `python -m ipykernel_launcher` does."""
    import matplotlib
    from ipykernel.kernelapp import launch_new_instance

    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:] = path
    multiprocessing.set_start_method(None, force=True)
    multiprocessing.current_process().daemon = False  # it may have workers
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    inline = "module://matplotlib_inline.backend_inline"
    matplotlib.rcParams["backend"] = environment.get("MPLBACKEND") or inline
    parent = f"--IPKernelApp.parent_handle={os.getppid()}"
    sys.argv = ["ipykernel_launcher", *arguments, parent]
    launch_new_instance(sys.argv[1:])
