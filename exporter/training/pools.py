"""The examples of the corpora, and the pool that each draws its demonstrations from.

A pool is what serves a query at run time (`ruie.bundle.retrieval.serving`): the examples of one
corpus and task, for EAE of one event type.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from ruie.annotations import load_corpus
from ruie.bundle.retrieval import partition_key
from ruie.errors import AnnotationError
from ruie.exporter.training.config import CorpusConfig
from ruie.parsing import OutputForm
from ruie.prompts import render
from ruie.records import Demonstration, Query
from ruie.schema import Schema


@dataclass(frozen=True)
class Pools:
    """The examples of all corpora. A row is a position in `examples`."""

    examples: tuple[Demonstration, ...]
    pool_of: tuple[int, ...]
    """The number of each example's pool."""
    queries: tuple[int, ...]
    """The rows to train on, ascending."""
    answer_ids: tuple[int, ...]
    """Of each example: equal where task and gold output are."""
    schemas: tuple[Schema, ...]
    """Of each example."""

    def members(self) -> list[list[int]]:
        """The rows of each pool."""
        members: list[list[int]] = [[] for _ in range(max(self.pool_of) + 1)]
        for row, pool in enumerate(self.pool_of):
            members[pool].append(row)
        return members

    def query(self, row: int) -> Query:
        """The query that the example answers."""
        example, schema = self.examples[row], self.schemas[row]
        if example.trigger is None:
            return schema.query(example.task, example.text)
        query = schema.argument_query(example.text, example.trigger.type, example.trigger.span)
        assert query is not None  # an example of EAE has roles
        return query

    def answer(self, row: int) -> str:
        """The gold output in the linear form."""
        return _answer(self.examples[row])


def load_pools(corpora: Sequence[CorpusConfig], seed: int) -> Pools:
    """Read the corpora. Raises `AnnotationError`, `SchemaError`."""
    examples: list[Demonstration] = []
    schemas: list[Schema] = []
    queries: list[int] = []
    for config in corpora:
        first = len(examples)
        for file in config.files:
            corpus = load_corpus(file, config.schema_file)
            demonstrations = corpus.demonstrations()
            examples += demonstrations
            schemas += [corpus.schema] * len(demonstrations)
        rows = range(first, len(examples))
        if config.queries and config.queries < len(rows):
            queries += sorted(random.Random(f"{seed} {first}").sample(rows, config.queries))
        else:
            queries += rows
    if not examples:
        raise AnnotationError("The corpora have no examples.", "Give files with annotated rows.")
    pools: dict[object, int] = {}
    answers: dict[object, int] = {}
    pool_of, answer_ids = [], []
    for example in examples:
        pool_of.append(pools.setdefault(partition_key(example), len(pools)))
        answer_ids.append(answers.setdefault((example.task, _answer(example)), len(answers)))
    return Pools(
        examples=tuple(examples),
        pool_of=tuple(pool_of),
        queries=tuple(queries),
        answer_ids=tuple(answer_ids),
        schemas=tuple(schemas),
    )


def _answer(example: Demonstration) -> str:
    return render(example.items, example.task, OutputForm.LINEAR)
