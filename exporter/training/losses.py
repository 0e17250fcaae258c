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
    """Of the positive within each query's group: -log softmax(scores)[0], the mean over queries.

    scores: (B, G). Gives a scalar.
    """
    target = torch.zeros(scores.shape[0], dtype=torch.long, device=scores.device)
    return F.cross_entropy(scores.float(), target)


def distillation(student: Tensor, reward: Tensor) -> Tensor:
    """KL(softmax(reward) ‖ softmax(student)) over each query's group, the mean over queries.

    student: (B, G), similarities divided by the temperature. reward: (B, G), the reward model's
    scores. Gives a scalar.
    """
    return F.kl_div(
        F.log_softmax(student.float(), dim=-1),
        F.log_softmax(reward.float(), dim=-1),
        reduction="batchmean",
        log_target=True,
    )


def contrastive(
    queries: Tensor, passages: Tensor, answers: Tensor, passage_answers: Tensor, temperature: float
) -> Tensor:
    """Cross-entropy of each query's positive against negatives of all four directions.

    For query i with positive p_i, in one softmax: all passages of the batch for q_i (q-p), the
    other queries for p_i (p-q), the other queries for q_i (q-q), the other positives for p_i
    (p-p). A negative with the same task and answer as the query is left out: it may serve as well.

    queries: (B, D), passages: (B·G, D) with the group of query i in rows i·G to (i+1)·G, both of
    unit length. answers: (B,), passage_answers: (B·G,), numbers that are equal for the same task
    and answer. Gives a scalar.
    """
    count = queries.shape[0]
    group = passages.shape[0] // count
    place = torch.arange(count, device=queries.device)
    positives = passages[place * group]
    alike_passages = answers[:, None] == passage_answers[None, :]
    alike_passages[place, place * group] = False  # the positive itself stays, whatever it says
    alike = answers[:, None] == answers[None, :]  # true on the diagonal: nobody is his own negative
    positive_answers = passage_answers[place * group]
    alike_positives = answers[:, None] == positive_answers[None, :]
    itself = torch.eye(count, dtype=torch.bool, device=queries.device)
    out = float("-inf")
    scores = torch.cat(
        [
            (queries @ passages.T).masked_fill(alike_passages, out),
            (positives @ queries.T).masked_fill(alike, out),
            (queries @ queries.T).masked_fill(alike, out),
            (positives @ positives.T).masked_fill(alike_positives | itself, out),
        ],
        dim=1,
    )
    return F.cross_entropy(scores.float() / temperature, place * group)
