"""`Bundle`: open and verify a bundle, and retrieve the best demonstrations for a query."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Self

from ruie.bundle.encoder import Encoder, Vectors, available_threads, encode_distinct
from ruie.bundle.index import Index
from ruie.bundle.manifest import (
    DEMONSTRATIONS,
    ENCODER,
    FILES,
    INDEX,
    MANIFEST,
    REBUILD,
    TOKENIZER,
    TYPES,
    Manifest,
    Partition,
    digest,
    file_card,
)
from ruie.bundle.overlay import Overlay, not_in, passages
from ruie.bundle.reranker import Reranker
from ruie.bundle.retrieval import project, retrieval_text, text_key, usable_partitions
from ruie.bundle.table import Table
from ruie.errors import BundleError
from ruie.records import Demonstration, Query


class Bundle:
    """A verified bundle. May be opened before a fork: what has threads is started on first use."""

    def __init__(self, path: Path, manifest: Manifest, name: str, threads: int | None) -> None:
        self.path = path
        self.manifest = manifest
        self.digest = name
        """SHA-256 of the manifest, hexadecimal: equal for equal contents, wherever they are."""
        threads = threads or available_threads()
        self.encoder = Encoder.open(path, manifest.encoder, threads=threads)
        self.index = Index(path / INDEX, manifest.partitions, threads=threads)
        self._table = Table(path / DEMONSTRATIONS)
        self._partitions = manifest.partitions
        self._base: Bundle = self
        self._overlay: Overlay | None = None
        self._replaced: dict[int, frozenset[int]] = {}
        self.reranker: Reranker | None = None
        """None: demonstrations are ranked by similarity only."""
        if manifest.ranking is not None:
            self.reranker = Reranker(
                manifest.ranking, path / TYPES, manifest.partitions, self.encoder, self._table
            )

    @classmethod
    def open(cls, path: Path | str, *, threads: int | None = None) -> Self:
        """Open and verify the directory `path`.

        threads: CPU threads for encoding and searching; None for all this process may use.
        Raises `BundleError` naming the file that is missing, damaged or of another version.
        """
        path = Path(path)
        manifest, raw = verify(path)
        return cls(path, manifest, digest(raw), threads)

    def over(
        self,
        added: Sequence[Demonstration],
        known: Mapping[str, Vectors] = MappingProxyType({}),
    ) -> Bundle:
        """The same bundle with further demonstrations, which take the place of its own of the same
        partition and text. Index and ranking stay as they are; these are searched exactly. What it
        has already changes nothing: then it is the same bundle.

        known: vectors that were kept, by the text that was encoded (`passages`).
        """
        if self._overlay is not None:
            return self._base.over([*self._overlay.rows, *added], known) if added else self
        if not (added := not_in(self._table, added)):
            return self
        other = copy.copy(self)
        other._base = self
        card = self.manifest.encoder
        overlay = other._overlay = Overlay(added, self._table, self.encoder, card, known)
        other.digest = hashlib.sha256(f"{self.digest} {overlay.digest}".encode()).hexdigest()
        other._table = overlay.table
        other._partitions = (*self.manifest.partitions, *overlay.partitions)
        other._replaced = overlay.replaced(self.manifest.partitions)
        if self.reranker is not None:
            other.reranker = self.reranker.over(overlay.table)
        return other

    def candidates(self, query: Query) -> tuple[list[int], int]:
        """The rows of `demonstrations` that the query may have, and at most how many of them have
        its own text."""
        partitions = usable_partitions(query, self._partitions)
        rows = [
            row
            for part in partitions
            for row in range(part.start, part.stop)
            if row not in self._replaced.get(part.start, ())
        ]
        return rows, sum(part.repeats for part in partitions)

    @property
    def content(self) -> str:
        """SHA-256 of its demonstrations, hexadecimal, whatever its encoder is; with what lies over
        it, its digest."""
        return self.digest if self._overlay else self.manifest.files[DEMONSTRATIONS].sha256

    def by_similarity(self) -> Bundle:
        """The same bundle without its ranking."""
        other = copy.copy(self)
        other.reranker = None
        other.digest = hashlib.sha256(f"{self.digest} by similarity".encode()).hexdigest()
        return other

    def passages(self, demonstrations: Sequence[Demonstration]) -> list[str]:
        """The text of each as the encoder is given it."""
        return passages(demonstrations, self.manifest.encoder)

    @property
    def encoder_digest(self) -> str:
        """SHA-256, hexadecimal: equal where the same text gets the same vector."""
        files = [self.manifest.files[name].sha256 for name in (ENCODER, TOKENIZER)]
        return digest(" ".join([self.manifest.encoder.model_dump_json(), *files]).encode())

    def __len__(self) -> int:
        return len(self._table)

    def check(self) -> None:
        """Open what is otherwise opened on first use. Raises `BundleError` if the files are intact
        but do not fit together."""
        counts = {
            DEMONSTRATIONS: len(self._table),
            INDEX: self.index.rows,
            "the partitions": sum(map(len, self.manifest.partitions)),
        }
        for name, count in counts.items():
            if count != self.manifest.demonstrations:
                raise BundleError(
                    f"{self.path}: {name} has {count} rows, and the manifest says "
                    f"{self.manifest.demonstrations}.",
                    REBUILD,
                )
        self.encoder.encode(["A sentence."])
        if self.reranker is not None:
            self.reranker.check()

    def demonstration(self, id: str) -> Demonstration:
        """The demonstration with that id. Raises `KeyError`."""
        return self._table.row(self._table.row_of[id])

    def demonstrations(self) -> list[Demonstration]:
        """All of them, in the order of the index."""
        return self._table.rows()

    def retrieve(self, queries: Sequence[Query], k: int) -> list[list[Demonstration]]:
        """For each query its k best demonstrations, the best first: the most similar ones, reranked
        if the manifest has weights for it.

        The partitions searched are those of the query's task (for EAE: of its event type) whose
        label set (for EAE: roles) equals the query's labels, contains them or is contained in them;
        if one of the query's own schema name has equal labels, it is the only one. Labels that the
        query lacks are removed from the demonstrations, with the items of these types.

        Never a demonstration with the query's own text (except for white space and case), and no
        demonstration twice. Fewer than k if there are fewer; none if no partition can be used.
        """
        partitions = [usable_partitions(query, self._partitions) for query in queries]
        retrieved: list[list[Demonstration]] = [[] for _ in queries]
        answerable = [index for index, usable in enumerate(partitions) if usable and k > 0]
        if not answerable:
            return retrieved
        vectors = self._encode_queries([queries[index] for index in answerable])
        depth = max(k, self.reranker.weights.depth) if self.reranker else k
        nearest = self._nearest(vectors, [partitions[index] for index in answerable], depth)
        for index, vector, candidates in zip(answerable, vectors, nearest, strict=True):
            query = queries[index]
            others = self._others(query, candidates)
            order = [row for _, row in others]
            if self.reranker and others:
                order = self.reranker.order(query, vector, partitions[index], others)
            retrieved[index] = [project(self._table.row(row), query) for row in order[:k]]
        return retrieved

    def _encode_queries(self, queries: Sequence[Query]) -> Vectors:
        """float32, shape (queries, dimension)."""
        prefix = self.manifest.encoder.query_prefix
        texts = [prefix + retrieval_text(query) for query in queries]
        return encode_distinct(self.encoder.encode, texts)

    def _nearest(
        self, vectors: Vectors, partitions: Sequence[Sequence[Partition]], count: int
    ) -> list[list[tuple[float, int]]]:
        """Scores and rows of the `count` nearest demonstrations of other texts, and perhaps some of
        the query's own text, in each of a query's partitions: for each query, in no order.

        Each partition is searched once, for all its queries together.
        """
        nearest: list[list[tuple[float, int]]] = [[] for _ in partitions]
        by_start: dict[int, Partition] = {}
        positions: dict[int, list[int]] = {}
        for position, usable in enumerate(partitions):
            for partition in usable:
                by_start[partition.start] = partition
                positions.setdefault(partition.start, []).append(position)
        for start, partition in by_start.items():
            replaced = self._replaced.get(start, frozenset())
            above = self._overlay if self._overlay and self._overlay.has(partition) else None
            scores, rows = (above or self.index).search(
                vectors[positions[start]], count + partition.repeats + len(replaced), partition
            )
            for position, *own in zip(
                positions[start], scores.tolist(), rows.tolist(), strict=True
            ):
                found = zip(*own, strict=True)
                nearest[position] += [each for each in found if each[1] not in replaced]
        return nearest

    def _others(self, query: Query, candidates: list[tuple[float, int]]) -> list[tuple[float, int]]:
        """Scores and rows of the candidates whose text is not the query's, the best first."""
        own = text_key(query.text)
        # Equal scores in the order of the rows, so that retrieval is deterministic.
        candidates.sort(key=lambda scored: (-scored[0], scored[1]))
        return [(score, row) for score, row in candidates if self._table.key(row) != own]


