"""What several prompts begin with is read once: the keys and values of their common tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import Any

from ruie.bundle.encoder import batches_by_length

WORTH = 16
"""Tokens from which on a common beginning is kept."""

Tokens = tuple[int, ...]
Kept = list[tuple[Any, Any]]
"""Keys and values of each layer: (1, heads, tokens, size of a head)."""


@dataclass(frozen=True)
class Group:
    """Prompts, by their places in the batch, that share their first `length` tokens."""

    members: tuple[int, ...]
    length: int


def groups(prompts: Sequence[Tokens]) -> tuple[int, list[Group]]:
    """How many tokens all prompts begin with, and the prompts in groups that share more.

    Prompts with one demonstration share it and the instruction before it. A prompt's last token is
    never shared, so that there is always one to read.
    """
    order = sorted(range(len(prompts)), key=lambda i: prompts[i])
    common = [_common(prompts[i], prompts[j]) for i, j in pairwise(order)]
    head = min(common, default=0)
    head = head if head >= WORTH else 0
    found: list[Group] = []
    start = 0
    for end in range(1, len(order) + 1):
        if end < len(order) and common[end - 1] >= head + WORTH:
            continue
        inner = common[start : end - 1]
        found.append(Group(tuple(order[start:end]), min(inner, default=head)))
        start = end
    return head, found


def _common(one: Tokens, other: Tokens) -> int:
    pairs = zip(one[:-1], other[:-1], strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def shareable(model: Any, longest: int) -> bool:
    """Whether keys and values may be kept apart: not in recurrent models, and where attention
    slides only while the window holds all of a prompt of `longest` tokens."""
    config = model.config.get_text_config(decoder=True)
    kinds = set(getattr(config, "layer_types", None) or ())
    window = getattr(config, "sliding_window", None)
    attention = kinds <= {"full_attention", "sliding_attention"}
    return attention and not model._is_stateful and (not window or longest <= window)


def read(model: Any, beginnings: Sequence[Tokens], head: int, budget: int) -> list[Kept]:
    """What is kept of each beginning; all share their first `head` tokens. At most `budget` tokens
    are read at once."""
    first: Kept = []
    if head:
        _, first = forward(model, [beginnings[0][:head]], [[]], 1, keep=True)
    kept = [first for _ in beginnings]
    longer = [i for i, each in enumerate(beginnings) if len(each) > head]
    for few in batches_by_length([len(beginnings[i]) - head for i in longer], budget):
        some = [longer[place] for place in few]
        rows = [beginnings[i][head:] for i in some]
        _, found = forward(model, rows, [first] * len(some), 1, keep=True)
        for place, i in enumerate(some):
            # in front those that all have, at the end its own; between them padding
            own = slice(-len(rows[place]), None)
            kept[i] = [
                (_joined(k[place], head, own), _joined(v[place], head, own)) for k, v in found
            ]
    return kept


def _joined(values: Any, head: int, own: slice) -> Any:
    import torch

    return torch.cat([values[:, :head], values[:, own]], dim=1).unsqueeze(0)


def forward(
    model: Any, rows: Sequence[Tokens], kept: Sequence[Kept], logits: int, *, keep: bool = False
) -> tuple[Any, Kept]:
    """Read rows after what is kept of each (`[]`: nothing). Gives the logits of the last `logits`
    tokens, (rows, logits, vocabulary), and with `keep` the keys and values of everything.

    Both parts are padded on the left: all rows then end together.
    """
    import torch
    from transformers import DynamicCache

    width = max(map(len, rows))
    lengths = [each[0][0].shape[2] if each else 0 for each in kept]
    before = max(lengths)
    ids = torch.zeros((len(rows), width), dtype=torch.long)
    mask = torch.zeros((len(rows), before + width), dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, width - len(row) :] = torch.tensor(row)
        mask[i, before - lengths[i] : before] = 1
        mask[i, before + width - len(row) :] = 1
    places = (mask.cumsum(-1) - 1).clamp(min=0)[:, before:]
    past: Any = None
    if before or keep:
        past = DynamicCache(_padded(kept, before)) if before else DynamicCache()
    said = model(
        input_ids=ids.to(model.device),
        attention_mask=mask.to(model.device),
        position_ids=places.to(model.device),
        past_key_values=past,
        use_cache=past is not None,
        logits_to_keep=logits,
    )
    return said.logits, [(layer.keys, layer.values) for layer in past.layers] if keep else []


def _padded(kept: Sequence[Kept], width: int) -> Kept:
    """What is kept of all rows, layer by layer, each row's at the end of `width` tokens."""
    found: Kept = []
    for layer, shape_of in enumerate(next(each for each in kept if each)):
        pair = []
        for side, like in enumerate(shape_of):
            together = like.new_zeros((len(kept), like.shape[1], width, like.shape[3]))
            for row, each in enumerate(kept):
                if each:
                    own = each[layer][side]
                    together[row, :, width - own.shape[2] :] = own[0]
            pair.append(together)
        found.append((pair[0], pair[1]))
    return found
