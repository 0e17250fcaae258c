"""`Bundle`: open a bundle, verified, and find the demonstrations most similar to a query."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from ruie.bundle.encoder import Encoder, Vectors, available_threads, encode_distinct
from ruie.bundle.index import Index
from ruie.bundle.manifest import (
    DEMONSTRATIONS,
    FILES,
    INDEX,
    MANIFEST,
    REBUILD,
    TYPES,
    Manifest,
    Partition,
    digest,
    file_card,
)
from ruie.bundle.reranker import Ranker
from ruie.bundle.retrieval import project, retrieval_text, serving, text_key
from ruie.bundle.table import Table
from ruie.errors import BundleError
from ruie.records import Demonstration, Query


class Bundle:
    """A verified bundle. Cheap to open before a fork: whatever has threads starts on first use."""

    def __init__(self, path: Path, manifest: Manifest, name: str, threads: int | None) -> None:
        self.path = path
        self.manifest = manifest
        self.digest = name
        """SHA-256 of the manifest, hexadecimal: equal for equal contents, wherever they lie."""
        threads = threads or available_threads()
        self.encoder = Encoder.open(path, manifest.encoder, threads=threads)
        self.index = Index(path / INDEX, manifest.partitions, threads=threads)
        self._table = Table(path / DEMONSTRATIONS)
        self.ranker: Ranker | None = None
        """Puts in order what was found; without one similarity alone does."""
        if manifest.ranking is not None:
            self.ranker = Ranker(
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

    def __len__(self) -> int:
        return len(self._table)

    def check(self) -> None:
        """Open what is otherwise opened on first use. Raises `BundleError` if the files are whole
        but do not belong together."""
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
        if self.ranker is not None:
            self.ranker.check()

    def demonstration(self, id: str) -> Demonstration:
        """The demonstration of that id. Raises `KeyError`."""
        return self._table.row(self._table.row_of[id])

    def demonstrations(self) -> list[Demonstration]:
        """All of them, in the order of the index."""
        return self._table.rows()

    def retrieve(self, queries: Sequence[Query], k: int) -> list[list[Demonstration]]:
        """For each query its k best demonstrations, the best first: the most similar ones, in the
        order of the manifest's `Ranking` where it has one.

        Searched are the partitions of the query's task (for EAE: of its event type) whose label
        set (for EAE: roles) equals the query's labels, contains them or is contained in them; one
        of the query's own schema name with equal labels is searched alone. Items of types that the
        query lacks are left out of what is returned, and their labels with them.

        Never a demonstration with the query's own text (white space and case do not count), and
        no demonstration twice. Fewer than k where there are fewer; none where no partition serves.
        """
        served = [serving(query, self.manifest.partitions) for query in queries]
        asking = [index for index, partitions in enumerate(served) if partitions and k > 0]
        found: list[list[Demonstration]] = [[] for _ in queries]
        if not asking:
            return found
        wanted = max(k, self.ranker.ranking.among) if self.ranker else k
        vectors = self._encode_queries([queries[index] for index in asking])
        candidates: list[list[tuple[float, int]]] = [[] for _ in asking]
        by_partition: dict[int, list[int]] = {}
        ranges: dict[int, Partition] = {}
        for position, index in enumerate(asking):
            for partition in served[index]:
                ranges[partition.start] = partition
                by_partition.setdefault(partition.start, []).append(position)
        for start, positions in by_partition.items():
            partition = ranges[start]
            scores, rows = self.index.search(
                vectors[positions], wanted + partition.repeats, partition
            )
            for position, some_scores, some_rows in zip(positions, scores, rows, strict=True):
                candidates[position].extend(
                    zip(some_scores.tolist(), some_rows.tolist(), strict=True)
                )
        for position, index in enumerate(asking):
            others = self._others(queries[index], candidates[position])
            order = [row for _, row in others]
            if self.ranker and others:
                order = self.ranker.order(queries[index], vectors[position], served[index], others)
            found[index] = [project(self._table.row(row), queries[index]) for row in order[:k]]
        return found

    def _encode_queries(self, queries: Sequence[Query]) -> Vectors:
        """One row a query."""
        prefix = self.manifest.encoder.query_prefix
        texts = [prefix + retrieval_text(query) for query in queries]
        return encode_distinct(self.encoder.encode, texts)

    def _others(self, query: Query, candidates: list[tuple[float, int]]) -> list[tuple[float, int]]:
        """Scores and rows of the candidates whose text is not the query's, the best first."""
        own = text_key(query.text)
        # Equal scores in the order of the rows, so that the same query always gets the same.
        candidates.sort(key=lambda scored: (-scored[0], scored[1]))
        return [(score, row) for score, row in candidates if self._table.key(row) != own]


def read_manifest(path: Path) -> tuple[Manifest, bytes]:
    """The manifest of the bundle in `path`, and its bytes. Raises `BundleError`."""
    if not path.is_dir():
        raise BundleError(
            f"There is no bundle at {path}.",
            "Build one with `ruie bundle build`, or set RUIE_BUNDLE to where it is.",
        )
    file = path / MANIFEST
    try:
        raw = file.read_bytes()
    except FileNotFoundError:
        raise BundleError(
            f"{path} is not a bundle: {file.name} is missing.",
            "Build one with `ruie bundle build`, or set RUIE_BUNDLE to where it is.",
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