def read_manifest(path: Path) -> tuple[Manifest, bytes]:
    """The manifest of the bundle in `path`, and its bytes. Raises `BundleError`."""
    if not path.is_dir():
        raise BundleError(
            f"There is no bundle at {path}.",
            "Build one with `ruie bundle build`, or set RUIE_BUNDLE to its path.",
        )
    file = path / MANIFEST
    if file.exists() and not file.is_file():  # a pipe would be waited for
        raise BundleError(f"{file} cannot be read: it is not a regular file.", REBUILD)
    try:
        raw = file.read_bytes()
    except FileNotFoundError:
        raise BundleError(
            f"{path} is not a bundle: {file.name} is missing.",
            "Build one with `ruie bundle build`, or set RUIE_BUNDLE to its path.",
        ) from None
    except OSError as error:
        raise BundleError(f"{file} cannot be read: {error.strerror}.", REBUILD) from None
    return Manifest.from_bytes(raw, file), raw


def verify(path: Path) -> tuple[Manifest, bytes]:
    """Compare every file with the manifest. Raises `BundleError` naming the first that differs."""
    manifest, raw = read_manifest(path)
    for name in FILES:
        expected = manifest.files.get(name)
        if expected is None:
            raise BundleError(f"{path / MANIFEST} does not list {name}.", REBUILD)
        try:
            actual = file_card(path / name)
        except FileNotFoundError:
            raise BundleError(f"{path / name} is missing.", REBUILD) from None
        except OSError as error:
            raise BundleError(f"{path / name} cannot be read: {error.strerror}.", REBUILD) from None
        if actual != expected:
            what = (
                f"{actual.size:,} bytes instead of {expected.size:,}"
                if actual.size != expected.size
                else "its SHA-256 is not the manifest's"
            )
            raise BundleError(f"{path / name} is damaged: {what}.", REBUILD)
    return manifest, raw
