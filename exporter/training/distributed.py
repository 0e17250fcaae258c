"""The processes of one run: `accelerate launch` starts one a GPU, all with the same command.

The first one (rank 0) does what is done once, and the others wait for what it writes: for files
and not at a barrier, whose time-out is minutes where scoring takes hours.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

WAIT_S = 0.5


def rank() -> int:
    """This process' number, from 0."""
    return int(os.environ.get("RANK", "0"))


def world() -> int:
    """How many processes there are."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def device() -> str:
    """Where this process computes: its own GPU, else the CPU."""
    import torch

    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if torch.cuda.is_available() else "cpu"


def computes_in_bfloat16() -> bool:
    """Whether this process' device does so natively, and so faster than in 32 bits."""
    import torch

    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def wait_for(done: Callable[[], bool]) -> None:
    """Return when another process has done it. The launcher ends all when one of them fails."""
    while not done():
        time.sleep(WAIT_S)
