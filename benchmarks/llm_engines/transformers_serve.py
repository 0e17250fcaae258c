"""`transformers serve`, the server of transformers: a process of its own, asked over HTTP."""

from __future__ import annotations

import atexit
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from llm_engines import CONCURRENT, THREADS, Generate
from llm_engines.gguf_file import hugging_face

START_S = 120


def one_by_one(dtype: str, model: Path, folder: Path) -> Generate:
    """As it serves by default: a request waits until the one before it is answered."""
    return _serve(dtype, model, folder)


def batching(dtype: str, model: Path, folder: Path) -> Generate:
    """With continuous batching."""
    return _serve(dtype, model, folder, "--continuous-batching")


def _serve(dtype: str, model: Path, folder: Path, *options: str) -> Generate:
    weights = str(hugging_face(model, folder / "weights"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("transformers")), "serve", weights]
    command += ["--device", "cpu", "--dtype", dtype, "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [*command, *options],
            env=os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": str(THREADS)},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    atexit.register(server.terminate)
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + START_S
    while not _answers(url):
        if server.poll() is not None or time.monotonic() > deadline:
            sys.exit((folder / "server.log").read_text(encoding="utf-8")[-2000:])
        time.sleep(0.2)

    def complete(prompt: str, max_tokens: int) -> tuple[str, int]:
        body = {"model": weights, "prompt": prompt, "temperature": 0, "max_tokens": max_tokens}
        request = urllib.request.Request(
            f"{url}/v1/completions",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as reply:
            found = json.load(reply)
        return found["choices"][0]["text"], found["usage"]["completion_tokens"]

    def generate(prompts: Sequence[str], max_tokens: int) -> list[tuple[str, int]]:
        with ThreadPoolExecutor(CONCURRENT) as pool:
            return list(pool.map(complete, prompts, [max_tokens] * len(prompts)))

    return generate


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=1) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, TimeoutError):
        return False
