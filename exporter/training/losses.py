"""The losses of RUIE's two trainings (arXiv 2409.11673, section 3).

B queries, each with a group of G passages, the first of which is the positive; D dimensions.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F

Tensor = Any
"""torch.Tensor: torch's own annotations do not pass strict checking everywhere."""


def grouped_cross_entropy(scores: Tensor) -> Tensor:
    """Cross-entropy of the positive in each group: -log softmax(scores)[0], a scalar, the mean over
    queries. scores: float (B, G)."""
    target = torch.zeros(scores.shape[0], dtype=torch.long, device=scores.device)
    return F.cross_entropy(scores.float(), target)


def distillation(student: Tensor, reward: Tensor) -> Tensor:
    """KL(softmax(reward) ‖ softmax(student)) over each group, a scalar, the mean over queries.

    student: float (B, G), similarities divided by the temperature. reward: float (B, G), the
    teacher's scores.
    """
    return F.kl_div(
        F.log_softmax(student.float(), dim=-1),
        F.log_softmax(reward.float(), dim=-1),
        reduction="batchmean",
        log_target=True,
    )


def contrastive(
    queries: Tensor,
    passages: Tensor,
    answer_ids: Tensor,
    passage_answer_ids: Tensor,
    temperature: float,
) -> Tensor:
    """Cross-entropy of each query's positive against negatives of four kinds; a scalar.

    For query i with positive p_i, in one softmax: all passages of the batch for q_i (q-p), the
    other queries for p_i (p-q), the other queries for q_i (q-q), the other positives for p_i
    (p-p). A negative with the query's task and answer is left out: it may serve as well.

    queries: float (B, D); passages: float (B·G, D), the group of query i in rows i·G to (i+1)·G;
    both of unit length. answer_ids: int64 (B,), passage_answer_ids: int64 (B·G,), equal for the
    same task and answer.
    """
    count = queries.shape[0]
    group = passages.shape[0] // count
    query = torch.arange(count, device=queries.device)
    positive = query * group
    positives = passages[positive]
    same_as_passage = answer_ids[:, None] == passage_answer_ids[None, :]
    same_as_passage[query, positive] = False  # the positive itself stays, whatever its answer
    same_as_query = answer_ids[:, None] == answer_ids[None, :]  # on the diagonal too
    same_as_positive = answer_ids[:, None] == passage_answer_ids[positive][None, :]
    itself = torch.eye(count, dtype=torch.bool, device=queries.device)
    masked = float("-inf")
    scores = torch.cat(
        [
            (queries @ passages.T).masked_fill(same_as_passage, masked),
            (positives @ queries.T).masked_fill(same_as_query, masked),
            (queries @ queries.T).masked_fill(same_as_query, masked),
            (positives @ positives.T).masked_fill(same_as_positive | itself, masked),
        ],
        dim=1,
    )
    return F.cross_entropy(scores.float() / temperature, positive)
