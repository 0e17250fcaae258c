"""Prompts that begin alike: the keys and values of their common prefix are computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import Any

from ruie.bundle.encoder import batches_by_length

MIN_SHARED = 16
"""Tokens; shorter prefixes are not worth sharing."""

Tokens = tuple[int, ...]
KVCache = list[tuple[Any, Any]]
"""Keys and values of each layer: tensors (1, heads, tokens, head size). Empty: of no tokens."""


@dataclass(frozen=True)
class PrefixGroup:
    """Prompts, by their positions in the batch, that share their first `length` tokens."""

    members: tuple[int, ...]
    length: int


def group_by_prefix(prompts: Sequence[Tokens]) -> tuple[int, list[PrefixGroup]]:
    """How many first tokens all prompts share, and groups of prompts that share more.

    Prompts with the same demonstration share it and the instruction before it. A prompt's last
    token is never shared, so that each has at least one left for the model.
    """
    order = sorted(range(len(prompts)), key=lambda i: prompts[i])
    common = [_common_length(prompts[i], prompts[j]) for i, j in pairwise(order)]
    head = min(common, default=0)
    head = head if head >= MIN_SHARED else 0
    groups: list[PrefixGroup] = []
    start = 0
    for end in range(1, len(order) + 1):
        if end < len(order) and common[end - 1] >= head + MIN_SHARED:
            continue
        inner = common[start : end - 1]
        groups.append(PrefixGroup(tuple(order[start:end]), min(inner, default=head)))
        start = end
    return head, groups


def _common_length(one: Tokens, other: Tokens) -> int:
    pairs = zip(one[:-1], other[:-1], strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def supports_shared_prefixes(model: Any, longest: int) -> bool:
    """Whether a prefix' keys and values can be reused for prompts of at most `longest` tokens.

    Not in recurrent models; with sliding attention only if the window covers the whole prompt.
    """
    config = model.config.get_text_config(decoder=True)
    kinds = set(getattr(config, "layer_types", None) or ())
    window = getattr(config, "sliding_window", None)
    attention = kinds <= {"full_attention", "sliding_attention"}
    return attention and not model._is_stateful and (not window or longest <= window)


def prefill(model: Any, prefixes: Sequence[Tokens], head: int, budget: int) -> list[KVCache]:
    """The keys and values of each prefix; all prefixes share their first `head` tokens.

    budget: tokens of a forward pass, padding included.
    """
    shared: KVCache = []
    if head:
        _, shared = forward(model, [prefixes[0][:head]], [[]], 1, return_cache=True)
    caches = [shared for _ in prefixes]
    longer = [i for i, each in enumerate(prefixes) if len(each) > head]
    for batch in batches_by_length([len(prefixes[i]) - head for i in longer], budget):
        some = [longer[position] for position in batch]
        rows = [prefixes[i][head:] for i in some]
        _, batch_cache = forward(model, rows, [shared] * len(some), 1, return_cache=True)
        for position, i in enumerate(some):
            own = slice(-len(rows[position]), None)
            caches[i] = [
                (_without_padding(k[position], head, own), _without_padding(v[position], head, own))
                for k, v in batch_cache
            ]
    return caches


def _without_padding(values: Any, head: int, own: slice) -> Any:
    """One row, (1, heads, tokens, head size), of a batch' (heads, padded tokens, head size): the
    shared tokens are at its start, the row's own at its end."""
    import torch

    return torch.cat([values[:, :head], values[:, own]], dim=1).unsqueeze(0)


def forward(
    model: Any,
    rows: Sequence[Tokens],
    caches: Sequence[KVCache],
    logits: int,
    *,
    return_cache: bool = False,
) -> tuple[Any, KVCache]:
    """One forward pass over `rows`, each after the tokens in its cache.

    Returns the logits of the last `logits` tokens, (rows, logits, vocabulary), and with
    `return_cache` the keys and values of all rows, (rows, heads, tokens, head size); else [].
    Caches and rows are both padded on the left, so that all rows end together.
    """
    import torch
    from transformers import DynamicCache

    width = max(map(len, rows))
    lengths = [each[0][0].shape[2] if each else 0 for each in caches]
    before = max(lengths)
    ids = torch.zeros((len(rows), width), dtype=torch.long)
    mask = torch.zeros((len(rows), before + width), dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, width - len(row) :] = torch.tensor(row)
        mask[i, before - lengths[i] : before] = 1
        mask[i, before + width - len(row) :] = 1
    positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, before:]
    past: Any = None
    if before or return_cache:
        past = DynamicCache(_stacked(caches, before)) if before else DynamicCache()
    output = model(
        input_ids=ids.to(model.device),
        attention_mask=mask.to(model.device),
        position_ids=positions.to(model.device),
        past_key_values=past,
        use_cache=past is not None,
        logits_to_keep=logits,
    )
    cache = [(layer.keys, layer.values) for layer in past.layers] if return_cache else []
    return output.logits, cache


def _stacked(caches: Sequence[KVCache], width: int) -> KVCache:
    """The caches of all rows as one, each padded on the left to `width` tokens."""
    stacked: KVCache = []
    for layer, shapes in enumerate(next(each for each in caches if each)):
        pair = []
        for side, like in enumerate(shapes):
            together = like.new_zeros((len(caches), like.shape[1], width, like.shape[3]))
            for row, cache in enumerate(caches):
                if cache:
                    own = cache[layer][side]
                    together[row, :, width - own.shape[2] :] = own[0]
            pair.append(together)
        stacked.append((pair[0], pair[1]))
    return stacked
