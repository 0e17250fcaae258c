"""The bundle: an encoder, demonstrations and their index, in one verified directory.

    bundle/
      manifest.json           what it is, and the SHA-256 of every other file
      encoder.onnx            token ids in, unit vectors out
      tokenizer.json
      index.faiss             one vector per demonstration, in lists, by partition
      demonstrations.parquet  the same rows in the same order
      types.npz               for reranking: a linear model of the types for each partition

Written by `ruie bundle build`, read by `Bundle.open`. Needs no torch.
"""

from __future__ import annotations

from ruie.bundle.bundle import Bundle
from ruie.bundle.encoder import Encoder
from ruie.bundle.manifest import FORMAT_VERSION, Manifest, Partition
from ruie.bundle.retrieval import retrieval_text

__all__ = ["FORMAT_VERSION", "Bundle", "Encoder", "Manifest", "Partition", "retrieval_text"]
