"""A bundle's `Ranking` at work: what was found, in the order in which it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ruie.bundle.encoder import Encoder
from ruie.bundle.manifest import Partition
from ruie.bundle.rerank_scores import Ranking, expected_agreement, mentions
from ruie.bundle.retrieval import retrieval_text, text_key
from ruie.bundle.table import Table
from ruie.bundle.type_model import Floats, TypeModel, read_models
from ruie.records import Query


class Ranker:
    """Reads the type models on first use."""

    def __init__(
        self,
        ranking: Ranking,
        types: Path,
        partitions: Sequence[Partition],
        encoder: Encoder,
        table: Table,
    ) -> None:
        self.ranking = ranking
        self._file, self._partitions = types, partitions
        self._encoder, self._table = encoder, table
        self._models: dict[int, TypeModel] = {}

    def check(self) -> None:
        """Read the models. Raises `BundleError` where they are not the partitions'."""
        models = read_models(self._file, self._partitions, self._encoder.dimension)
        self._models = {part.start: m for part, m in zip(self._partitions, models, strict=True)}

    def order(
        self,
        query: Query,
        vector: Floats,
        served: Sequence[Partition],
        candidates: Sequence[tuple[float, int]],
    ) -> list[int]:
        """The rows of the candidates, the best first.

        vector: the query's, (dimension,), of unit length. served: the partitions that may serve it.
        candidates: similarities and rows, the most similar first; those after the first
        `Ranking.among` stay where they are.
        """
        first, rest = candidates[: self.ranking.among], candidates[self.ranking.among :]
        rows = np.array([row for _, row in first], dtype=np.int64)
        similar = np.array([score for score, _ in first], dtype=np.float32)
        labels = tuple(query.labels)
        agreement = expected_agreement(
            self.probabilities(query, vector, served), self._table.types(rows, labels)
        )
        said = mentions(self._table.spans(rows), text_key(query.text))
        scores = self.ranking.scores(query.task, similar, agreement, said)
        best: list[int] = rows[np.argsort(-scores, kind="stable")].tolist()
        return best + [row for _, row in rest]

    def probabilities(self, query: Query, vector: Floats, served: Sequence[Partition]) -> Floats:
        """How likely the query's answer has an item of each of its labels: float32 (labels,).

        Where several partitions serve, the mean of those that know the label.
        """
        if not self._models:
            self.check()
        tokens = self._encoder.tokens(retrieval_text(query))
        place = {label: column for column, label in enumerate(query.labels)}
        sums = np.zeros(len(place), dtype=np.float32)
        counts = np.zeros(len(place), dtype=np.float32)
        for partition in served:
            told = self._models[partition.start].probabilities(vector, tokens)
            for label, probability in zip(partition.labels, told, strict=True):
                if label in place:
                    sums[place[label]] += probability
                    counts[place[label]] += 1
        return (sums / np.maximum(counts, 1)).astype(np.float32)
