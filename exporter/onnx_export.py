"""Export of a torch encoder to encoder.onnx: token ids and mask in, unit vectors out."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from ruie.errors import BundleError
from ruie.exporter.base_encoder import BaseEncoder, first_line, pooled

OPSET = 17
"""Since opset 17 LayerNormalization is one operator, which ONNX Runtime runs faster than nine small
ones. Nothing later is needed, and every ONNX Runtime since 1.13 reads it."""

INPUTS = ("input_ids", "attention_mask")
OUTPUT = "embedding"


def export(encoder: BaseEncoder, path: Path) -> None:
    """Write `encoder` to `path` in fp32, with pooling and normalisation in the graph.

    Inputs: input_ids and attention_mask, int64 (batch, sequence), both axes dynamic. Output:
    embedding, float32 (batch, dimension), unit length. Raises `BundleError` if its architecture
    cannot be exported.
    """
    import torch

    class Graph(torch.nn.Module):  # type: ignore[misc,unused-ignore]  # Any without torch
        def __init__(self) -> None:
            super().__init__()
            self.model = encoder.model

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            hidden = self.model(
                input_ids=input_ids, attention_mask=attention_mask
            ).last_hidden_state
            return pooled(hidden, attention_mask, encoder.pooling)

    # Two rows, one of them padded, so that the mask is not constant in the trace.
    ids = torch.full((2, 16), encoder.pad_id, dtype=torch.int64)
    ids[:, :12] = torch.arange(5, 17)
    mask = torch.ones_like(ids)
    mask[1, 12:] = 0
    dynamic = {0: "batch", 1: "sequence"}
    try:
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of tracing; the parity check finds real errors
            # The TorchScript exporter and not torch.export's: it takes 3 s instead of 30, and its
            # graph has the patterns that ONNX Runtime's fusions look for.
            torch.onnx.export(
                Graph().eval(),
                (ids, mask),
                str(path),
                input_names=list(INPUTS),
                output_names=[OUTPUT],
                dynamic_axes=dict.fromkeys(INPUTS, dynamic) | {OUTPUT: {0: "batch"}},
                opset_version=OPSET,
                dynamo=False,
            )
    except Exception as error:  # the exporter lets through whatever the model's code raises
        raise BundleError(
            f"{encoder.name} ({encoder.architecture}) cannot be exported to ONNX: "
            f"{first_line(error)}",
            "Choose an encoder of another architecture; BERT, RoBERTa, E5 and MiniLM work.",
        ) from None


def write_tokenizer(encoder: BaseEncoder, path: Path) -> None:
    """Write tokenizer.json, with truncation to the model's length and without padding."""
    from tokenizers import Tokenizer

    # A copy: `backend_tokenizer` shares its state with the tokenizer of transformers.
    tokenizer = Tokenizer.from_str(encoder.tokenizer.backend_tokenizer.to_str())
    tokenizer.enable_truncation(encoder.max_tokens)
    tokenizer.no_padding()
    tokenizer.save(str(path))
