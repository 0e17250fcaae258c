"""Gold data of several corpora, each under a name of its own, in full or sampled."""

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
    """Each file's rows by the name of its schema, and of the file where two share it.

    limit: the size of a random sample of each, in the order of its rows (0: all rows); a larger
    sample with the same seed contains the smaller. Raises `AnnotationError`, `SchemaError`.
    """
    loaded = [(file, load_corpus(file, schema)) for file in dict.fromkeys(files)]
    names = [corpus.schema.name for _, corpus in loaded]
    corpora: dict[str, Corpus] = {}
    for file, corpus in loaded:
        name = corpus.schema.name
        if names.count(name) > 1:
            name = f"{name} ({file})"
        corpora[name] = _sample(corpus, limit, seed) if limit else corpus
        if next(gold_queries(corpora[name]), None) is None:
            raise AnnotationError(f"There is nothing to evaluate in {file}.", "See docs/data.md.")
    return corpora


def _sample(corpus: Corpus, limit: int, seed: int) -> Corpus:
    indexes = list(range(len(corpus.rows)))
    random.Random(seed).shuffle(indexes)
    return Corpus(corpus.schema, tuple(corpus.rows[index] for index in sorted(indexes[:limit])))
