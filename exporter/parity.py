"""How close an exported encoder is to the torch model it was exported from."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ruie.bundle.encoder import BATCH_TOKENS, batches_by_length
from ruie.bundle.manifest import Parity, Quantisation
from ruie.errors import BundleError
from ruie.exporter.base_encoder import Source, pooled

Vectors = npt.NDArray[np.float32]

SENTENCES = 500
"""Compared at most; the cost is torch's time."""

FP32_COSINE_MIN = 0.9999
INT8_COSINE_MEAN = 0.98

_FALLBACK = (
    "Oil prices rose on Monday after producers agreed to cut output .",
    "The committee met in Geneva and elected a new chair .",
    "A short one .",
)


def sample(texts: Sequence[str], size: int = SENTENCES) -> list[str]:
    """The sentences to compare on: at most `size` different ones, the same for the same input."""
    distinct = sorted(set(texts))
    if len(distinct) > size:
        distinct = random.Random(0).sample(distinct, size)
    return distinct or list(_FALLBACK)


def torch_vectors(source: Source, texts: Sequence[str]) -> Vectors:
    """float32 unit vectors, (len(texts), dimension), by the torch model in fp32."""
    import torch

    ids = source.tokenizer(list(texts), truncation=True, max_length=source.max_tokens)["input_ids"]
    vectors = np.empty((len(texts), source.dimension), dtype=np.float32)
    with torch.inference_mode():
        for batch in batches_by_length([len(each) for each in ids], BATCH_TOKENS):
            padded = source.tokenizer.pad(
                {"input_ids": [ids[i] for i in batch]}, return_tensors="pt"
            )
            hidden = source.model(
                input_ids=padded["input_ids"], attention_mask=padded["attention_mask"]
            ).last_hidden_state
            vectors[batch] = pooled(hidden, padded["attention_mask"], source.pooling).numpy()
    return vectors


def compare(reference: Vectors, exported: Vectors) -> Parity:
    """Both float32 unit vectors, (sentences, dimension), of the same sentences."""
    cosines = np.einsum("ij,ij->i", reference, exported)
    return Parity(
        sentences=len(reference),
        cosine_mean=round(float(cosines.mean()), 6),
        cosine_min=round(float(cosines.min()), 6),
        top8_overlap=round(overlap(reference, exported, 8), 4),
    )


def overlap(reference: Vectors, exported: Vectors, k: int) -> float:
    """Mean share of the k nearest other rows that both agree on. 1.0 for fewer than two rows."""
    k = min(k, len(reference) - 1)
    if k < 1:
        return 1.0
    shares = [
        len(set(ours) & set(theirs)) / k
        for ours, theirs in zip(_nearest(reference, k), _nearest(exported, k), strict=True)
    ]
    return float(np.mean(shares))


def _nearest(vectors: Vectors, k: int) -> list[list[int]]:
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, -np.inf)
    nearest: list[list[int]] = np.argpartition(-scores, k - 1, axis=1)[:, :k].tolist()
    return nearest


def check(parity: Parity, quantisation: Quantisation) -> None:
    """Raise `BundleError` if the exported encoder is not the same model any more."""
    if quantisation is Quantisation.NONE and parity.cosine_min < FP32_COSINE_MIN:
        raise BundleError(
            f"The exported encoder differs from torch: cosine {parity.cosine_min:.6f} at worst, "
            f"and {FP32_COSINE_MIN} is needed.",
            "Nothing was written. This architecture does not survive the export; use another.",
        )
    if quantisation is Quantisation.INT8 and parity.cosine_mean < INT8_COSINE_MEAN:
        raise BundleError(
            f"The int8 encoder differs from torch: cosine {parity.cosine_mean:.4f} on average, "
            f"and {INT8_COSINE_MEAN} is needed.",
            "Nothing was written. Build it with --quantise none.",
        )
