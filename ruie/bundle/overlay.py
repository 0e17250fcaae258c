"""Demonstrations that lie over a bundle: searched exactly, beside its index.

A bundle is files and does not change while workers use it. What people add, a few rows to some ten
thousand, is kept in memory with its vectors. The bundle's index and its ranking stay as they are,
so a query whose nearest demonstrations are not among the added ones has the prompt it had.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property

import numpy as np

from ruie.bundle.encoder import Encoder, Vectors
from ruie.bundle.index import Rows
from ruie.bundle.manifest import EncoderCard, Partition
from ruie.bundle.retrieval import arrange, partition_key, passage_text, text_key
from ruie.bundle.table import Table
from ruie.records import Demonstration, Task


def passages(demonstrations: Sequence[Demonstration], card: EncoderCard) -> list[str]:
    """The text of each as the encoder is given it."""
    prefix = card.passage_prefix
    return [prefix + passage_text(each, keywords=card.keywords) for each in demonstrations]


def not_in(table: Table, added: Sequence[Demonstration]) -> list[Demonstration]:
    """Those that the bundle does not have as they are. Of rows of one partition with the same text,
    and about the same event, the last is kept."""
    last = {(partition_key(d), text_key(d.text), d.trigger): d for d in added}
    texts = {text for _, text, _ in last}
    said = {replace(row, id="") for row in added}
    known: dict[tuple[object, ...], set[Demonstration]] = {}
    for row in range(len(table)):
        if (text := table.key(row)) in texts:
            old = table.row(row)
            known.setdefault((partition_key(old), text, old.trigger), set()).add(
                replace(old, id="")
            )

    def kept(key: tuple[object, ...], row: Demonstration) -> bool:
        """Whether the bundle has it, and nothing else in its place."""
        return replace(row, id="") in known.get(key, ()) and known[key] <= said

    return [row for key, row in last.items() if not kept(key, row)]


class Overlay:
    """Added rows, numbered on from the bundle's, their partitions and vectors."""

    def __init__(
        self,
        added: Sequence[Demonstration],
        table: Table,
        encoder: Encoder,
        card: EncoderCard,
        known: Mapping[str, Vectors],
    ) -> None:
        """table: the bundle's demonstrations. known: vectors, float32, shape (dimension,), by the
        text that was encoded; the others are encoded on first use."""
        self.rows, partitions = arrange(added)
        self._first = len(table)
        self.partitions = tuple(
            part.model_copy(
                update={"start": part.start + self._first, "stop": part.stop + self._first}
            )
            for part in partitions
        )
        self.table = table.extended(self.rows)
        """The bundle's demonstrations, and then these."""
        self._encoder, self._card, self._known = encoder, card, known

    @cached_property
    def digest(self) -> str:
        """SHA-256, hexadecimal, of the added rows."""
        written = json.dumps([asdict(row) for row in self.rows], ensure_ascii=False)
        return hashlib.sha256(written.encode("utf-8", "surrogatepass")).hexdigest()

    def has(self, partition: Partition) -> bool:
        """Whether it is one of these and none of the bundle's."""
        return partition.start >= self._first

    def search(self, queries: Vectors, k: int, partition: Partition) -> tuple[Vectors, Rows]:
        """As `Index.search`; of all rows of the partition."""
        part = self._vectors[partition.start - self._first : partition.stop - self._first]
        scores = queries @ part.T
        best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(scores, best, axis=1), best + partition.start

    @cached_property
    def _vectors(self) -> Vectors:
        # on first use: nothing is encoded before a fork
        texts = passages(self.rows, self._card)
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        encoded = dict(zip(new, self._encoder.encode(new), strict=True)) if new else {}
        return np.stack([self._known[t] if t in self._known else encoded[t] for t in texts])

    def replaced(self, partitions: Sequence[Partition]) -> dict[int, frozenset[int]]:
        """By the start of each of the bundle's partitions: its rows that an added one takes the
        place of, being of the same text. New events of a text replace the arguments of its old
        ones too."""
        own = {(partition_key(row), text_key(row.text)) for row in self.rows}
        texts = {text for _, text in own}
        events = {(row.schema, text_key(row.text)) for row in self.rows if row.task is Task.ED}
        hidden: dict[int, frozenset[int]] = {}
        for part in partitions:
            rows = []
            for row in range(part.start, part.stop):
                if (text := self.table.key(row)) not in texts:
                    continue
                argued = part.task is Task.EAE and (part.schema_name, text) in events
                if argued or (partition_key(self.table.row(row)), text) in own:
                    rows.append(row)
            if rows:
                hidden[part.start] = frozenset(rows)
        return hidden
