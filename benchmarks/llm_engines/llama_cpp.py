"""llama.cpp, from the wheel of xllamacpp: its server, called without HTTP."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from llm_engines import CONCURRENT, THREADS, Generate
from llm_engines.gguf_file import requantised


def stored_as(kind: str, model: Path, folder: Path) -> Generate:
    """The weights as `kind`, a name of `GGMLQuantizationType`."""
    return as_it_is(requantised(model, folder / f"{kind}.gguf", kind), folder)


def as_it_is(model: Path, _: Path) -> Generate:
    """The file with the weights it has (Q4_1)."""
    import xllamacpp

    options = xllamacpp.CommonParams()
    options.model.path = str(model)
    options.n_parallel = CONCURRENT
    options.n_ctx = 2048 * CONCURRENT
    options.cpuparams.n_threads = options.cpuparams_batch.n_threads = THREADS
    options.verbosity = 0
    server = xllamacpp.Server(options)

    def complete(prompt: str, max_tokens: int) -> tuple[str, int]:
        body = {"prompt": prompt, "temperature": 0, "max_tokens": max_tokens}
        reply = server.handle_completions(body)
        found = reply if isinstance(reply, dict) else json.loads(reply)
        return found["choices"][0]["text"], found["usage"]["completion_tokens"]

    def generate(prompts: Sequence[str], max_tokens: int) -> list[tuple[str, int]]:
        with ThreadPoolExecutor(CONCURRENT) as pool:
            return list(pool.map(complete, prompts, [max_tokens] * len(prompts)))

    return generate
