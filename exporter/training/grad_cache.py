"""A training step reads its texts in parts, so that its memory is that of one part.

What the backward pass needs of a part is not held: it is computed again when that pass comes to it,
dropout as the first time. The gradients are those of the whole step, in-batch negatives included
(the idea of GradCache, arXiv 2101.06983), for a third more of computing.
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
"""Of a part, where the configuration says nothing. On a GPU everything is held then."""


def read_in_parts(read: Callable[..., Any], feed: dict[str, Any], config: TrainerConfig) -> Any:
    """What `read` gives of each text, in the texts' order.

    feed: tensors, (texts, tokens), padded on the right. read: called with tensors of the same names
    for some of the texts; gives a tensor whose rows are those texts.
    """
    held = config.part_tokens == 0 and distributed.device() != "cpu"
    budget = config.part_tokens or (GPU_TOKENS if held else CPU_TOKENS)
    lengths = feed["attention_mask"].sum(1).tolist()
    parts = list(batches_by_length(lengths, budget))
    again = torch.is_grad_enabled() and not held and len(parts) > 1
    found, order = [], []
    for rows in parts:
        few = {name: each[rows, : lengths[rows[0]]] for name, each in feed.items()}
        order += rows
        found.append(checkpoint(read, **few, use_reentrant=False) if again else read(**few))
    return torch.cat(found)[torch.tensor(order, device=found[0].device).argsort()]
