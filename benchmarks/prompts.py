"""What a prompt can give: variants of it with the local model, whose answers are held to a grammar.

    python benchmarks/prompts.py --bundle POOL --output FOLDER GOLD... VARIANT...

GOLD are annotated rows that are not in the pool; a VARIANT is one of those below (what ruie does
is `8 demonstrations`). Of each corpus and task: F1 of strings and of offsets, and the difference to
the first variant that is named, with the 95 % interval of a paired bootstrap; tokens out, calls
that failed, and calls a minute. Scores are kept in the folder, one file for each variant: the same
command resumes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from prompt_variants import VARIANTS, Choice, Variant

from ruie.annotations import Corpus
from ruie.bootstrap import interval, resampled_f1
from ruie.bundle import Bundle
from ruie.evaluation import Prediction, predict
from ruie.extractor import Extractor
from ruie.llm import Call, connect
from ruie.questioner import Retriever
from ruie.questions import Question
from ruie.records import Demonstration, Query
from ruie.scoring import Score
from ruie.settings import Settings, load
from ruie.worker.client import decoding
from ruie.worker.embedded.stack import local_llm
from ruie.worker.evaluation.corpora import load_corpora

Row = dict[str, Any]
DEFINITIONS = Path(__file__).with_name("definitions.toml")


class Chosen:
    """A retriever of a variant's demonstrations."""

    def __init__(self, retriever: Retriever, choice: Choice) -> None:
        self._retriever, self._choice = retriever, choice
        self.digest = ""

    def retrieve(self, queries: Sequence[Query], k: int) -> list[list[Demonstration]]:
        found = self._retriever.retrieve(queries, 2 * k)
        return [self._choice(each, k) for each in found]


class Reworded(Extractor):
    """Asks in a variant's words, for an answer in its grammar."""

    variant = Variant()

    def prepare(self, queries: Sequence[Query]) -> list[Question]:
        questions = []
        for question in super().prepare(queries):
            words = self.variant.rewording(question)
            messages = tuple(
                {**message, "content": content}
                for message, content in zip(question.call.messages, words, strict=True)
            )
            call = replace(
                question.call,
                messages=messages,
                grammar=self.variant.grammar(question.query, question.call.max_tokens),
            )
            questions.append(replace(question, call=call))
        return questions

    def _longer(self, question: Question) -> Call:
        call = super()._longer(question)
        return replace(call, grammar=self.variant.grammar(question.query, call.max_tokens))


def defined(corpus: Corpus, definitions: Mapping[str, str]) -> Corpus:
    """The corpus with a description of each type."""
    schema = corpus.schema

    def described(types: Mapping[str, str]) -> dict[str, str]:
        return {name: definitions[name] for name in types}

    schema = replace(
        schema, entities=described(schema.entities), relations=described(schema.relations)
    )
    return replace(corpus, schema=schema)


async def answers(
    config: Settings, variant: Variant, pool: Bundle, corpora: Mapping[str, Corpus]
) -> dict[str, tuple[list[Prediction], float]]:
    """By corpus, with the seconds that it took."""
    llm = connect(config)
    try:
        settings = replace(decoding(config), demonstrations=variant.demonstrations)
        extractor = Reworded(Chosen(pool, variant.choice), llm, "", settings)
        extractor.variant = variant
        await extractor.resolve()
        made = {}
        for name, corpus in corpora.items():
            since = time.monotonic()
            predictions = await predict(extractor, corpus)
            made[name] = predictions, time.monotonic() - since
        return made
    finally:
        await llm.close()


def scores(predictions: Mapping[str, tuple[list[Prediction], float]]) -> dict[str, list[Row]]:
    """By corpus and task."""
    by_part: dict[str, list[Row]] = {}
    for name, (made, seconds) in predictions.items():
        for one in made:
            row = {
                "sentence": one.gold.row,
                "strings": [one.strings.gold, one.strings.predicted, one.strings.matched],
                "offsets": [one.offsets.gold, one.offsets.predicted, one.offsets.matched],
                "tokens": one.usage.completion,
                "failed": one.error is not None,
                "seconds": seconds / len(made),
            }
            by_part.setdefault(f"{name} {one.gold.query.task}", []).append(row)
    return by_part


def by_sentence(part: Sequence[Row], of: str) -> list[Score]:
    sums: dict[int, Score] = {}
    for row in part:
        sums[row["sentence"]] = sums.get(row["sentence"], Score()) + Score(*row[of])
    return [sums[sentence] for sentence in sorted(sums)]


def difference(rows: Sequence[Row], before: Sequence[Row], of: str) -> str:
    """Two cells: F1, and the difference with its interval, in percent."""
    a, b = by_sentence(rows, of), by_sentence(before, of)
    low, high = interval(resampled_f1(a) - resampled_f1(b))
    now, then = 100 * sum(a, Score()).f1, 100 * sum(b, Score()).f1
    return f"{now:.1f} | {now - then:+.1f} ({100 * low:+.1f} … {100 * high:+.1f})"


def compare(first: Mapping[str, list[Row]], other: Mapping[str, list[Row]], name: str) -> None:
    """A row of the table for each corpus and task."""
    for part, rows in other.items():
        cells = [difference(rows, first[part], of) for of in ("strings", "offsets")]
        tokens, failed = (sum(row[key] for row in rows) for key in ("tokens", "failed"))
        rate = 60 * len(rows) / sum(row["seconds"] for row in rows)
        print(f"| {part} | {name} | {' | '.join(cells)} | {tokens:,} | {failed} | {rate:.0f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("given", nargs="+", metavar="GOLD or VARIANT")
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=60, help="sentences of each GOLD")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    files = [Path(each) for each in arguments.given if each not in VARIANTS]
    corpora = load_corpora(files, None, arguments.limit, 0)
    definitions = tomllib.loads(DEFINITIONS.read_text(encoding="utf-8"))
    pool = Bundle.open(arguments.bundle)
    print(
        "| corpus and task | variant | F1 | difference | F1 of offsets | difference | tokens out "
        "| failed | calls a minute |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    first: dict[str, list[Row]] = {}
    with local_llm(load()) as config:
        for name in [each for each in arguments.given if each in VARIANTS]:
            variant, file = VARIANTS[name], arguments.output / f"{name}.json"
            asked = {
                corpus: defined(gold, definitions[corpus]) if variant.defined else gold
                for corpus, gold in corpora.items()
                if not variant.defined or corpus in definitions
            }
            if not file.exists():
                made = scores(asyncio.run(answers(config, variant, pool, asked)))
                file.write_text(json.dumps(made), encoding="utf-8")
            kept = json.loads(file.read_text(encoding="utf-8"))
            first = first or kept
            compare(first, kept, name)


if __name__ == "__main__":
    main()
