"""`ruie bundle build`: encoder → demonstrations → vectors → index → manifest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

import ruie
from ruie.annotations import load_corpus
from ruie.bundle.encoder import Encoder, Vectors, encode_distinct
from ruie.bundle.layout import check_target, seal, staged
from ruie.bundle.manifest import (
    DEMONSTRATIONS,
    ENCODER,
    FORMAT_VERSION,
    INDEX,
    TOKENIZER,
    TYPES,
    EncoderCard,
    Manifest,
    Parity,
    Partition,
    Quantisation,
)
from ruie.bundle.rerank_scores import RerankWeights
from ruie.bundle.retrieval import arrange, passage_text, retrieval_text
from ruie.bundle.table import write_table
from ruie.bundle.type_model import TypeModel, write_models
from ruie.errors import AnnotationError
from ruie.exporter import onnx_export, parity, quantise
from ruie.exporter.base_encoder import BaseEncoder, load_base_encoder
from ruie.exporter.index import write_index
from ruie.exporter.type_model import fit, type_table
from ruie.records import Demonstration

StepProgress = Callable[[str, float], None]
"""Called with a step's name and the share of it that is done, 0 to 1."""

CALIBRATION_SENTENCES = 512
"""Enough to see every outlier channel, and how the channels of the widest inputs correlate."""

ENCODED_TOGETHER = 2048
"""Texts between two calls of `StepProgress`; many enough for batches of similar length."""


def no_progress(step: str, share: float) -> None:
    """A `StepProgress` that shows nothing."""


def read_demonstrations(files: Sequence[Path], schema: Path | None = None) -> list[Demonstration]:
    """The demonstrations of all files. Raises `AnnotationError`, `SchemaError`."""
    return [demo for file in files for demo in load_corpus(file, schema).demonstrations()]


def build_bundle(
    encoder: str | Path,
    demonstrations: Sequence[Demonstration],
    output: Path,
    *,
    quantisation: Quantisation = Quantisation.NONE,
    overwrite: bool = False,
    threads: int | None = None,
    training: Mapping[str, float | str] | None = None,
    ranking: RerankWeights | None = None,
    progress: StepProgress = no_progress,
) -> Manifest:
    """Export `encoder` and index `demonstrations` into the directory `output`.

    encoder: a Hugging Face id or a local path. threads: CPU threads of the encoder; None for all.
    training: figures for the manifest. ranking: how retrieved demonstrations are reranked; None:
    they are ordered by similarity. Repeated demonstrations are kept once. Raises `BundleError`
    (nothing is written then), `AnnotationError` if there are no demonstrations, `UnavailableError`
    without torch.
    """
    check_target(output, overwrite=overwrite)
    if not demonstrations:
        raise AnnotationError(
            "There are no demonstrations to put into a bundle.", "Give a file with annotated rows."
        )
    progress("load the encoder", 0)
    base = load_base_encoder(str(encoder))
    card = _card(base, quantisation)
    rows, partitions = arrange(demonstrations)
    texts = _passages(rows, card)
    with staged(output, overwrite=overwrite) as folder:
        progress("export to ONNX", 0)
        onnx_export.write_tokenizer(base, folder / TOKENIZER)
        onnx_export.export(base, folder / ENCODER)
        if quantisation is Quantisation.INT8:
            progress("quantise to int8", 0)
            _quantise(Encoder.open(folder, card, threads=threads), folder, texts)
        exported = Encoder.open(folder, card, threads=threads)
        progress("compare with torch", 0)
        agreement = _parity(base, exported, texts, quantisation)
        partitions = write_pool(folder, exported, card, rows, partitions, progress)
        manifest = Manifest(
            format_version=FORMAT_VERSION,
            ruie_version=ruie.__version__,
            encoder=card,
            parity=agreement,
            training=dict(training or {}),
            ranking=ranking,
            demonstrations=len(rows),
            partitions=partitions,
            files={},
        )
        return seal(folder, manifest)


def write_pool(
    folder: Path,
    encoder: Encoder,
    card: EncoderCard,
    rows: Sequence[Demonstration],
    partitions: Sequence[Partition],
    progress: StepProgress,
) -> tuple[Partition, ...]:
    """Write all files of a bundle that depend on its demonstrations into `folder`.

    rows, partitions: as `arrange` returns them. Returns the partitions with their numbers of lists.
    """
    passages = _passages(rows, card)
    vectors = encode(encoder, passages, progress)
    progress("write the index", 0)
    partitions = write_index(folder / INDEX, vectors, partitions, card.quantisation)
    write_table(folder / DEMONSTRATIONS, rows)
    queries = [card.query_prefix + retrieval_text(row) for row in rows]
    if queries != passages:
        vectors = encode(encoder, queries, progress)
    progress("learn the types", 0)
    parts = [(each, slice(each.start, each.stop)) for each in partitions]
    models = [fit_types(encoder, rows[part], each, vectors[part]) for each, part in parts]
    write_models(folder / TYPES, models)
    return partitions


def _passages(rows: Sequence[Demonstration], card: EncoderCard) -> list[str]:
    return [card.passage_prefix + passage_text(row, keywords=card.keywords) for row in rows]


def fit_types(
    encoder: Encoder, rows: Sequence[Demonstration], partition: Partition, vectors: Vectors
) -> TypeModel:
    """The model of a partition, which has these rows. vectors: float32 (rows, dimension), of their
    texts as queries."""
    tokens = [encoder.tokens(retrieval_text(row)) for row in rows]
    return fit(vectors, tokens, type_table(rows, partition.labels)).model


def _quantise(encoder: Encoder, folder: Path, texts: Sequence[str]) -> None:
    """Replace the fp32 encoder in `folder` by an int8 one, calibrated on some of `texts`."""
    sentences = parity.sample(texts, CALIBRATION_SENTENCES)
    fp32 = (folder / ENCODER).rename(folder / "fp32.onnx")
    calibration = (feed for _, feed in encoder.batches(sentences))
    quantise.quantise_int8(fp32, folder / ENCODER, calibration)
    fp32.unlink()


def _parity(
    base: BaseEncoder, exported: Encoder, texts: Sequence[str], quantisation: Quantisation
) -> Parity:
    """Compare `exported` with `base` on some of `texts`. Raises `BundleError` if they differ."""
    sentences = parity.sample(texts)
    agreement = parity.compare(parity.torch_vectors(base, sentences), exported.encode(sentences))
    parity.check(agreement, quantisation)
    return agreement


def encode(encoder: Encoder, texts: Sequence[str], progress: StepProgress = no_progress) -> Vectors:
    """float32 (len(texts), dimension)."""

    def encoded(distinct: list[str]) -> Vectors:
        parts = []
        for start in range(0, len(distinct), ENCODED_TOGETHER):
            progress("encode demonstrations", start / len(distinct))
            parts.append(encoder.encode(distinct[start : start + ENCODED_TOGETHER]))
        progress("encode demonstrations", 1)
        return np.concatenate(parts)

    return encode_distinct(encoded, texts)


def _card(base: BaseEncoder, quantisation: Quantisation) -> EncoderCard:
    return EncoderCard(
        base_model=base.name,
        architecture=base.architecture,
        query_prefix=base.query_prefix,
        passage_prefix=base.passage_prefix,
        keywords=base.keywords,
        pooling=base.pooling,
        dimension=base.dimension,
        max_tokens=base.max_tokens,
        pad_id=base.pad_id,
        opset=onnx_export.OPSET,
        quantisation=quantisation,
    )
