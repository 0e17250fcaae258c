"""How close an exported encoder is to the torch model it was exported from."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from ruie.bundle.encoder import BATCH_TOKENS, RUN_TOKENS, Vectors, cheapest_batches
from ruie.bundle.manifest import Parity, Quantisation
from ruie.errors import BundleError
from ruie.exporter.base_encoder import BaseEncoder, pooled

SENTENCES = 500
"""At most so many are compared: encoding them with torch takes most of the time."""

FP32_COSINE_MIN = 0.9999
INT8_COSINE_MEAN = 0.98

_FALLBACK = (
    "Oil prices rose on Monday after producers agreed to cut output .",
    "The committee met in Geneva and elected a new chair .",
    "A short one .",
)


def sample(texts: Sequence[str], size: int = SENTENCES) -> list[str]:
    """At most `size` distinct texts, drawn at random but always the same for the same input."""
    distinct = sorted(set(texts))
    if len(distinct) > size:
        distinct = random.Random(0).sample(distinct, size)
    return distinct or list(_FALLBACK)


def torch_vectors(encoder: BaseEncoder, texts: Sequence[str]) -> Vectors:
    """float32 unit vectors, (len(texts), dimension), computed by torch in fp32."""
    import torch

    tokenised = encoder.tokenizer(list(texts), truncation=True, max_length=encoder.max_tokens)
    ids = tokenised["input_ids"]
    vectors = np.empty((len(texts), encoder.dimension), dtype=np.float32)
    with torch.inference_mode():
        for batch in cheapest_batches([len(each) for each in ids], BATCH_TOKENS, RUN_TOKENS):
            padded = encoder.tokenizer.pad(
                {"input_ids": [ids[i] for i in batch]}, return_tensors="pt"
            )
            hidden = encoder.model(
                input_ids=padded["input_ids"], attention_mask=padded["attention_mask"]
            ).last_hidden_state
            vectors[batch] = pooled(hidden, padded["attention_mask"], encoder.pooling).numpy()
    return vectors


def compare(reference: Vectors, exported: Vectors) -> Parity:
    """How far two encoders agree. Both arguments: float32 unit vectors, (sentences, dimension), of
    the same sentences."""
    cosines = np.einsum("ij,ij->i", reference, exported)
    return Parity(
        sentences=len(reference),
        cosine_mean=round(float(cosines.mean()), 6),
        cosine_min=round(float(cosines.min()), 6),
        top8_overlap=round(overlap(reference, exported, 8), 4),
    )


def overlap(reference: Vectors, exported: Vectors, k: int) -> float:
    """The share of each row's k nearest other rows that both have in common, averaged over rows;
    1.0 for fewer than two rows."""
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
    """Raise `BundleError` if the exported encoder's vectors differ too much from torch's."""
    if quantisation is Quantisation.NONE and parity.cosine_min < FP32_COSINE_MIN:
        raise BundleError(
            f"The exported encoder differs from torch: cosine {parity.cosine_min:.6f} at worst, "
            f"and {FP32_COSINE_MIN} is needed.",
            "Nothing was written. Choose an encoder of another architecture.",
        )
    if quantisation is Quantisation.INT8 and parity.cosine_mean < INT8_COSINE_MEAN:
        raise BundleError(
            f"The int8 encoder differs from torch: cosine {parity.cosine_mean:.4f} on average, "
            f"and {INT8_COSINE_MEAN} is needed.",
            "Nothing was written. Build it with --quantise none.",
        )
