"""The figures of an estimate, without what computes them: light to import."""

from __future__ import annotations

from dataclasses import dataclass

from ruie.db.jobs import NewInputError
from ruie.modes import Mode
from ruie.records import Task
from ruie.worker.prices import Price, cost_nusd


@dataclass(frozen=True, slots=True)
class TaskEstimate:
    """One task's calls that would be paid for, and the sum of their tokens."""

    task: Task
    calls: int
    paid_before: int
    """Further calls that cost nothing: their query was answered before."""
    prompt_tokens: int
    prompt_spread: int
    """Two standard errors of `prompt_tokens`: the sum is within them 19 times in 20."""
    completion_tokens: int
    most_completion_tokens: int
    """If every answer has `Estimate.max_tokens`."""
    sampled: int
    """Prompts that were built."""
    calls_from: str
    """How `calls` was determined, in words."""
    completion_from: str
    """How `completion_tokens` was determined, in words."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a job would cost. Tokens and calls are sums over the tasks."""

    model: str
    documents: int
    texts: int
    """Distinct texts: each is asked about once."""
    refused: int
    errors: tuple[NewInputError, ...]
    """The first refusals; `refused` counts all of them."""
    tasks: tuple[TaskEstimate, ...]
    seed: int
    """Of the sample."""
    max_tokens: int
    """The longest answer, tokens."""
    tokens_from: str
    """How prompt tokens were counted, in words."""
    price: Price | None
    """None where none is known."""
    mode: Mode = "standard"
    batch_requests: int = 10_000
    """The most requests of a batch at the provider."""
    batch_tokens: int = 0
    """The most input tokens in all batches there at a time; 0: as many as it takes."""

    @property
    def cost_usd(self) -> float | None:
        """US dollars; None where no price is known."""
        return self._cost(self.prompt_tokens, self.completion_tokens, self.tier)

    @property
    def most_usd(self) -> float | None:
        """Likewise, with the upper end of the prompt tokens and every answer at its longest. Calls
        that fail and are made again are not included. A call in the tier flex may be charged in
        full: the answer says so."""
        tokens = self.prompt_tokens + self.prompt_spread, self.most_completion_tokens
        tiers = ("", self.tier) if self.tier == "flex" else (self.tier,)
        costs = [self._cost(*tokens, tier) for tier in tiers]
        return max((cost for cost in costs if cost is not None), default=None)

    @property
    def tier(self) -> str:
        """The tier under which its prices are listed, or ""."""
        return "" if self.mode == "standard" else self.mode

    @property
    def batches(self) -> int | None:
        """In the mode batch, the least number of batches that its requests make; else None."""
        if self.mode != "batch":
            return None
        return sum(max(-(-calls // self.batch_requests), rounds) for calls, rounds in self._stages)

    @property
    def batch_days(self) -> int | None:
        """In the mode batch, days within which it is answered, if the provider answers each batch
        in one; else None. Arguments of events are asked for when the events are known, and what
        is above `batch_tokens` when there is room."""
        return sum(rounds for _, rounds in self._stages) if self.mode == "batch" else None

    @property
    def _stages(self) -> list[tuple[int, int]]:
        """Of what can be asked at once and then of what follows from it, where there is any: its
        requests, and how often its batches have to wait for room."""
        stages = []
        for follows in (False, True):
            tasks = [each for each in self.tasks if (each.task is Task.EAE) is follows]
            if calls := sum(each.calls for each in tasks):
                tokens = sum(each.prompt_tokens for each in tasks)
                rounds = -(-tokens // self.batch_tokens) if self.batch_tokens else 1
                stages.append((calls, max(1, rounds)))
        return stages

    def _cost(self, prompt_tokens: int, completion_tokens: int, tier: str) -> float | None:
        if self.price is None:
            return None
        return cost_nusd(self.price, prompt_tokens, completion_tokens, tier=tier) / 1e9

    @property
    def calls(self) -> int:
        return sum(task.calls for task in self.tasks)

    @property
    def paid_before(self) -> int:
        return sum(task.paid_before for task in self.tasks)

    @property
    def prompt_tokens(self) -> int:
        return sum(task.prompt_tokens for task in self.tasks)

    @property
    def completion_tokens(self) -> int:
        return sum(task.completion_tokens for task in self.tasks)

    @property
    def most_completion_tokens(self) -> int:
        return sum(task.most_completion_tokens for task in self.tasks)

    @property
    def prompt_spread(self) -> int:
        """The tasks share their texts, so their errors add up."""
        return sum(task.prompt_spread for task in self.tasks)
