"""Write the files of a bundle for other demonstrations, at the cost of those that are new.

Rows that the bundle has already are not encoded again: the codes of their vectors are copied. A
model of types is fitted again where its partition has lost rows, or has grown by a tenth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ruie.bundle import Bundle
from ruie.bundle.encoder import Vectors
from ruie.bundle.manifest import DEMONSTRATIONS, INDEX, TYPES, Partition
from ruie.bundle.retrieval import identity, passage_text, retrieval_text
from ruie.bundle.table import write_table
from ruie.bundle.type_model import TypeModel, read_models, write_models
from ruie.exporter.build import StepProgress, encode, fit_types
from ruie.exporter.stored_index import StoredIndex, write_index_again
from ruie.records import Demonstration

GROWN = 1.1
"""A partition that is so many times as large as when its model was fitted has another one."""


def write_changed_pool(
    folder: Path,
    opened: Bundle,
    old: Sequence[Demonstration],
    rows: Sequence[Demonstration],
    partitions: Sequence[Partition],
    progress: StepProgress,
) -> tuple[Partition, ...]:
    """Write all files that depend on the demonstrations into `folder`.

    old: the bundle's demonstrations. rows, partitions: as `arrange` returns them. Returns the
    partitions with their numbers of lists. Raises `BundleError`.
    """
    card = opened.manifest.encoder
    known = {identity(row): number for number, row in enumerate(old)}
    origin = np.array([known.get(identity(row), -1) for row in rows], dtype=np.int64)
    new = [row for row, number in zip(rows, origin, strict=True) if number < 0]
    passages = [card.passage_prefix + passage_text(row, keywords=card.keywords) for row in new]
    vectors = np.empty((0, card.dimension), dtype=np.float32)
    if new:
        vectors = encode(opened.encoder, passages, progress)
    progress("write the index", 0)
    stored = StoredIndex.read(opened.path / INDEX, opened.manifest.partitions)
    partitions, every = write_index_again(
        folder / INDEX, stored, origin, vectors, partitions, card.quantisation
    )
    write_table(folder / DEMONSTRATIONS, rows)
    progress("learn the types", 0)
    as_queries = card.query_prefix == card.passage_prefix and not card.keywords
    models = _models(opened, rows, origin, partitions, every if as_queries else None)
    write_models(folder / TYPES, models)
    return partitions


def _models(
    opened: Bundle,
    rows: Sequence[Demonstration],
    origin: np.ndarray[tuple[int], np.dtype[np.int64]],
    partitions: Sequence[Partition],
    vectors: Vectors | None,
) -> list[TypeModel]:
    """One a partition. vectors: of the rows' texts as queries; None: they are to be encoded."""
    card, before = opened.manifest.encoder, opened.manifest.partitions
    models = read_models(opened.path / TYPES, before, card.dimension)
    known = {part.key: (part, model) for part, model in zip(before, models, strict=True)}
    made = []
    for part in partitions:
        here = slice(part.start, part.stop)
        kept = int((origin[here] >= 0).sum())
        if part.key in known:
            old, model = known[part.key]
            if kept == len(old) and len(part) < GROWN * (model.fitted or len(old)):
                made.append(replace(model, fitted=model.fitted or len(old)))
                continue
        if vectors is not None:
            as_queries = vectors[here]
        else:
            texts = [card.query_prefix + retrieval_text(row) for row in rows[here]]
            as_queries = encode(opened.encoder, texts)
        made.append(fit_types(opened.encoder, rows[here], part, as_queries))
    return made
