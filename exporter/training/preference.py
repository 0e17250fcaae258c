"""Stage 2: score how much each candidate helps the LLM.

The score of a pair is the mean token log-likelihood of the query's gold output, given the prompt
that the workers send, with the candidate as its only demonstration (arXiv 2409.11673, section 3.1).
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
from ruie.exporter.training.prefetch import prefetch
from ruie.exporter.training.stages import Figures, Progress, append_rows, read_rows

SHARD = "scores.{}.jsonl"
"""The scores that the process of a rank wrote."""
SHARD_DONE = "done.{}.of.{}"
"""Exists once the process of that rank, of so many, has scored its share."""
FILE = "scores.npz"
SAVE_EVERY = 512
"""Pairs between two writes: what a kill loses at most."""

Scores = npt.NDArray[np.float32]
Pair = tuple[int, int]
"""Rows of the query and of the demonstration."""


@dataclass(frozen=True, slots=True)
class TokenisedConversation:
    """The token ids of a prompt and of its gold output."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.answer)


Conversation = tuple[Sequence[dict[str, str]], str]
"""Chat messages, and the gold output as the answer to them."""
Tokenise = Callable[[Sequence[Conversation]], list[TokenisedConversation]]


class Scorer(Protocol):
    """An LLM that returns likelihoods."""

    def score(self, batch: Sequence[TokenisedConversation]) -> list[float]:
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
    progress: Progress,
) -> Figures:
    """Score a random `count` of each query's candidates; resumes where a killed run stopped.

    candidates: int32 (queries, n). max_tokens: longer pairs are not scored. Writes `FILE`:
    `candidates`, int32 (queries, count), rows or `NONE`, and `scores`, float32 of the same shape,
    NaN where there is none.
    """
    sampled = _sample(candidates, count, seed)
    pairs = [
        (query, int(row))
        for query, some in zip(pools.queries, sampled, strict=True)
        for row in some
        if row != NONE
    ]
    # prompts with the same demonstration share a long prefix, those of the same pool a shorter one
    pairs.sort(key=lambda pair: (pools.pool_of[pair[0]], pair[1]))
    rank, world_size = distributed.rank(), distributed.world_size()
    started = time.monotonic()
    mine = pairs[rank::world_size]
    scored = _score_shard(pools, mine, tokenise, scorer, max_tokens, folder, progress)
    seconds = time.monotonic() - started
    (folder / SHARD_DONE.format(rank, world_size)).touch()
    if rank:
        return {}
    others = [folder / SHARD_DONE.format(number, world_size) for number in range(1, world_size)]
    distributed.wait_for(lambda: all(file.exists() for file in others))
    score_of = _read_shards(folder)
    scores = np.full(sampled.shape, np.nan, dtype=np.float32)
    for index, query in enumerate(pools.queries):
        for position, row in enumerate(sampled[index]):
            scores[index, position] = score_of.get((query, int(row)), np.nan)
    np.savez_compressed(folder / FILE, candidates=sampled, scores=scores)
    return {
        "pairs": len(score_of),
        "pairs_too_long": len(pairs) - len(score_of),
        "pairs_per_second": round(scored * world_size / seconds, 1) if scored else None,
        **_spread(scores),
    }


def _score_shard(
    pools: Pools,
    pairs: Sequence[Pair],
    tokenise: Tokenise,
    scorer: Scorer,
    max_tokens: int,
    folder: Path,
    progress: Progress,
) -> int:
    """Write the scores of this process' pairs. Returns how many were not scored before."""
    done = _read_shards(folder)
    left = [pair for pair in pairs if pair not in done]
    batches = [left[at : at + SAVE_EVERY] for at in range(0, len(left), SAVE_EVERY)]

    def tokenise_pairs(batch: Sequence[Pair]) -> list[TokenisedConversation]:
        return tokenise([conversation(pools, query, [row]) for query, row in batch])

    finished = len(pairs) - len(left)
    for batch, tokenised in zip(batches, prefetch(tokenise_pairs, batches), strict=True):
        fitting = [i for i, each in enumerate(tokenised) if len(each) <= max_tokens]
        scores = scorer.score([tokenised[i] for i in fitting])
        append_rows(
            folder / SHARD.format(distributed.rank()),
            [[*batch[i], round(score, 5)] for i, score in zip(fitting, scores, strict=True)],
        )
        finished += len(batch)
        progress(finished, len(pairs), "pairs")
    return len(left)


def conversation(pools: Pools, query: int, demonstrations: Sequence[int]) -> Conversation:
    """The prompt of a query with these demonstrations (rows), and the query's gold output."""
    prompt = prompts.build(pools.query(query), [pools.examples[row] for row in demonstrations])
    return prompt.messages, pools.answer(query)


def read_scores(folder: Path) -> tuple[Rows, Scores]:
    """What `score_candidates` wrote: candidates and scores, both (queries, count)."""
    with np.load(folder / FILE, allow_pickle=False) as arrays:
        return arrays["candidates"], arrays["scores"]


def _sample(candidates: Rows, count: int, seed: int) -> Rows:
    sampled = np.full((len(candidates), count), NONE, dtype=np.int32)
    for index, row in enumerate(candidates):
        known = row[row != NONE].tolist()
        some = random.Random(f"{seed} {index}").sample(known, min(count, len(known)))
        sampled[index, : len(some)] = some
    return sampled


def _read_shards(folder: Path) -> dict[Pair, float]:
    """The scores that any process wrote so far."""
    files = sorted(folder.glob(SHARD.format("*")))
    return {(query, row): score for file in files for query, row, score in read_rows(file)}


def _spread(scores: Scores) -> dict[str, Any]:
    """The mean score, and how much better a query's best candidate is; in nats a token."""
    known = [row[~np.isnan(row)] for row in scores]
    known = [row for row in known if len(row) > 1]
    if not known:
        return {}
    return {
        "mean_score": round(float(np.mean([row.mean() for row in known])), 4),
        "best_over_mean": round(float(np.mean([row.max() - row.mean() for row in known])), 4),
    }
