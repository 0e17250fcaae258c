"""The engine of the local LLM: OpenVINO GenAI with continuous batching, in one thread.

Requests that arrive while others are being answered join the running batch at the next step.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import queue
import re
import threading
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import openvino_genai

from ruie.bundle.encoder import available_threads
from ruie.errors import ExitCode

BATCH_TOKENS = 512  # prompt tokens computed in one step: benchmarks/local_llm.md
SEQUENCES = 8  # requests in one batch; the others wait their turn
CACHE_GIB = 1  # keys and values in 8 bits take about 12 KiB a token
LONG_STOP = "\x01\x02\x03\x04\x05\x06"
"""A stop string that no answer has. The engine looks for all of them among as many last tokens as
the longest has by itself: one in `\\n\\n`, while a model may write two, which it would miss."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to decode. `max_tokens` counts output tokens; temperature 0 is greedy."""

    max_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int = 0
    stop: tuple[str, ...] = ()
    json_schema: str | None = None  # JSON text; the output then follows it
    grammar: str | None = None  # EBNF; likewise, and instead of a schema
    log_probs: bool = False  # whether the answer comes with them

    @property
    def constraint(self) -> tuple[str | None, str | None]:
        """What the engine compiles before the first token."""
        return self.json_schema, self.grammar


@dataclass(frozen=True, slots=True)
class Answer:
    """`tokens` counts the output; `finish_reason` is `stop` or `length`. log_probs: each token as
    text, with the natural logarithm of its probability; empty where they were not asked for."""

    text: str
    tokens: int
    finish_reason: str
    log_probs: tuple[tuple[str, float], ...] = ()


class RefusedError(Exception):
    """The engine refuses the request, for example for its JSON schema or its grammar."""


@dataclass(slots=True, eq=False)
class _Request:
    tokens: Any  # openvino.Tensor, int64, 1 × length
    sampling: Sampling
    future: Future[Answer]
    handle: Any = None


