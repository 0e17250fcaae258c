"""Reranks the demonstrations that are most similar to a query."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np

from ruie.bundle.encoder import Encoder
from ruie.bundle.manifest import Partition
from ruie.bundle.rerank_scores import RerankWeights, expected_agreement, mentions
from ruie.bundle.retrieval import retrieval_text, text_key
from ruie.bundle.table import Table
from ruie.bundle.type_model import Floats, TypeModel, read_models
from ruie.records import Query


class Reranker:
    """Reranks with a bundle's weights and type models; reads the models on first use."""

    def __init__(
        self,
        weights: RerankWeights,
        types: Path,
        partitions: Sequence[Partition],
        encoder: Encoder,
        table: Table,
    ) -> None:
        self.weights = weights
        self._file, self._partitions = types, partitions
        self._encoder, self._table = encoder, table
        self._models: dict[int, TypeModel] = {}

    def over(self, table: Table) -> Self:
        """The same for a table with further rows, in partitions without a model."""
        other = copy.copy(self)
        other._table = table
        return other

    def check(self) -> None:
        """Read the models. Raises `BundleError` if they do not fit the partitions."""
        models = read_models(self._file, self._partitions, self._encoder.dimension)
        self._models = {part.start: m for part, m in zip(self._partitions, models, strict=True)}

    def order(
        self,
        query: Query,
        vector: Floats,
        partitions: Sequence[Partition],
        candidates: Sequence[tuple[float, int]],
    ) -> list[int]:
        """The rows of the candidates, the best first.

        vector: the query's, shape (dimension,), of unit length. partitions: those that were
        searched. candidates: similarities and rows, the most similar first; only the first
        `RerankWeights.depth` are reranked.
        """
        first, rest = candidates[: self.weights.depth], candidates[self.weights.depth :]
        rows = np.array([row for _, row in first], dtype=np.int64)
        similarities = np.array([score for score, _ in first], dtype=np.float32)
        labels = tuple(query.labels)
        likely = self.probabilities(query, vector, partitions)
        agreement = np.zeros(len(rows), dtype=np.float32)
        if likely is not None:
            agreement = expected_agreement(likely, self._table.types(rows, labels))
        mentioned = mentions(self._table.spans(rows), text_key(query.text))
        scores = self.weights.scores(query.task, similarities, agreement, mentioned)
        best: list[int] = rows[np.argsort(-scores, kind="stable")].tolist()
        return best + [row for _, row in rest]

    def probabilities(
        self, query: Query, vector: Floats, partitions: Sequence[Partition]
    ) -> Floats | None:
        """The probability of each label to be in the query's answer: float32, shape (labels,).

        Of several partitions, the mean of those that have the label. None where no partition has a
        model.
        """
        if not self._models:
            self.check()
        partitions = [each for each in partitions if each.start in self._models]
        if not partitions:
            return None
        tokens = self._encoder.tokens(retrieval_text(query))
        columns = {label: column for column, label in enumerate(query.labels)}
        sums = np.zeros(len(columns), dtype=np.float32)
        counts = np.zeros(len(columns), dtype=np.float32)
        for partition in partitions:
            own = self._models[partition.start].probabilities(vector, tokens)
            for label, probability in zip(partition.labels, own, strict=True):
                if label in columns:
                    sums[columns[label]] += probability
                    counts[columns[label]] += 1
        return (sums / np.maximum(counts, 1)).astype(np.float32)
