"""`ruie bundle build`: encoder → demonstrations → vectors → index → manifest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

import ruie
from ruie.annotations import load_corpus
from ruie.bundle.encoder import Encoder, Vectors
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
from ruie.bundle.ranking import Ranking
from ruie.bundle.retrieval import arrange, passage_text, retrieval_text
from ruie.bundle.table import write_table
from ruie.bundle.type_model import TypeModel, write_models
from ruie.errors import AnnotationError
from ruie.exporter import onnx_export, parity, quantise
from ruie.exporter.base_encoder import Source, load_source
from ruie.exporter.index import write_index
from ruie.exporter.type_model import fit, type_table
from ruie.records import Demonstration

Progress = Callable[[str, float], None]
"""Called with a step's name and the share of it that is done, 0 to 1."""


CALIBRATION_SENTENCES = 512
"""Enough to see every outlier channel, and how the channels of the widest inputs go together."""


def silent(step: str, share: float) -> None:
    """No progress shown."""


def read_demonstrations(files: Sequence[Path], schema: Path | None = None) -> list[Demonstration]:
    """The demonstrations of all files. Raises `AnnotationError` or `SchemaError`."""
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
    ranking: Ranking | None = None,
    progress: Progress = silent,
) -> Manifest:
    """Export `encoder` and index `demonstrations` into the directory `output`.

    encoder: a Hugging Face id or a local path. threads: of the encoder; None for all processors.
    training: figures for the manifest. ranking: how what is found is put in order. Repeated
    demonstrations are kept once. Raises `BundleError` (nothing is written then), `AnnotationError`
    if there are no demonstrations, `UnavailableError` without torch.
    """
    check_target(output, overwrite=overwrite)
    if not demonstrations:
        raise AnnotationError(
            "There are no demonstrations to put into a bundle.", "Give a file with annotated rows."
        )
    progress("load the encoder", 0)
    source = load_source(str(encoder))
    rows, partitions = arrange(demonstrations)
    texts = _passages(rows, source.passage_prefix, source.keywords)
    with staged(output, overwrite=overwrite) as folder:
        progress("export to ONNX", 0)
        onnx_export.write_tokenizer(source, folder / TOKENIZER)
        onnx_export.export(source, folder / ENCODER)
        if quantisation is Quantisation.INT8:
            progress("quantise to int8", 0)
            _quantise(_encoder(source, folder, threads), folder, texts)
        exported = _encoder(source, folder, threads)
        figures = _parity(source, exported, texts, quantisation, progress)
        card = _card(source, quantisation)
        partitions = write_pool(folder, exported, card, rows, partitions, progress)
        manifest = Manifest(
            format_version=FORMAT_VERSION,
            ruie_version=ruie.__version__,
            encoder=card,
            parity=figures,
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
    progress: Progress,
) -> tuple[Partition, ...]:
    """Write all files of `folder` that depend on the demonstrations, in the order of `arrange`.
    Gives the partitions with their numbers of lists."""
    texts = _passages(rows, card.passage_prefix, card.keywords)
    vectors = _encode(encoder, texts, progress)
    progress("write the index", 0)
    divided = write_index(folder / INDEX, vectors, partitions, card.quantisation)
    write_table(folder / DEMONSTRATIONS, rows)
    asking = [card.query_prefix + retrieval_text(row) for row in rows]
    if asking != texts:
        vectors = _encode(encoder, asking, progress)
    progress("learn the types", 0)
    write_models(folder / TYPES, _type_models(encoder, rows, divided, vectors))
    return divided


def _passages(rows: Sequence[Demonstration], prefix: str, keywords: bool) -> list[str]:
    return [prefix + passage_text(row, keywords=keywords) for row in rows]


def _type_models(
    encoder: Encoder,
    rows: Sequence[Demonstration],
    partitions: Sequence[Partition],
    vectors: Vectors,
) -> list[TypeModel]:
    """One a partition. vectors: of the rows' texts as queries."""
    models = []
    for partition in partitions:
        part = slice(partition.start, partition.stop)
        tokens = [encoder.tokens(retrieval_text(row)) for row in rows[part]]
        types = type_table(rows[part], partition.labels)
        models.append(fit(vectors[part], tokens, types).model)
    return models


def _encoder(source: Source, folder: Path, threads: int | None) -> Encoder:
    return Encoder(
        folder / ENCODER,
        folder / TOKENIZER,
        dimension=source.dimension,
        max_tokens=source.max_tokens,
        pad_id=source.pad_id,
        threads=threads,
    )


def _quantise(encoder: Encoder, folder: Path, texts: Sequence[str]) -> None:
    """Replace the fp32 encoder in `folder` by its int8 form."""
    sentences = parity.sample(texts, CALIBRATION_SENTENCES)
    fp32 = (folder / ENCODER).rename(folder / "fp32.onnx")
    calibration = (feed for _, feed in encoder.batches(sentences))
    quantise.quantise_int8(fp32, folder / ENCODER, calibration)
    fp32.unlink()


def _parity(
    source: Source,
    exported: Encoder,
    texts: Sequence[str],
    quantisation: Quantisation,
    progress: Progress,
) -> Parity:
    progress("compare with torch", 0)
    sentences = parity.sample(texts)
    figures = parity.compare(parity.torch_vectors(source, sentences), exported.encode(sentences))
    parity.check(figures, quantisation)
    return figures


def _encode(encoder: Encoder, texts: Sequence[str], progress: Progress) -> Vectors:
    """Each different text once: NER, RE and ED demonstrations of one sentence share its vector."""
    place = {text: row for row, text in enumerate(dict.fromkeys(texts))}
    distinct = list(place)
    step = 2048  # few enough that progress is seen, many enough to sort by length
    parts = []
    for start in range(0, len(distinct), step):
        progress("encode demonstrations", start / len(distinct))
        parts.append(encoder.encode(distinct[start : start + step]))
    progress("encode demonstrations", 1)
    return np.concatenate(parts)[[place[text] for text in texts]]


def _card(source: Source, quantisation: Quantisation) -> EncoderCard:
    return EncoderCard(
        base_model=source.name,
        architecture=source.architecture,
        query_prefix=source.query_prefix,
        passage_prefix=source.passage_prefix,
        keywords=source.keywords,
        pooling=source.pooling,
        dimension=source.dimension,
        max_tokens=source.max_tokens,
        pad_id=source.pad_id,
        opset=onnx_export.OPSET,
        quantisation=quantisation,
    )
