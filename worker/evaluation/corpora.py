"""Gold data of several corpora, each by a name of its own, perhaps a sample of it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from ruie.annotations import Corpus, load_corpus
from ruie.errors import AnnotationError
from ruie.evaluation import gold_queries


def load_corpora(
    files: Sequence[Path], schema: Path | None, limit: int = 0, seed: int = 0
) -> dict[str, Corpus]:
    """Each file's rows by the name of its schema; by the file's too, where two share it.

    limit: a sample of so many rows of each, drawn by `seed`, in their order (0: all rows); a
    larger sample with the same seed contains the smaller. Raises `AnnotationError`, `SchemaError`.
    """
    read = [(file, load_corpus(file, schema)) for file in dict.fromkeys(files)]
    shared = [corpus.schema.name for _, corpus in read]
    found: dict[str, Corpus] = {}
    for file, corpus in read:
        name = corpus.schema.name
        if shared.count(name) > 1:
            name = f"{name} ({file})"
        found[name] = _sample(corpus, limit, seed) if limit else corpus
        if next(gold_queries(found[name]), None) is None:
            raise AnnotationError(f"There is nothing to ask about in {file}.", "See docs/data.md.")
    return found


def _sample(corpus: Corpus, limit: int, seed: int) -> Corpus:
    places = list(range(len(corpus.rows)))
    random.Random(seed).shuffle(places)
    return Corpus(corpus.schema, tuple(corpus.rows[place] for place in sorted(places[:limit])))
