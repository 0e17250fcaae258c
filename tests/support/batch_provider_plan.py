"""How the scripted batch provider behaves: its times, its limits and its faults; pure.

A fault that happens to a request over HTTP is named by what is asked and what becomes of it:
`"create lost"`, `"poll 500"`, `"content 403"`.

| what is asked | |
|---|---|
| upload, files, file, content, delete | a file: sent, listed, described, fetched, deleted |
| create, list, poll, cancel | a batch |
| results, remove | what a batch without files has done; the batch itself deleted |
| any | all of these |

| what becomes of it | |
|---|---|
| a status from 400 on | refused with it; nothing is done |
| cut | the connection is closed without a word; nothing is done |
| hang | never answered; nothing is done |
| slow | answered after `seconds` |
| lost | done, but the connection is closed instead of an answer |
| lost hang | done, but never answered |
| lost 500 (any status from 400 on) | done, but answered with that |
| late | the connection is closed at once, and it is done `seconds` later (not an upload) |
| half | done, and half of the answer arrives |

What else can happen to a batch, drawn when it is created:

| | |
|---|---|
| twice | one create makes two batches; the first is in the answer |
| token limit | fails in validation with token_limit_exceeded (not in Anthropic's form) |
| stuck | stays in progress until a plan without this fault, or cancelled |
| expire | expires when `part` of its requests is done, at the end of its time in progress |
| cancelled | the same, cancelled by the provider |
| unlisted | the list shows it only after `seconds`; who knows its id can ask |
| vanish | after `seconds` it is nowhere, and what it did, or will do, is billed |
| vanish free | after `seconds` it is nowhere, and does nothing more |
| shuffle | the lines of its files come in any order |

And to a line of the output, drawn for each: `drop` (answered and billed, but not in the file) and
`repeat` (in the file twice). Which requests fail or are cut off inside a batch is said, as in
ordinary mode, by `support.metering.Plan`: `faults`, of `kinds` "429 bare", "500", "503", "400",
"length"; the other kinds have no meaning in a batch, whose requests are then answered well.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

ASKED = (
    *("upload", "files", "file", "content", "delete"),
    *("create", "list", "poll", "cancel", "results", "remove"),
    "any",
)
OUTCOMES = ("cut", "hang", "slow", "lost", "lost hang", "late", "half")
LATE = ("create", "cancel", "delete", "remove")
"""What can be done after the connection is closed."""
OF_BATCHES = (
    *("twice", "token limit", "stuck", "expire", "cancelled", "unlisted"),
    *("vanish", "vanish free", "shuffle"),
)
OF_LINES = ("drop", "repeat")


@dataclass(frozen=True)
class Fault:
    """One kind of fault: the first `skip` occasions are spared, then a `share` of them has it, at
    most `most` in all (0: without end). seconds, part: see above."""

    kind: str
    share: float = 1.0
    most: int = 0
    skip: int = 0
    seconds: float = 0.0
    part: float = 0.5

    def __post_init__(self) -> None:
        asked, _, outcome = self.kind.partition(" ")
        status = outcome.removeprefix("lost ")
        http = asked in ASKED and (outcome in OUTCOMES or (status.isdigit() and int(status) >= 400))
        http = http and (outcome != "late" or asked in LATE)
        if not http and self.kind not in (*OF_BATCHES, *OF_LINES):
            raise ValueError(f"no such fault: {self.kind!r}")


@dataclass(frozen=True)
class BatchPlan:
    """Times in seconds. What a batch does in its time in progress is spread over it evenly.

    cancel_part: of the requests of a batch that is cancelled in progress so many are done, and
    billed, though it had done fewer. enqueued_tokens: of the prompts of one model's batches that
    have not ended (0: no limit). price: the share of the full price that is charged.
    """

    validating_s: float = 0.0
    in_progress_s: float = 0.0
    finalizing_s: float = 0.0
    cancelling_s: float = 0.0
    cancel_part: float = 0.5
    most_requests: int = 50_000
    most_inline: int = 5_000
    most_messages: int = 100_000
    most_bytes: int = 200_000_000
    enqueued_tokens: int = 0
    price: float = 0.5
    seed: int = 1
    faults: Sequence[Fault] = ()


def read_batch_plan(body: Mapping[str, Any]) -> BatchPlan:
    """A plan as `BatchProvider` sends it."""
    return BatchPlan(**{**body, "faults": [Fault(**fault) for fault in body["faults"]]})


@dataclass
class Draws:
    """Which occasions of a plan's faults have them: a function of the seed and their order."""

    plan: BatchPlan
    _seen: dict[int, int] = field(default_factory=dict)
    _hit: dict[int, int] = field(default_factory=dict)

    def hit(self, *kinds: str) -> Fault | None:
        """The first fault of one of these kinds that this occasion has."""
        for number, fault in enumerate(self.plan.faults):
            if fault.kind in kinds and self._falls(number, fault):
                return fault
        return None

    def shown(self) -> int:
        """How often the next line stands in its file."""
        return 0 if self.hit("drop") else 2 if self.hit("repeat") else 1

    def request(self, asked: str) -> Fault | None:
        """The fault of a request over HTTP."""
        for number, fault in enumerate(self.plan.faults):
            if fault.kind.partition(" ")[0] in (asked, "any") and self._falls(number, fault):
                return fault
        return None

    def _falls(self, number: int, fault: Fault) -> bool:
        seen = self._seen.get(number, 0)
        self._seen[number] = seen + 1
        hit = self._hit.get(number, 0)
        if seen < fault.skip or hit >= fault.most > 0:
            return False
        if random.Random(f"{self.plan.seed}:{number}:{seen}").random() >= fault.share:
            return False
        self._hit[number] = hit + 1
        return True
