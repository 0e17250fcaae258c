"""A training step in micro-batches: its memory is that of one of them, whatever its batch size.

The activations of a micro-batch are not kept for the backward pass, which computes them again, with
the same dropout. The gradients are those of the whole step, in-batch negatives included (the idea
of GradCache, arXiv 2101.06983), for a third more computation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint

from ruie.bundle.encoder import batches_by_length
from ruie.exporter.training import distributed
from ruie.exporter.training.config import TrainerConfig

CPU_TOKENS, GPU_TOKENS = 2048, 16384
"""Of a micro-batch by default. On a GPU the activations of all of them are then kept."""


def forward_in_micro_batches(
    forward: Callable[..., Any], inputs: dict[str, Any], config: TrainerConfig
) -> Any:
    """What `forward` returns for each text, in the order of the texts.

    inputs: tensors (texts, tokens), padded on the right, among them `attention_mask`. forward:
    called with some rows of them, cut to their longest text; returns a tensor with a row a text.
    """
    keep_all = config.micro_batch_tokens == 0 and distributed.device() != "cpu"
    budget = config.micro_batch_tokens or (GPU_TOKENS if keep_all else CPU_TOKENS)
    lengths = inputs["attention_mask"].sum(1).tolist()
    micro_batches = list(batches_by_length(lengths, budget))
    recompute = torch.is_grad_enabled() and not keep_all and len(micro_batches) > 1
    outputs, order = [], []
    for rows in micro_batches:
        few = {name: each[rows, : lengths[rows[0]]] for name, each in inputs.items()}
        order += rows
        outputs.append(
            checkpoint(forward, **few, use_reentrant=False) if recompute else forward(**few)
        )
    return torch.cat(outputs)[torch.tensor(order, device=outputs[0].device).argsort()]
