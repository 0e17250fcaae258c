"""What a soak has to do: how much, how long, with which faults, by which settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from support.corpus import SCHEMA
from support.metering import FAULTS, Plan, Quota

from ruie.schema import Schema

NAMES = Schema("names", entities=SCHEMA.entities)
CALLS = 1.84
"""For each document, on average: one, of a quarter of them four, and those that fail."""
SLOWING = tuple(kind for kind in FAULTS if kind.startswith("429") or kind == "503")
KINDS = (*SLOWING, *(45 * [kind for kind in FAULTS if kind not in SLOWING]))
"""Of the faults one in ninety is of the kinds that pause the whole fleet: with more it would do
nothing but wait."""
IN_FLIGHT, PROCESSES = 6, 2
AT_RISK = 2 * 2 * IN_FLIGHT * PROCESSES
"""Calls of a worker: of two classes of jobs, and as many that wait to be saved."""


class Scheduled(NamedTuple):
    """A schedule. series: of its documents; overlap: what it does with a run that is due while the
    job of the last one runs."""

    series: int
    schema: Schema
    overlap: Literal["refuse", "queue"]


SCHEDULES = {"whole": Scheduled(2, SCHEMA, "refuse"), "names": Scheduled(3, NAMES, "queue")}


@dataclass(frozen=True)
class Sizes:
    """How much, and how long. quarter_s: in so many seconds each part is restarted once. tail_s:
    before the end nothing new comes any more, and nothing is restarted. spare: the limit of
    requests, by what is needed on average."""

    minutes: float = 120.0
    documents: int = 100_000
    quarter_s: float = 900.0
    sample_s: float = 10.0
    tail_s: float = 480.0
    batch: bool = False
    spare: float = 1.1

    @property
    def feeding_s(self) -> float:
        return 60 * self.minutes - self.tail_s

    @property
    def a_file(self) -> int:
        """Documents in one file of one schedule: there is one each minute."""
        return max(1, round(self.documents / 2 / len(SCHEDULES) / max(1, self.feeding_s / 60)))

    @property
    def quota(self) -> Quota:
        a_minute = round(self.spare * CALLS * self.documents / (self.feeding_s / 60))
        return Quota(requests=0 if self.batch else a_minute)


def plan(sizes: Sizes) -> Plan:
    return Plan(
        quota=sizes.quota, delay_s=(0.3, 0.7), faults=0.05, kinds=KINDS, input_nusd=1000,
        output_nusd=4000,
    )  # fmt: skip  # the endpoint's plan


def settings(sizes: Sizes) -> dict[str, object]:
    return {
        "lease_s": 30.0,
        "dispatch_s": 30.0,
        "batch_size": 32,
        "window": 512,
        "concurrency": PROCESSES,
        "demonstrations": 2,
        "llm_model": "scripted",
        "llm_max_tokens": 48,
        "llm_max_in_flight": IN_FLIGHT,
        "llm_timeout_s": 6.0,
        "max_attempts": 8,
        "llm_requests_per_minute": sizes.quota.requests,
        "llm_prices": {"scripted": {"input": 1.0, "output": 4.0, "batch": [0.5, 2.0]}},
        "llm_batch_wait_s": 5.0,
        "llm_batch_requests": 400,
        "llm_batch_poll_s": 1.0,
        "llm_batch_settle_s": 10.0,
    }
