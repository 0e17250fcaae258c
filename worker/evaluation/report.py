"""What an evaluation says: one JSON document, and the tables of the terminal and of Markdown."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ruie import __version__
from ruie.annotations import Corpus
from ruie.bootstrap import RESAMPLES
from ruie.extractor import Retriever
from ruie.mistakes import Mistake
from ruie.prompts import PROMPT_VERSION
from ruie.settings import Settings
from worker.client import decoding
from worker.evaluation.summary import Line
from worker.prices import Price

SCORES = ("corpus", "task", "retriever", "sentences", "queries", "failed", "P", "R", "F1", "95 %",
          "less the best other", "F1 offsets")  # fmt: skip  # in the order of `_scores`
COSTS = ("corpus", "task", "retriever", "tokens in", "tokens out", "USD")


@dataclass(frozen=True, slots=True)
class Grid:
    """A table: a title, the names of its columns, its rows."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


def described(
    config: Settings,
    model: str,
    corpora: Mapping[str, Corpus],
    retrievers: Mapping[str, Retriever],
    price: Price | None,
    limit: int,
    seed: int,
) -> dict[str, Any]:
    """All that the figures depend on."""
    return {
        "ruie": __version__,
        "model": model,
        "endpoint": urlsplit(config.llm_base_url).hostname or "a local model",
        "decoding": decoding(config).body(),
        "prompt_version": PROMPT_VERSION,
        "k": config.demonstrations,
        "retrievers": {name: retriever.digest for name, retriever in retrievers.items()},
        "corpora": {
            name: {"schema": corpus.schema.digest, "sentences": len(corpus.rows)}
            for name, corpus in corpora.items()
        },
        "limit": limit,
        "seed": seed,
        "resamples": RESAMPLES,
        "price": price and asdict(price),
    }


def document(settings: Mapping[str, Any], lines: Sequence[Line]) -> dict[str, Any]:
    """Everything, for programs."""
    return {"settings": dict(settings), "results": [_plain(line) for line in lines]}


def _plain(line: Line) -> dict[str, Any]:
    sums, other = line.evaluation, line.difference
    return {
        "corpus": line.corpus,
        "task": str(sums.task),
        "retriever": line.retriever,
        "sentences": line.sentences,
        "queries": sums.queries,
        "failed": sums.failed,
        **asdict(sums.strings),
        "precision": sums.strings.precision,
        "recall": sums.strings.recall,
        "f1": sums.strings.f1,
        "f1_interval": list(line.interval),
        "difference": other
        and {"to": other.to, "f1": other.value, "interval": list(other.interval)},
        "offsets": asdict(sums.offsets)
        | {
            "precision": sums.offsets.precision,
            "recall": sums.offsets.recall,
            "f1": sums.offsets.f1,
        },
        "prompt_tokens": sums.prompt_tokens,
        "completion_tokens": sums.completion_tokens,
        "cost_usd": line.cost_usd,
        "mistakes": {str(kind): sums.mistakes[kind] for kind in Mistake},
    }


def grids(lines: Sequence[Line]) -> list[Grid]:
    """Scores, mistakes, tokens and cost. A column that has nothing in it is left out."""
    kinds = [kind for kind in Mistake if any(line.evaluation.mistakes[kind] for line in lines)]
    named = ("corpus", "task", "retriever", "right", *(kind.replace("_", " ") for kind in kinds))
    return [
        _full("Scores", SCORES, map(_scores, lines)),
        _full(
            "Mistakes",
            named,
            (
                (*_who(line), line.evaluation.strings.matched, *_counts(line, kinds))
                for line in lines
            ),
        ),
        _full(
            "Tokens and cost",
            COSTS,
            (
                (
                    *_who(line),
                    line.evaluation.prompt_tokens,
                    line.evaluation.completion_tokens,
                    None if line.cost_usd is None else f"{line.cost_usd:,.4f}",
                )
                for line in lines
            ),
        ),
    ]


def _who(line: Line) -> tuple[str, str, str]:
    return line.corpus, str(line.evaluation.task), line.retriever


def _counts(line: Line, kinds: Iterable[Mistake]) -> tuple[int, ...]:
    return tuple(line.evaluation.mistakes[kind] for kind in kinds)


def _scores(line: Line) -> tuple[Any, ...]:
    sums, other = line.evaluation, line.difference
    low, high = line.interval
    less = None
    if other is not None:
        less = f"{other.value:+.3f} ({other.interval.low:+.3f} to {other.interval.high:+.3f})"
    return (*_who(line), line.sentences, sums.queries, sums.failed, sums.strings.precision,
            sums.strings.recall, sums.strings.f1, f"{low:.3f} to {high:.3f}", less,
            sums.offsets.f1)  # fmt: skip  # one row


def _full(title: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> Grid:
    listed = list(rows)
    kept = [i for i in range(len(columns)) if any(row[i] is not None for row in listed)]
    return Grid(
        title,
        tuple(columns[i] for i in kept),
        [tuple(row[i] for i in kept) for row in listed],
    )


def save(folder: Path, settings: Mapping[str, Any], lines: Sequence[Line]) -> None:
    """Write `evaluation.json`."""
    told = json.dumps(document(settings, lines), ensure_ascii=False, indent=2) + "\n"
    write_whole(folder / "evaluation.json", told.encode())


def write_whole(path: Path, content: bytes) -> None:
    """The file is the old one or the new one, at any moment."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_bytes(content)
    partial.replace(path)
