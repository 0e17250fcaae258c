"""The processes of one run: `accelerate launch` starts one a GPU, all with the same command.

Work that is done once is done by the process of rank 0, and the others wait for the files that it
writes. They do not wait at a barrier, which times out after minutes where scoring takes hours.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

POLL_S = 0.5


def rank() -> int:
    """The number of this process, from 0."""
    return int(os.environ.get("RANK", "0"))


def world_size() -> int:
    """How many processes there are."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def device() -> str:
    """The torch device of this process: its own GPU, else the CPU."""
    import torch

    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if torch.cuda.is_available() else "cpu"


def supports_bfloat16() -> bool:
    """Whether the device computes in bfloat16 natively, and so faster than in float32."""
    import torch

    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def wait_for(done: Callable[[], bool]) -> None:
    """Return once `done()` is true of what another process does. If that process fails, the
    launcher ends this one too."""
    while not done():
        time.sleep(POLL_S)
