"""Stage 2: which candidates help the LLM.

A pair's score is the mean token log-likelihood of the query's gold output, given the prompt that
the workers send, with the candidate as its one demonstration (arXiv 2409.11673, section 3.1).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ruie import prompts
from ruie.exporter.training import distributed
from ruie.exporter.training.candidates import NONE, Rows
from ruie.exporter.training.pools import Pools
from ruie.exporter.training.prefetch import ahead
from ruie.exporter.training.stages import Figures, append, stored

PARTS = "scores.{}.jsonl"
"""One a process."""
DONE = "done.{}.of.{}"
"""A process has scored its share of so many."""
FILE = "scores.npz"
CHUNK = 512
"""Pairs scored between two writes: what a kill costs at most."""

Scores = npt.NDArray[np.float32]
Pair = tuple[int, int]
"""Rows of the query and of the demonstration."""


@dataclass(frozen=True, slots=True)
class Prompted:
    """A prompt with its gold output, in tokens."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.answer)


Conversation = tuple[Sequence[dict[str, str]], str]
"""Messages that wait for an answer, and the answer."""
Tokenise = Callable[[Sequence[Conversation]], list[Prompted]]


class Scorer(Protocol):
    """An LLM that says how likely it finds a text."""

    def score(self, batch: Sequence[Prompted]) -> list[float]:
        """The mean log-likelihood (natural logarithm) of each answer's tokens after its prompt."""
        ...


def score_candidates(
    pools: Pools,
    candidates: Rows,
    count: int,
    seed: int,
    tokenise: Tokenise,
    scorer: Scorer,
    max_tokens: int,
    folder: Path,
    progress: Callable[[float], None],
) -> Figures:
    """Score a random `count` of each query's candidates. Goes on where a killed run stopped.

    Writes `FILE`: `candidates`, int32 (queries, count), rows or `NONE`, and `scores`, float32 of
    the same shape, NaN where there is none.
    """
    chosen = _choose(candidates, count, seed)
    pairs = [
        (pools.queries[index], int(row))
        for index in range(len(chosen))
        for row in chosen[index]
        if row != NONE
    ]
    # prompts with one demonstration begin alike, and so, for less, do those of a pool
    pairs.sort(key=lambda pair: (pools.pool_of[pair[0]], pair[1]))
    known = _stored(folder)
    mine = pairs[distributed.rank() :: distributed.world()]
    left = [pair for pair in mine if pair not in known]
    started, scored = time.monotonic(), 0
    chunks = [left[at : at + CHUNK] for at in range(0, len(left), CHUNK)]

    def asked(some: Sequence[Pair]) -> list[Prompted]:
        return tokenise([_conversation(pools, pair) for pair in some])

    for some, prompted in zip(chunks, ahead(asked, chunks), strict=True):
        fitting = [i for i, each in enumerate(prompted) if len(each) <= max_tokens]
        scores = scorer.score([prompted[i] for i in fitting])
        # rounded as it is read again by a run that goes on
        told = {some[i]: round(score, 5) for i, score in zip(fitting, scores, strict=True)}
        append(folder / PARTS.format(distributed.rank()), [[*pair, told[pair]] for pair in told])
        known |= told
        scored += len(some)
        progress(1 - (len(left) - scored) / max(1, len(mine)))
    seconds = time.monotonic() - started
    world = distributed.world()
    (folder / DONE.format(distributed.rank(), world)).touch()
    if distributed.rank():
        return {}
    others = [folder / DONE.format(number, world) for number in range(1, world)]
    distributed.wait_for(lambda: all(file.exists() for file in others))
    known |= _stored(folder)
    scores_of = np.full(chosen.shape, np.nan, dtype=np.float32)
    for index, row in enumerate(pools.queries):
        for place, other in enumerate(chosen[index]):
            scores_of[index, place] = known.get((row, int(other)), np.nan)
    np.savez_compressed(folder / FILE, candidates=chosen, scores=scores_of)
    return {
        "pairs": len(known),
        "pairs_too_long": len(pairs) - len(known),
        "pairs_per_second": round(scored * distributed.world() / seconds, 1) if scored else None,
        **_informative(scores_of),
    }


def read_scores(folder: Path) -> tuple[Rows, Scores]:
    """What `score_candidates` wrote: candidates and scores."""
    with np.load(folder / FILE, allow_pickle=False) as stored:
        return stored["candidates"], stored["scores"]


def _choose(candidates: Rows, count: int, seed: int) -> Rows:
    chosen = np.full((len(candidates), count), NONE, dtype=np.int32)
    for index, row in enumerate(candidates):
        found = row[row != NONE].tolist()
        some = random.Random(f"{seed} {index}").sample(found, min(count, len(found)))
        chosen[index, : len(some)] = some
    return chosen


def _conversation(pools: Pools, pair: Pair) -> Conversation:
    row, other = pair
    prompt = prompts.build(pools.query(row), [pools.examples[other]])
    return prompt.messages, pools.answer(row)


def _stored(folder: Path) -> dict[Pair, float]:
    """What was written so far, by any process."""
    files = sorted(folder.glob(PARTS.format("*")))
    return {(row, other): score for file in files for row, other, score in stored(file)}


def _informative(scores: Scores) -> dict[str, Any]:
    """How far apart the candidates of one query are, in nats a token."""
    known = [row[~np.isnan(row)] for row in scores]
    known = [row for row in known if len(row) > 1]
    if not known:
        return {}
    return {
        "mean_score": round(float(np.mean([row.mean() for row in known])), 4),
        "best_over_mean": round(float(np.mean([row.max() - row.mean() for row in known])), 4),
    }
