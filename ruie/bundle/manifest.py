"""`manifest.json`: what a bundle is made of and how its encoder must be fed."""

from __future__ import annotations

import errno
import hashlib
from enum import StrEnum
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ruie.bundle.rerank_scores import RerankWeights
from ruie.errors import BundleError
from ruie.records import Task

FORMAT_VERSION = 3
"""Incremented when a reader of the previous version would misread the bundle."""

MANIFEST = "manifest.json"
ENCODER = "encoder.onnx"
TOKENIZER = "tokenizer.json"
INDEX = "index.faiss"
DEMONSTRATIONS = "demonstrations.parquet"
TYPES = "types.npz"
FILES = (ENCODER, TOKENIZER, INDEX, DEMONSTRATIONS, TYPES)

REBUILD = "Build it again with `ruie bundle build --overwrite`, or copy it again from its source."


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Pooling(StrEnum):
    """How token vectors become one vector."""

    MEAN = "mean"
    CLS = "cls"


class Quantisation(StrEnum):
    """How the encoder's weights are stored."""

    NONE = "none"
    INT8 = "int8"


class EncoderCard(_Frozen):
    """The encoder: where it comes from and how it must be fed."""

    base_model: str
    """The model that was exported: a hub id, or the last part of a local path."""
    architecture: str
    query_prefix: str = ""
    passage_prefix: str = ""
    keywords: bool = False
    """Whether the spans of demonstrations are tagged when encoded (ruie/bundle/retrieval.py)."""
    pooling: Pooling
    normalised: bool = True
    dimension: int = Field(ge=1)
    max_tokens: int = Field(ge=1)
    """Of one text, special tokens included; longer texts are cut."""
    pad_id: int = Field(ge=0)
    opset: int
    quantisation: Quantisation


class Parity(_Frozen):
    """How close the exported encoder is to the model it was exported from.

    Cosines are between the two vectors of the same sentence; the overlap is the mean share of the
    eight nearest other sentences that both agree on.
    """

    sentences: int = Field(ge=1)
    cosine_mean: float
    cosine_min: float
    top8_overlap: float = Field(ge=0, le=1)


class Partition(_Frozen):
    """Demonstrations of one task and label set: the rows `start:stop` of index and table.

    `labels` is sorted. `event` is the event type of EAE, else None. `repeats` is the number of rows
    of the most frequent text: a search for k other texts must request k + `repeats`. The index
    divides the rows into `lists` lists, of which a query searches the nearest `searched`.
    """

    task: Task
    schema_name: str
    labels: tuple[str, ...]
    event: str | None = None
    start: int = Field(ge=0)
    stop: int = Field(ge=0)
    repeats: int = Field(ge=1)
    lists: int = Field(default=1, ge=1)
    searched: int = Field(default=1, ge=1)

    @property
    def key(self) -> tuple[str, str, str, tuple[str, ...]]:
        """That of its rows: `ruie.bundle.retrieval.partition_key`."""
        return str(self.task), self.schema_name, self.event or "", self.labels

    def __len__(self) -> int:
        return self.stop - self.start


class FileCard(_Frozen):
    """The size in bytes and the SHA-256 (hexadecimal) that a file of the bundle must have."""

    sha256: str
    size: int = Field(ge=0)


class Manifest(_Frozen):
    """Everything about a bundle that is not in its other files."""

    format_version: int
    ruie_version: str
    encoder: EncoderCard
    parity: Parity
    training: dict[str, float | str] = {}
    """Figures of the encoder's training; empty if it was not trained by ruie."""
    ranking: RerankWeights | None = None
    """Weights for reranking; None: demonstrations are ranked by similarity only."""
    demonstrations: int = Field(ge=0)
    partitions: tuple[Partition, ...]
    files: dict[str, FileCard]
    checksum: str = ""
    """SHA-256 of the manifest as stored, but with this field empty."""

    def sealed(self, files: dict[str, FileCard]) -> Self:
        """This manifest for `files`, with its checksum."""
        bare = self.model_copy(update={"files": files, "checksum": ""})
        return bare.model_copy(update={"checksum": digest(bare.to_bytes())})

    def to_bytes(self) -> bytes:
        """As stored. Equal manifests have equal bytes."""
        return (self.model_dump_json(indent=1, by_alias=True) + "\n").encode()

    @classmethod
    def from_bytes(cls, raw: bytes, path: Path) -> Self:
        """Parse the contents of the file `path`. Raises `BundleError` naming it."""
        try:
            version = _Version.model_validate_json(raw).format_version
        except ValidationError:
            raise BundleError(f"{path} is not the manifest of a bundle.", REBUILD) from None
        if version != FORMAT_VERSION:
            age = "newer" if version > FORMAT_VERSION else "older"
            raise BundleError(
                f"{path} has format version {version}; this ruie reads {FORMAT_VERSION}.",
                f"The bundle is from {'a' if age == 'newer' else 'an'} {age} ruie: "
                "build it again with this one, or install the ruie that wrote it.",
            )
        try:
            manifest = cls.model_validate_json(raw)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise BundleError(f"{path}: {where}: {first['msg']}.", REBUILD) from None
        if manifest.sealed(manifest.files).to_bytes() != raw:
            raise BundleError(f"{path} is damaged: its checksum is wrong.", REBUILD)
        return manifest


class _Version(BaseModel):
    """The one field that every format version has."""

    format_version: int


def digest(raw: bytes) -> str:
    """The SHA-256 of `raw`, hexadecimal."""
    return hashlib.sha256(raw).hexdigest()


def file_card(path: Path) -> FileCard:
    """The card of the file as it is. Raises OSError, also for what is no regular file: a pipe
    would be waited for."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    with path.open("rb") as file:
        return FileCard(
            sha256=hashlib.file_digest(file, "sha256").hexdigest(), size=path.stat().st_size
        )
