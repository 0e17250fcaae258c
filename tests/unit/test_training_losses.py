"""The losses against naive loops over their formulas."""

from __future__ import annotations

import math

import pytest
import torch

from ruie.exporter.training.losses import contrastive, distillation, grouped_cross_entropy


def _softmax(values: list[float]) -> list[float]:
    total = sum(math.exp(v) for v in values)
    return [math.exp(v) / total for v in values]


@pytest.mark.parametrize("seed", range(4))
def test_grouped_cross_entropy(seed: int) -> None:
    scores = torch.randn((5, 8), generator=torch.Generator().manual_seed(seed))
    naive = [-math.log(_softmax(row)[0]) for row in scores.tolist()]
    assert float(grouped_cross_entropy(scores)) == pytest.approx(sum(naive) / 5, rel=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_distillation(seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    student, reward = torch.randn((2, 6, 4), generator=rng)
    naive = 0.0
    for s, r in zip(student.tolist(), reward.tolist(), strict=True):
        pairs = zip(_softmax(r), _softmax(s), strict=True)
        naive += sum(p * math.log(p / q) for p, q in pairs)
    assert float(distillation(student, reward)) == pytest.approx(naive / 6, rel=1e-4, abs=1e-6)
    assert float(distillation(reward, reward)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_contrastive(seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    count, group, temperature = 4, 3, 0.1
    queries = torch.nn.functional.normalize(torch.randn((count, 5), generator=rng), dim=-1)
    passages = torch.nn.functional.normalize(torch.randn((count * group, 5), generator=rng), dim=-1)
    answers = torch.randint(0, 3, (count,), generator=rng)
    passage_answers = torch.randint(0, 3, (count * group,), generator=rng)

    def similar(a: torch.Tensor, b: torch.Tensor) -> float:
        return math.exp(float(a @ b) / temperature)

    naive = 0.0
    for i in range(count):
        positive = passages[i * group]
        good = similar(queries[i], positive)
        total = good
        for j in range(count * group):  # q-p
            if j != i * group and passage_answers[j] != answers[i]:
                total += similar(queries[i], passages[j])
        for j in range(count):
            if j != i and answers[j] != answers[i]:
                total += similar(positive, queries[j])  # p-q
                total += similar(queries[i], queries[j])  # q-q
            if j != i and passage_answers[j * group] != answers[i]:
                total += similar(positive, passages[j * group])  # p-p
        naive -= math.log(good / total)
    loss = contrastive(queries, passages, answers, passage_answers, temperature)
    assert float(loss) == pytest.approx(naive / count, rel=1e-4)


def test_a_positive_with_the_query_s_own_answer_stays() -> None:
    vectors = torch.eye(2)
    same = torch.tensor([7, 7])
    loss = contrastive(vectors, vectors, same, same, 0.5)
    assert float(loss) == pytest.approx(0)  # nothing is left to be confused with
