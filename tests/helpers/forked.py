"""The processes of one job, which `forked_kernels.SERVER` starts."""

import os
import socket

import torch


def join(rank: int, count: int, port: int) -> None:
    """Make this process one of `count`, as a launcher would."""
    torch.set_num_threads(1)
    os.environ |= {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "NODE_RANK": "0",
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(count),
    }


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
