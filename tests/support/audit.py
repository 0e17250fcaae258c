"""The audit after a job: the database against the endpoint's log.

All checks are made, and every failure is reported, with its numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Engine, text
from support.corpus import POISON, Record, expected
from support.metered import Entry
from support.metering import Quota

_ITEMS = """SELECT o.external_id, w.task, w.state FROM work_items w
JOIN chunks c ON c.id = w.chunk_id
JOIN origins o ON o.document_id = c.document_id AND o.job_id = w.job_id
WHERE w.job_id = :job"""
_RESULTS = """SELECT x.chunk_id, x.task, x.event_id, COUNT(*) FROM extractions x
WHERE x.job_id = :job GROUP BY x.chunk_id, x.task, x.event_id HAVING COUNT(*) > 1"""
_RECORDS = (
    "SELECT 'NER', external_id, type, text FROM entity_mentions WHERE job_id = :job",
    "SELECT 'RE', external_id, type, head_text, tail_text FROM relation_mentions"
    " WHERE job_id = :job",
    "SELECT DISTINCT 'ED', external_id, type, trigger_text, event_id FROM event_mentions"
    " WHERE job_id = :job",
    "SELECT 'EAE', external_id, role, argument_text FROM event_mentions"
    " WHERE job_id = :job AND role IS NOT NULL",
)


@dataclass
class Audit:
    """One job and everything that is known about it. log: every request since the endpoint started.

    lost_calls: how many calls may have been paid for twice, because they were in flight when a
    worker was killed. may_fail: faults for which an item may be given up. tasks: those of the
    job's schema; EAE is of the events that were found.
    """

    engine: Engine
    job_id: str
    corpus: Sequence[Mapping[str, str]]
    log: Sequence[Entry]
    quota: Quota
    lost_calls: int = 0
    cap_nusd: int | None = None
    may_fail: Sequence[str] = ("length", "poison")
    tasks: Sequence[str] = ("NER", "RE", "ED", "EAE")
    faults: list[str] = field(default_factory=list)

    @property
    def mine(self) -> list[Entry]:
        """The requests about this job's documents."""
        people = {row["text"].split()[0] for row in self.corpus}
        return [entry for entry in self.log if entry.person in people]

    def check(self) -> None:
        """Raises AssertionError with everything that is wrong."""
        mine = self.mine
        given_up = self._items(mine)
        self._records(given_up)
        self._paid(mine)
        self._windows()
        if self.faults:
            raise AssertionError("\n".join([f"job {self.job_id}:", *self.faults]))

    def _rows(self, sql: str) -> list[tuple[str, ...]]:
        with self.engine.connect() as conn:
            return [tuple(row) for row in conn.execute(text(sql), {"job": self.job_id})]

    def _fault(self, wrong: bool, words: str) -> None:
        if wrong:
            self.faults.append(f"- {words}")

    def _items(self, mine: Sequence[Entry]) -> set[tuple[str, str]]:
        """Each document and task once, in a final state; returns those that were given up."""
        state = self._rows("SELECT state FROM jobs WHERE id = :job")[0][0]
        self._fault(state != "done", f"the job is {state}, not done")
        items = self._rows(_ITEMS)
        states = Counter(row[2] for row in items)
        still_open = sum(states.values()) - states["done"] - states["quarantined"]
        self._fault(still_open > 0, f"{still_open} items are in no final state: {dict(states)}")
        times = Counter(row[:2] for row in items)
        twice = {key: count for key, count in times.items() if count > 1}
        self._fault(bool(twice), f"{len(twice)} tasks are there twice: {list(twice)[:5]}")
        given_up = {(name, task) for name, task, state in items if state == "quarantined"}
        eventless = {(name, "EAE") for name, task in given_up if task == "ED"}
        wanted = {(row["id"], task) for row in self.corpus for task in self.tasks} - eventless
        missing, more = wanted - set(times), set(times) - wanted
        self._fault(bool(missing), f"{len(missing)} tasks are missing: {sorted(missing)[:5]}")
        self._fault(bool(more), f"{len(more)} tasks too many: {sorted(more)[:5]}")
        names = {row["text"].split()[0]: row["id"] for row in self.corpus}
        scripted = {(names[e.person], e.task) for e in mine if e.fault in self.may_fail}
        innocent = given_up - scripted
        reasons = self._rows(
            "SELECT error_class, COUNT(*) FROM quarantine WHERE job_id = :job GROUP BY error_class"
        )
        self._fault(
            bool(innocent),
            f"{len(innocent)} items were given up without cause: {sorted(innocent)[:5]}, {reasons}",
        )
        poisoned = {names[name] for name in names if name.startswith(POISON)}
        alive = {(doc, task) for doc in poisoned for task in ("NER", "RE", "ED")} - given_up
        self._fault(bool(alive), f"poisoned items were not given up: {sorted(alive)}")
        return given_up

    def _records(self, given_up: set[tuple[str, str]]) -> None:
        """None twice, none missing, no others."""
        twice = self._rows(_RESULTS)
        self._fault(bool(twice), f"{len(twice)} results are there twice: {twice[:5]}")
        found: Counter[Record] = Counter()
        for sql in _RECORDS:
            found.update(row[:4] if row[0] == "ED" else row for row in self._rows(sql))
        lost = given_up | {(name, "EAE") for name, task in given_up if task == "ED"}
        wanted = Counter(
            {
                record: count
                for record, count in expected(self.corpus).items()
                if record[0] in self.tasks and (record[1], record[0]) not in lost
            }
        )
        for words, which in (("missing", wanted - found), ("too many", found - wanted)):
            self._fault(
                bool(which), f"{which.total()} records {words}: {list(which.elements())[:5]}"
            )

    def _paid(self, mine: Sequence[Entry]) -> None:
        again = paid_twice(mine)
        self._fault(
            again > self.lost_calls,
            f"{again} calls were paid for twice, more than {self.lost_calls}",
        )
        bill = sum(entry.nusd for entry in mine)
        if self.cap_nusd is not None:
            self._fault(
                bill > self.cap_nusd,
                f"the bill is {bill / 1e9:.6f} USD, the cap {self.cap_nusd / 1e9:.6f}",
            )

    def _windows(self) -> None:
        refused = Counter(entry.refused for entry in self.log if entry.refused)
        self._fault(bool(refused), f"the endpoint refused {refused.total()} calls: {dict(refused)}")
        for name, width, limit, most in self.windows():
            self._fault(
                0 < limit < most, f"{most} {name} in a window of {width:g} s; the limit is {limit}"
            )

    def windows(self) -> list[tuple[str, float, int, int]]:
        """What is limited, the window's seconds, the limit, and the most that any window held."""
        quota = self.quota
        limits: list[tuple[str, float, int, Callable[[Entry], int]]] = [
            ("requests", 60.0, quota.requests, lambda e: 1),
            ("requests", 1.0, quota.requests_per_second, lambda e: 1),
            ("tokens", 60.0, quota.tokens, lambda e: e.prompt_tokens + e.completion_tokens),
            ("input tokens", 60.0, quota.input_tokens, lambda e: e.prompt_tokens),
            ("output tokens", 60.0, quota.output_tokens, lambda e: e.completion_tokens),
        ]
        return [
            (name, width, limit, fullest([(e.at, of(e)) for e in self.log if e.counted], width))
            for name, width, limit, of in limits
        ]

    def fullest_share(self) -> float:
        """The most that any window of a minute held, as a share of its limit."""
        minutes = [(limit, most) for _, width, limit, most in self.windows() if width == 60]
        return max((most / limit for limit, most in minutes if limit), default=0.0)


def paid_twice(entries: Sequence[Entry]) -> int:
    """Calls that were answered well though their prompt had been answered well before."""
    good = Counter(entry.prompt for entry in entries if entry.good)
    return sum(count - 1 for count in good.values())


def fullest(counted: Sequence[tuple[float, int]], width: float) -> int:
    """The most that any window of `width` seconds holds."""
    most = held = first = 0
    for at, amount in counted:
        held += amount
        while counted[first][0] <= at - width:
            held -= counted[first][1]
            first += 1
        most = max(most, held)
    return most
