"""A torch encoder becomes encoder.onnx: token ids and mask in, unit vectors out."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from ruie.errors import BundleError
from ruie.exporter.base_encoder import Source, pooled

OPSET = 17
"""Opset 17 made LayerNormalization one operator, which ONNX Runtime runs as such and not as nine
small ones; nothing later is used, and every ONNX Runtime since 1.13 reads it."""

INPUTS = ("input_ids", "attention_mask")
OUTPUT = "embedding"


def export(source: Source, path: Path) -> None:
    """Write `source` to `path` in fp32, pooling and normalisation in the graph.

    Inputs: input_ids and attention_mask, int64 (batch, sequence), both axes free. Output:
    embedding, float32 (batch, dimension), unit length. Raises `BundleError`.
    """
    import torch

    class Graph(torch.nn.Module):  # type: ignore[misc,unused-ignore]  # torch is not always there
        def __init__(self) -> None:
            super().__init__()
            self.model = source.model

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            hidden = self.model(
                input_ids=input_ids, attention_mask=attention_mask
            ).last_hidden_state
            return pooled(hidden, attention_mask, source.pooling)

    # Two rows, one of them padded, so that the mask is not constant in the trace.
    ids = torch.full((2, 16), source.pad_id, dtype=torch.int64)
    ids[:, :12] = torch.arange(5, 17)
    mask = torch.ones_like(ids)
    mask[1, 12:] = 0
    free = {0: "batch", 1: "sequence"}
    try:
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of tracing; the parity check is the judge
            # The TorchScript exporter and not torch.export's: it takes 3 s and not 30, and keeps
            # the plain shape of the graph that ONNX Runtime's own fusions look for.
            torch.onnx.export(
                Graph().eval(),
                (ids, mask),
                str(path),
                input_names=list(INPUTS),
                output_names=[OUTPUT],
                dynamic_axes=dict.fromkeys(INPUTS, free) | {OUTPUT: {0: "batch"}},
                opset_version=OPSET,
                dynamo=False,
            )
    except Exception as error:  # the exporter lets through whatever the model's code raises
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BundleError(
            f"{source.name} ({source.architecture}) cannot be exported to ONNX: {reason}",
            "Choose an encoder of another architecture; BERT, RoBERTa, E5 and MiniLM work.",
        ) from None


def write_tokenizer(source: Source, path: Path) -> None:
    """Write tokenizer.json, with truncation to the model's length and without padding."""
    from tokenizers import Tokenizer

    # A copy: the fast tokenizer of transformers shares its state with the one it hands out.
    tokenizer = Tokenizer.from_str(source.tokenizer.backend_tokenizer.to_str())
    tokenizer.enable_truncation(source.max_tokens)
    tokenizer.no_padding()
    tokenizer.save(str(path))
