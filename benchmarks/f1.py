"""F1 of bundles and other retrievers with a causal model that runs in this process.

    python benchmarks/f1.py --model FOLDER [--gguf FILE] [--grammar] --answers FILE GOLD...
        RETRIEVER...

GOLD are annotated rows; a RETRIEVER is `NAME=BUNDLE`, `bm25=BUNDLE`, `random=BUNDLE`,
`hindsight=BUNDLE`, which knows the gold answer: an upper bound for reranking, or `nothing=`:
without any demonstration. Prompts, demonstrations, reading, scores and intervals are those of
`ruie evaluate`, which calls an endpoint; here a model of transformers answers in batches, greedily,
so that any model of a hub can be measured without a server (f1_model.py); `--bf16` is several times
as fast where the processor supports it. An answer that was cut off is asked for once more with
twice the limit, as a worker does (f1_answers.py); one that fails then, or cannot be read, counts as
empty. Answers are kept by prompt, limit and grammar in the file: the same command resumes, and
equal requests run once.

With `--grammar` each answer is held to `ruie.grammar.grammar` of its query (f1_grammar.py). This
needs xgrammar, whose other dependencies are here already or, as triton, not needed on a CPU:

    pip install --no-deps xgrammar==0.2.9 apache-tvm-ffi==0.1.15.post2
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from f1_answers import Answers
from f1_model import Model

from ruie.bootstrap import interval, resampled_f1
from ruie.bundle import Bundle
from ruie.bundle.rerank_scores import MAX_MENTIONS, RerankWeights
from ruie.bundle.retrieval import text_key
from ruie.evaluation import GoldQuery, gold_queries
from ruie.questioner import Retriever
from ruie.records import Demonstration, Item, Query
from ruie.retrievers import BM25, Random
from ruie.scoring import Score, score_strings
from ruie.worker.evaluation.corpora import load_corpora

COLUMNS = (
    *("corpus", "task", "retriever", "P", "R", "F1", "95 %", "less the best other"),
    *("queries", "failed", "tokens out", "sentences/min"),
)

Gold = Mapping[Query, Sequence[Item]]


class Hindsight:
    """Reranks a bundle's best by agreement with the gold answer: the Jaccard index of types, plus
    0.2 for each gold span that both have with the same type, at most `MENTIONS`; then by the
    bundle's own order."""

    def __init__(self, bundle: Bundle, gold: Gold) -> None:
        self._bundle = bundle
        self._gold = gold
        self.digest = bundle.digest

    def retrieve(self, queries: Sequence[Query], k: int) -> list[list[Demonstration]]:
        candidates = self._bundle.retrieve(queries, RerankWeights().depth)
        return [
            sorted(each, key=lambda one: -self._agreement(query, one.items))[:k]
            for query, each in zip(queries, candidates, strict=True)
        ]

    def _agreement(self, query: Query, items: Sequence[Item]) -> float:
        gold = self._gold[query]
        types = [{item.type for item in each} for each in (gold, items)]
        spans = [
            {(item.type, text_key(span.text)) for item in each for span in item.spans}
            for each in (gold, items)
        ]
        either = types[0] | types[1]
        agreement = len(types[0] & types[1]) / len(either) if either else 1.0
        return agreement + 0.2 * min(MAX_MENTIONS, len(spans[0] & spans[1]))


class Nothing:
    """No demonstrations."""

    digest = ""

    def retrieve(self, queries: Sequence[Query], k: int) -> list[list[Demonstration]]:
        return [[] for _ in queries]


def retrievers(given: Sequence[str], gold: Gold) -> Iterator[tuple[str, Retriever]]:
    for name, _, folder in (each.partition("=") for each in given):
        if name == "nothing":
            yield name, Nothing()
            continue
        bundle = Bundle.open(folder)
        if name == "bm25":
            yield name, BM25(bundle)
        elif name == "random":
            yield name, Random(bundle)
        elif name == "hindsight":
            yield name, Hindsight(bundle, gold)
        else:
            yield name, bundle


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("given", nargs="+", metavar="GOLD or NAME=BUNDLE")
    parser.add_argument("--model", required=True, help="Hugging Face id or folder")
    parser.add_argument("--gguf", default="", help="the file in it that holds the weights")
    parser.add_argument("--answers", type=Path, required=True, help="JSONL, kept between runs")
    parser.add_argument("--bf16", action="store_true", help="weights; keep answers of their own")
    parser.add_argument("--grammar", action="store_true", help="hold answers to their grammar")
    parser.add_argument("--limit", type=int, default=200, help="sentences of each GOLD")
    parser.add_argument("--task", action="append", help="of a corpus that has several; NER, …")
    arguments = parser.parse_args()
    files = [Path(each) for each in arguments.given if "=" not in each]
    corpora = {
        name: (list(gold_queries(corpus)), len(corpus.rows))
        for name, corpus in load_corpora(files, None, arguments.limit, 0).items()
    }
    answers = {each.query: each.items for gold, _ in corpora.values() for each in gold}
    chosen = list(retrievers([each for each in arguments.given if "=" in each], answers))
    held, dtype = arguments.grammar, torch.bfloat16 if arguments.bf16 else torch.float32
    model = Model(arguments.model, arguments.gguf, dtype, held)
    answered = Answers(model, arguments.answers, held)
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    for name, (gold, rows) in corpora.items():
        for task in dict.fromkeys(each.query.task for each in gold):
            if not arguments.task or str(task) in arguments.task:
                some = [each for each in gold if each.query.task is task]
                compare(answered, chosen, name, str(task), some, rows)


def compare(
    answers: Answers,
    chosen: Sequence[tuple[str, Retriever]],
    corpus: str,
    task: str,
    gold: Sequence[GoldQuery],
    rows: int,
) -> None:
    """A row of the table for each retriever, in percent."""
    drawn, totals = {}, {}
    for name, retriever in chosen:
        outcomes = answers.outcomes(retriever, [each.query for each in gold])
        by_row = [Score()] * rows
        for each, outcome in zip(gold, outcomes, strict=True):
            by_row[each.row] += score_strings(each.items, outcome.items)
        drawn[name], totals[name] = resampled_f1(by_row), sum(by_row[1:], by_row[0])
        total, (low, high) = totals[name], interval(drawn[name])
        others = {other: totals[other].f1 for other in drawn if other != name}
        less = ""
        if others:
            best = max(others, key=others.__getitem__)
            ends = interval(drawn[name] - drawn[best])
            less = f"{100 * (total.f1 - others[best]):+.1f} ({best}; "
            less += f"{100 * ends.low:+.1f} … {100 * ends.high:+.1f})"
        failed = sum(each.failed for each in outcomes) / len(outcomes)
        sentences = len({each.row for each in gold})
        rate = 60 * sentences / sum(each.seconds for each in outcomes)
        print(
            f"| {corpus} | {task} | {name} | {100 * total.precision:.1f} | "
            f"{100 * total.recall:.1f} | {100 * total.f1:.1f} | "
            f"{100 * low:.1f} … {100 * high:.1f} | {less} | {len(outcomes):,} | "
            f"{100 * failed:.1f} % | {sum(each.tokens for each in outcomes):,} | {rate:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
