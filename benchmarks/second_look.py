"""Is a second, short call worth its money? Types that the bundle's type model expects in a
sentence, and of which the answer has nothing, are asked about once more.

    python benchmarks/second_look.py [--limit 80] [--threshold 0.5] GOLD...

Compared on the same sentences, with the local LLM or the endpoint of the settings: one call with 4,
8, 12 and 16 demonstrations; and one with 8 of which a second call, with 4 and with the missing
types alone, follows where any is missing. Of its items those count that no item of the first answer
overlaps. Tokens are those of all calls; what they cost is told at four times as much for those that
the model writes.
"""

from __future__ import annotations

import argparse
import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ruie.bundle import Bundle
from ruie.bundle.retrieval import usable_partitions
from ruie.errors import CallError
from ruie.evaluation import GoldQuery, gold_queries
from ruie.extractor import Extractor
from ruie.llm import LLMClient, connect
from ruie.records import Item, Query
from ruie.scoring import Score, score_strings
from ruie.settings import load
from ruie.usage import Usage
from ruie.worker.embedded.stack import local_llm
from ruie.worker.evaluation.corpora import load_corpora
from ruie.worker.job_options import decoding

AT_ONCE = 4
OUTPUT_WEIGHT = 4
"""A token that is written costs as much as so many that are read, as most providers have it."""


@dataclass
class Total:
    """Of one way of asking."""

    score: Score = field(default_factory=Score)
    usage: Usage = field(default_factory=Usage)
    calls: Counter[str] = field(default_factory=Counter)

    def add(self, gold: Sequence[Item], items: Sequence[Item], usage: Usage, second: bool) -> None:
        self.score += score_strings(gold, items)
        self.usage += usage
        self.calls["second" if second else "first"] += 1

    @property
    def cost(self) -> float:
        """In tokens that are read."""
        return self.usage.prompt + OUTPUT_WEIGHT * self.usage.completion


async def ask(extractor: Extractor, query: Query) -> tuple[tuple[Item, ...], Usage]:
    """No items where the answer cannot be read."""
    (question,) = await asyncio.to_thread(extractor.prepare, [query])
    try:
        answer = await extractor.answer(question)
    except CallError as error:
        return (), error.usage or Usage()
    return answer.items, answer.completion.usage


def missing(bundle: Bundle, query: Query, items: Sequence[Item], threshold: float) -> list[str]:
    """Labels that are likely in the answer, and not in it."""
    assert bundle.reranker is not None
    partitions = usable_partitions(query, bundle.manifest.partitions)
    (vector,) = bundle._encode_queries([query])
    likely = bundle.reranker.probabilities(query, vector, partitions)
    if likely is None:
        return []
    had = {item.type for item in items}
    return [
        label
        for label, probability in zip(query.labels, likely, strict=True)
        if probability >= threshold and label not in had
    ]


def uncovered(items: Sequence[Item], first: Sequence[Item]) -> list[Item]:
    """Those that overlap nothing of the first answer."""
    taken = [(span.start, span.end) for item in first for span in item.spans if span.grounded]
    return [
        item
        for item in items
        if not any(
            span.start < end and start < span.end for span in item.spans for start, end in taken
        )
    ]


async def measure(
    bundle: Bundle, llm: LLMClient, gold: Sequence[GoldQuery], threshold: float
) -> dict[str, Total]:
    base = Extractor(bundle, llm, await llm.resolve_model(), decoding(load()))
    await base.resolve()
    ways = {
        k: Extractor(bundle, llm, base.model, replace(base.decoding, demonstrations=k))
        for k in (4, 8, 12, 16)
    }
    totals = {**{f"k = {k}": Total() for k in ways}, "k = 8, second look": Total()}
    room = asyncio.Semaphore(AT_ONCE)

    async def one(row: GoldQuery) -> None:
        async with room:
            for k, extractor in ways.items():
                items, usage = await ask(extractor, row.query)
                totals[f"k = {k}"].add(row.items, items, usage, second=False)
                if k != 8:
                    continue
                labels = missing(bundle, row.query, items, threshold)
                if labels:
                    asked = {label: row.query.labels[label] for label in labels}
                    more, again = await ask(ways[4], replace(row.query, labels=asked))
                    items, usage = (*items, *uncovered(more, items)), usage + again
                totals["k = 8, second look"].add(row.items, items, usage, second=bool(labels))

    await asyncio.gather(*(one(row) for row in gold))
    return totals


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("gold", nargs="+", type=Path)
    parser.add_argument("--limit", type=int, default=80)
    parser.add_argument("--threshold", type=float, default=0.5)
    given = parser.parse_args()
    config = load()
    bundle = Bundle.open(config.bundle)
    corpora = load_corpora(given.gold, None, given.limit, 0)
    print("| corpus | asked | P | R | F1 | second calls | tokens read | written | cost |")
    print("|---|---|---|---|---|---|---|---|---|")
    with local_llm(config) as served:
        for name, corpus in corpora.items():
            gold = [row for row in gold_queries(corpus) if row.query.trigger is None]

            async def run(rows: Sequence[GoldQuery] = gold) -> dict[str, Total]:
                llm = connect(served)
                try:
                    return await measure(bundle, llm, rows, given.threshold)
                finally:
                    await llm.close()

            totals = asyncio.run(run())
            least = totals["k = 8"].cost
            for way, total in totals.items():
                score = total.score
                print(
                    f"| {name} | {way} | {score.precision:.3f} | {score.recall:.3f} |"
                    f" {score.f1:.3f} | {total.calls['second']} | {total.usage.prompt:,} |"
                    f" {total.usage.completion:,} | {total.cost / least:.2f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