class Engine:
    """A loaded model. `model` is its name, `context_tokens` the limit of prompt and answer."""

    def __init__(self, folder: Path, threads: int) -> None:
        facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
        self.model: str = facts["model"]
        self.context_tokens: int = facts["context_tokens"]
        self._folder, self._threads = folder, threads
        self._tokenizer = openvino_genai.Tokenizer(folder)
        self._pipeline = self._load()
        self._end = self._tokenizer.get_eos_token_id()
        self._compiled = {Sampling(1).constraint}  # what the engine has accepted
        self._numbers = itertools.count(1)
        self._inbox: queue.SimpleQueue[_Request] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="llm-engine", daemon=True).start()

    def _load(self) -> Any:
        config = openvino_genai.SchedulerConfig()
        config.cache_size = CACHE_GIB
        config.max_num_seqs = SEQUENCES
        config.max_num_batched_tokens = BATCH_TOKENS
        config.enable_prefix_caching = True  # prompts of one schema have a common prefix
        options: dict[str, Any] = {"INFERENCE_NUM_THREADS": self._threads}
        if min(self._threads, available_threads()) == 1:
            # with bfloat16 OpenVINO divides by zero on one core (openvinotoolkit/openvino#33300)
            options["INFERENCE_PRECISION_HINT"] = "f32"
        return openvino_genai.ContinuousBatchingPipeline(
            self._folder, self._tokenizer, config, "CPU", **options
        )

    def render(self, messages: list[dict[str, str]]) -> str:
        """The prompt text, by the model's own chat template."""
        return str(self._tokenizer.apply_chat_template(messages, True))

    def tokenise(self, prompt: str) -> Any:
        """Token ids of the text as it stands: an int64 tensor of shape (1, tokens)."""
        return self._tokenizer.encode(prompt, add_special_tokens=False).input_ids

    def submit(self, tokens: Any, sampling: Sampling) -> Future[Answer]:
        """Answer a prompt. Cancelling the future stops the work; it may raise `RefusedError`."""
        job = _Request(tokens, sampling, Future())
        self._inbox.put(job)
        return job.future

    def _run(self) -> None:
        """Answer requests; a server whose engine has failed for good ends, and says why."""
        try:
            self._answer()
        except BaseException:
            traceback.print_exc()
            os._exit(ExitCode.UNAVAILABLE)

    def _answer(self) -> NoReturn:
        running: list[_Request] = []
        while True:
            while not running or not self._inbox.empty():
                if self._begin(job := self._inbox.get()):
                    running.append(job)
            try:
                self._pipeline.step()
                self._compiled.update(job.sampling.constraint for job in running)
                running = [job for job in running if not self._settle(job)]
            except Exception as error:  # of any class: the libraries of the engine have many
                running = self._recover(running, error)

    def _begin(self, job: _Request) -> bool:
        if job.future.cancelled():
            return False
        try:
            config = self._generation(job.sampling)
            job.handle = self._pipeline.add_request(next(self._numbers), job.tokens, config)
        except Exception as error:
            _fail(job, RefusedError(_reason(error)))
            return False
        return True

    def _recover(self, running: list[_Request], error: Exception) -> list[_Request]:
        """A new pipeline after a failed step: the old one keeps the request that failed.

        A schema, or a grammar, is compiled in the first step, so requests with a new one are the
        cause, if there are any, and the others begin again. Returns the requests that run now.
        """
        suspects = [job for job in running if job.sampling.constraint not in self._compiled]
        for job in suspects or running:
            _fail(job, RefusedError(_reason(error)) if suspects else error)
        self._pipeline = None  # first: memory may not hold two
        self._pipeline = self._load()
        return [job for job in running if not job.future.done() and self._begin(job)]

    def _generation(self, sampling: Sampling) -> Any:
        config = openvino_genai.GenerationConfig()
        config.max_new_tokens = sampling.max_tokens
        config.eos_token_id = self._end
        config.stop_token_ids = {self._end}
        config.stop_strings = {*sampling.stop, LONG_STOP} if sampling.stop else set()
        config.apply_chat_template = False  # the prompt has it already
        config.logprobs = int(sampling.log_probs)
        config.do_sample = sampling.temperature > 0
        if config.do_sample:
            config.temperature = sampling.temperature
            config.top_p = sampling.top_p
            config.rng_seed = sampling.seed
        if sampling.grammar is not None:
            config.structured_output_config = openvino_genai.StructuredOutputConfig(
                grammar=sampling.grammar
            )
        elif sampling.json_schema is not None:
            config.structured_output_config = openvino_genai.StructuredOutputConfig(
                json_schema=sampling.json_schema
            )
        return config

    def _settle(self, job: _Request) -> bool:
        """Whether the job needs no more steps; its future then has the answer."""
        if job.future.cancelled():
            job.handle.cancel()  # the client has disconnected
            return True
        status = job.handle.get_status()
        if status == openvino_genai.GenerationStatus.RUNNING:
            return False
        if status == openvino_genai.GenerationStatus.IGNORED:
            _fail(job, RefusedError("The prompt does not fit the engine's cache."))
            return True
        outputs = job.handle.read_all()  # none where it stopped before the first token
        tokens = outputs[0].generated_ids if outputs else []
        text = self._tokenizer.decode(tokens) if tokens else ""
        for stop in job.sampling.stop:
            text = text.partition(stop)[0]
        log_probs: tuple[tuple[str, float], ...] = ()
        if job.sampling.log_probs and outputs:
            log_probs = tuple(
                zip(self._pieces(tokens), outputs[0].generated_log_probs, strict=True)
            )
        length = bool(outputs) and (
            outputs[0].finish_reason == openvino_genai.GenerationFinishReason.LENGTH
        )
        answer = Answer(text, len(tokens), "length" if length else "stop", log_probs)
        with contextlib.suppress(InvalidStateError):  # cancelled just now
            job.future.set_result(answer)
        return True

    def _pieces(self, tokens: Sequence[int]) -> Iterator[str]:
        """The text of each token: what it adds to those before it. A character of several tokens is
        the last one's."""
        begin = done = (
            0  # what is decoded begins a step earlier: some tokenizers drop a first blank
        )
        for end in range(1, len(tokens) + 1):
            text = self._tokenizer.decode(tokens[begin:end])
            if text.endswith("\ufffd"):
                yield ""
                continue
            known = self._tokenizer.decode(tokens[begin:done]) if done > begin else ""
            yield text[len(known) :]
            begin, done = done, end


def _fail(job: _Request, error: Exception) -> None:
    with contextlib.suppress(InvalidStateError):  # the client has disconnected
        job.future.set_exception(error)


def _reason(error: Exception) -> str:
    # The engine's messages begin with the name of its source file.
    return re.sub(r"^.*\.(cc|cpp|hpp|h):\d+:?\s*", "", str(error), flags=re.DOTALL).strip()
