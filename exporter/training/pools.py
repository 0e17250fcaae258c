"""Who may demonstrate for whom: the examples of the corpora, in pools.

A pool is what serves a query at run time (`ruie.bundle.retrieval.serving`): one corpus' examples
of one task, for EAE of one event type.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from ruie.annotations import Corpus, load_corpus
from ruie.bundle.retrieval import partition_key
from ruie.errors import AnnotationError
from ruie.exporter.training.config import CorpusConfig
from ruie.parsing import OutputForm
from ruie.prompts import render
from ruie.records import Demonstration, Query
from ruie.schema import Schema


@dataclass(frozen=True)
class Pools:
    """examples: all of them. pool_of: the pool's number of each. queries: the rows trained on,
    ascending. answers: equal numbers say the same task and answer."""

    examples: tuple[Demonstration, ...]
    pool_of: tuple[int, ...]
    queries: tuple[int, ...]
    answers: tuple[int, ...]
    schemas: tuple[Schema, ...]
    """Of each example."""

    def members(self) -> list[list[int]]:
        """The rows of each pool."""
        found: list[list[int]] = [[] for _ in range(max(self.pool_of) + 1)]
        for row, pool in enumerate(self.pool_of):
            found[pool].append(row)
        return found

    def query(self, row: int) -> Query:
        """The question that the example answers."""
        example, schema = self.examples[row], self.schemas[row]
        if example.trigger is None:
            return schema.query(example.task, example.text)
        found = schema.argument_query(example.text, example.trigger.type, example.trigger.span)
        assert found is not None  # an example of EAE has roles
        return found

    def answer(self, row: int) -> str:
        """The gold output in the linear form."""
        return render(self.examples[row].items, self.examples[row].task, OutputForm.LINEAR)


def load_pools(corpora: Sequence[CorpusConfig], seed: int) -> Pools:
    """Read the corpora. Raises `AnnotationError`, `SchemaError`."""
    examples: list[Demonstration] = []
    schemas: list[Schema] = []
    chosen: list[int] = []
    for config in corpora:
        first = len(examples)
        for file in config.files:
            corpus: Corpus = load_corpus(file, config.schema_file)
            found = corpus.demonstrations()
            examples += found
            schemas += [corpus.schema] * len(found)
        rows = range(first, len(examples))
        if config.queries and config.queries < len(rows):
            chosen += sorted(random.Random(f"{seed} {first}").sample(rows, config.queries))
        else:
            chosen += rows
    if not examples:
        raise AnnotationError("The corpora hold no examples.", "Give files with annotated rows.")
    pools: dict[object, int] = {}
    answers: dict[object, int] = {}
    pool_of, said = [], []
    for example in examples:
        pool_of.append(pools.setdefault(partition_key(example), len(pools)))
        answer = (example.task, render(example.items, example.task, OutputForm.LINEAR))
        said.append(answers.setdefault(answer, len(answers)))
    return Pools(tuple(examples), tuple(pool_of), tuple(chosen), tuple(said), tuple(schemas))
