"""Texts in, unit vectors out: the exported encoder under ONNX Runtime."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from ruie.bundle.manifest import ENCODER, REBUILD, TOKENIZER, EncoderCard
from ruie.errors import BundleError

BATCH_TOKENS = 512
"""Tokens in one batch. Small enough that the activations of a layer stay in the processor's cache:
measured in benchmarks/encode.md, 4,096 tokens are a fifth slower."""
RUN_TOKENS = 25
"""One more batch costs as much as so many tokens (benchmarks/overhead.md)."""

Vectors = npt.NDArray[np.float32]
Ids = list[int]
Feed = dict[str, npt.NDArray[np.int64]]


def available_threads() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Encoder:
    """An exported encoder.

    Whole batches run in parallel, with one thread each, in one session: on small
    batches this beats splitting every matrix product, and a session with no threads of its own
    has none to lose in a fork. The session is created by the process that uses it, never inherited.
    """

    def __init__(
        self,
        path: Path,
        tokenizer: Path,
        *,
        dimension: int,
        max_tokens: int,
        pad_id: int = 0,
        threads: int | None = None,
    ) -> None:
        """path: encoder.onnx. tokenizer: tokenizer.json. max_tokens: longer texts are cut.

        threads: batches encoded in parallel; None for every processor this process may use.
        """
        self.dimension = dimension
        self._path = path
        self._pad_id = pad_id
        self._threads = threads or available_threads()
        try:
            self._tokenizer = Tokenizer.from_file(str(tokenizer))
        except Exception as error:  # tokenizers raises the bare class
            raise BundleError(f"{tokenizer} cannot be read: {error}.", REBUILD) from None
        self._tokenizer.enable_truncation(max_tokens)
        self._tokenizer.no_padding()
        self._session: Any = None
        self._session_pid = -1
        self._inherited: list[Any] = []

    @classmethod
    def open(cls, folder: Path, card: EncoderCard, *, threads: int | None = None) -> Self:
        """The encoder of the bundle in `folder`."""
        return cls(
            folder / ENCODER,
            folder / TOKENIZER,
            dimension=card.dimension,
            max_tokens=card.max_tokens,
            pad_id=card.pad_id,
            threads=threads,
        )

    def encode(self, texts: Sequence[str]) -> Vectors:
        """float32, shape (len(texts), dimension), each row of length 1."""
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        session = self._open()

        def run(rows_and_feed: tuple[list[int], Feed]) -> None:
            rows, feed = rows_and_feed
            vectors[rows] = session.run(None, feed)[0]

        batches = self.batches(texts)
        if self._threads == 1 or len(batches) == 1:
            for batch in batches:
                run(batch)
        else:
            with ThreadPoolExecutor(self._threads) as pool:
                for _ in pool.map(run, batches):
                    pass
        return vectors

    def tokens(self, text: str) -> list[int]:
        """The ids of the text's own tokens, without special tokens."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def batches(self, texts: Sequence[str]) -> list[tuple[list[int], Feed]]:
        """The texts' indices and the encoder's inputs, batch by batch, longest texts first."""
        # Not encode_batch: it starts threads, which do not survive a fork, and tokenising takes
        # less than 2 % of the time.
        ids = [self._tokenizer.encode(text).ids or [self._pad_id] for text in texts]
        return [
            (rows, _feed([ids[row] for row in rows], self._pad_id))
            for rows in cheapest_batches([len(each) for each in ids], BATCH_TOKENS, RUN_TOKENS)
        ]

    def _open(self) -> Any:
        if self._session_pid != os.getpid():
            # A session from before a fork is kept, unused: even freeing it could wait for threads
            # that exist only in the parent.
            self._inherited.append(self._session)
            self._session = _session(self._path)
            self._session_pid = os.getpid()
        return self._session


def encode_distinct(encode: Callable[[list[str]], Vectors], texts: Sequence[str]) -> Vectors:
    """float32, shape (len(texts), dimension); `encode` gets each distinct text once.

    The tasks of one sentence share its vector.
    """
    position = {text: row for row, text in enumerate(dict.fromkeys(texts))}
    return encode(list(position))[[position[text] for text in texts]]


def batches_by_length(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Indices into `lengths`, longest first, in batches of at most `budget` tokens, padding
    included (or of one text, if it alone is longer).

    Longest first, so that the batches which finish last are short ones.
    """
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    start = 0
    while start < len(order):
        size = max(1, budget // max(1, lengths[order[start]]))
        yield order[start : start + size]
        start += size


def cheapest_batches(lengths: Sequence[int], budget: int, run: int) -> list[list[int]]:
    """As `batches_by_length`, cut where padding and batches together cost least. run: what a batch
    costs, however small, in tokens. Of few texts nearly a third of the tokens would be padding."""
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    least, begins = [0], [0]
    """Of the first texts, by how many: what they cost, and where their last batch begins."""
    for end in range(1, len(order) + 1):
        cheapest = None
        for start in range(end - 1, -1, -1):
            tokens = (end - start) * max(1, lengths[order[start]])
            if tokens > budget and end - start > 1:
                break
            cost = least[start] + run + tokens
            if cheapest is None or cost < cheapest[0]:
                cheapest = cost, start
        assert cheapest is not None
        least.append(cheapest[0])
        begins.append(cheapest[1])
    batches, end = [], len(order)
    while end:
        batches.append(order[begins[end] : end])
        end = begins[end]
    return batches[::-1]


def _feed(rows: list[Ids], pad_id: int) -> Feed:
    width = max(map(len, rows))
    ids = np.full((len(rows), width), pad_id, dtype=np.int64)
    mask = np.zeros((len(rows), width), dtype=np.int64)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = row
        mask[index, : len(row)] = 1
    return {"input_ids": ids, "attention_mask": mask}


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(
            str(path),
            options,
            providers=["CPUExecutionProvider"],
            # Saves a tenth of an int8 encoder's time: the runtime's fused operator for an addition
            # and a layer norm is slower than the two operators.
            disabled_optimizers=["SkipLayerNormFusion"],
        )
    except Exception as error:  # the runtime's own classes derive from Exception alone
        raise BundleError(f"{path} cannot be loaded: {error}.", REBUILD) from None
