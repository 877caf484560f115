"""A forked kernel sees what a started one sees."""

import json
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from forked_kernels import NAME, ForkedProvisioner, install
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import KernelManager, start_new_kernel
from jupyter_client.provisioning import KernelProvisionerFactory

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kernels are started")
Kernel = tuple[KernelManager, BlockingKernelClient]


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    folder = tmp_path_factory.mktemp("kernel")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIN_ASKED", "yes")
        install()
        manager, client = start_new_kernel(cwd=str(folder))
    assert isinstance(manager.provisioner, ForkedProvisioner)
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel()
    assert manager.provisioner is None or not manager.provisioner.has_process


@pytest.fixture
def ask(kernel: Kernel) -> Callable[[str], object]:
    """The value of an expression in the kernel."""

    def value(expression: str) -> object:
        asked = {"value": f"__import__('json').dumps({expression})"}
        reply = kernel[1].execute("", user_expressions=asked, reply=True, timeout=60)
        found = reply["content"]["user_expressions"]["value"]
        return json.loads(found["data"]["text/plain"].strip("'"))

    return value


def test_it_has_the_folder_the_variables_and_the_search_path(
    ask: Callable[[str], object], tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert Path(str(ask("__import__('os').getcwd()"))).name.startswith("kernel")
    assert ask("__import__('os').environ['GIN_ASKED']") == "yes"
    code = "import json, sys; print(json.dumps(sys.path))"
    fresh = subprocess.check_output([sys.executable, "-c", code], text=True)
    expected = [path for path in json.loads(fresh) if path]
    found = ask("__import__('sys').path")
    assert isinstance(found, list)
    assert [path for path in found if path in expected] == expected
    assert "" in found
    assert not any("tests" in path for path in found)


def test_nothing_of_the_project_is_there_and_workers_start_as_ever(
    ask: Callable[[str], object],
) -> None:
    assert ask("[m for m in __import__('sys').modules if m.startswith('gin')]") == []
    assert ask("__name__") == "__main__"
    method = "__import__('multiprocessing').get_start_method()"
    assert ask(method) == multiprocessing.get_context().get_start_method()
    loaded = "__import__('torch').utils.data.DataLoader([1, 2], num_workers=1)"
    assert ask(f"[int(each) for each in {loaded}]") == [1, 2]
    backend = "__import__('matplotlib').get_backend()"
    assert "inline" in str(ask(backend))


def test_it_can_be_interrupted_and_killed() -> None:
    install()
    manager, client = start_new_kernel()
    waiting = client.execute("import time; print('begun'); time.sleep(600)")
    while client.get_iopub_msg(timeout=60)["msg_type"] != "stream":
        pass
    manager.interrupt_kernel()
    reply = client.get_shell_msg(timeout=60)
    while reply["parent_header"]["msg_id"] != waiting:
        reply = client.get_shell_msg(timeout=60)
    assert reply["content"]["ename"] == "KeyboardInterrupt"
    assert manager.is_alive()
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    assert not manager.is_alive()


def test_it_is_the_default_of_this_process_alone() -> None:
    """A JupyterLab that a test starts does not know it."""
    install()
    factory = KernelProvisionerFactory.instance()
    assert factory.default_provisioner_name == NAME
    assert factory.default_provisioner_name_env not in os.environ
