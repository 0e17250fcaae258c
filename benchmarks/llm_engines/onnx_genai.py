"""ONNX Runtime GenAI: its `Engine`, where a request joins the running batch.

Its model builder takes a Hugging Face folder and needs torch, transformers and onnx-ir; serving
the result does not.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llm_engines import CONCURRENT, THREADS, Generate
from llm_engines.gguf_file import hugging_face


def weights_in(precision: str, model: Path, folder: Path) -> Generate:
    """precision: int4, int8 or fp32, all that the builder offers for a CPU."""
    weights = hugging_face(model, folder / "weights")
    built = folder / "onnx"
    command = [sys.executable, "-m", "onnxruntime_genai.models.builder", "-i", str(weights)]
    command += ["-o", str(built), "-p", precision, "-e", "cpu", "-c", str(folder / "cache")]
    quiet = subprocess.DEVNULL  # it tells of every tensor
    subprocess.run(command, check=True, stdout=quiet, stderr=quiet)
    return _engine(built)


def _engine(built: Path) -> Generate:
    import numpy as np
    import onnxruntime_genai as genai

    config = genai.Config(str(built))
    session = {"intra_op_num_threads": THREADS}
    config.overlay(json.dumps({"model": {"decoder": {"session_options": session}}}))
    config.overlay(json.dumps({"engine": {"static_batching": {"max_batch_size": CONCURRENT}}}))
    loaded = genai.Model(config)
    tokenizer = genai.Tokenizer(loaded)
    engine = genai.Engine(loaded)
    events = engine.create_event_buffer(64)

    def begin(prompt: str, max_tokens: int) -> Any:
        tokens = tokenizer.encode(prompt)
        limits = genai.RequestOptions()
        limits.set_max_session_tokens(len(tokens) + max_tokens)
        request = engine.create_request(options=limits)
        turn = genai.TurnOptions(request)
        turn.set_do_sample(False)
        turn.set_max_generated_tokens(max_tokens)
        request.begin_turn(tokens, turn)
        return request

    def generate(prompts: Sequence[str], max_tokens: int) -> list[tuple[str, int]]:
        requests = [begin(prompt, max_tokens) for prompt in prompts]
        found: list[list[int]] = [[] for _ in requests]
        while engine.has_pending_requests():
            for event in engine.run(events):
                if event.finish_reason == genai.FinishReason.FAILED:
                    raise RuntimeError(f"The engine failed: {event.error_code}.")
                if event.token is not None:
                    found[requests.index(event.request)].append(event.token)
        for request in requests:
            request.close()
        return [(tokenizer.decode(np.array(ids, np.int32)), len(ids)) for ids in found]

    return generate
