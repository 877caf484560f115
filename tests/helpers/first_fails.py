"""Two processes of a training: the first one fails while the other one waits."""

import time

from gin.errors import InputError
from gin.training.hardware import Hardware, launch

fabric = launch(Hardware("cpu", devices=2, precision="float32"))
if not fabric.is_global_zero:
    time.sleep(600)
raise InputError("the disk is full")
