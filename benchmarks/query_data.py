"""A database as years of news and several jobs leave it, of any size, the same on both databases.

Names are Zipf-distributed (a name's frequency is one over its rank); a share of the documents has
nothing; one job asks a second model about some of the first one's documents, another reuses
results; two documents in a thousand are reviewed. Every document is one chunk.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from ruie.names import name_key

BATCH = 10_000
"""Documents that are made at a time."""

KNOWN = {
    1: "Brent",
    100: "OPEC",
    130: "Crude Oil",
    150: "Saudi Arabia",
    170: "crude exports",
    190: "crude tax",
}
"""The names that the page's questions ask about, and their ranks."""

ENTITY_TYPES = ("COMMODITY", "ORGANISATION", "COUNTRY", "PERSON", "PLACE")
RELATION_TYPES = ("member_of", "exports", *(f"relation_{i}" for i in range(8)))
EVENT_TYPES = ("Movement", "Cut", *(f"Event_{i}" for i in range(8)))
ROLES = ("Item", "Difference", "Who", "What")
SYLLABLES = ("ba", "cor", "den", "fi", "gal", "hon", "jur", "ka", "lem", "mon", "nor", "par", "rus",
             "sel", "tan", "vor", "wel", "zin")  # fmt: skip  # a list
JOBS = {"oil": "small", "metals": "small", "archive": "small", "oil large": "large",
        "oil again": "small"}  # fmt: skip  # a list
TASKS = ("NER", "RE", "ED")
DIGEST = "d" * 64
DAYS = 60
"""Days over which the calls were made; the last of them is the 30th of November 2026."""

Rows = dict[str, list[tuple[Any, ...]]]


def spellings(count: int) -> list[str]:
    """Different names by rank, from 1."""
    made = [""]
    for rank in range(1, count + 1):
        number, parts = rank + 400, []
        while number:
            number, digit = divmod(number, len(SYLLABLES))
            parts.append(SYLLABLES[digit])
        made.append(KNOWN.get(rank, f"{''.join(parts).title()} {'Group' if rank % 3 else 'Oil'}"))
    return made


class Maker:
    """Makes the rows of one batch after another; ids count through."""

    def __init__(self, documents: int, seed: int = 7) -> None:
        self.random = random.Random(seed)
        self.documents = documents
        self.names = spellings(max(1000, documents // 5))
        self.ids: defaultdict[str, int] = defaultdict(int)
        self.end = datetime(2026, 11, 30, tzinfo=UTC)

    def batches(self) -> Iterator[Rows]:
        """The rows of each table, some documents at a time; jobs and schemas first."""
        body = json.dumps({"name": "oil-news", "entities": dict.fromkeys(ENTITY_TYPES, "")})
        now = self._time(0)
        yield {
            "schemas": [(DIGEST, "oil-news", body, now)],
            "jobs": [
                (f"job_{name.replace(' ', '_')}", name, "done", DIGEST, model, "http://llm/v1",
                 DIGEST, "1", "{}", 0, 0, now, now, now)
                for name, model in JOBS.items()
            ],
            "canonical": [(name_key(n), n, n, 0) for n in self.names[1:]],
        }  # fmt: skip  # a table a line
        for first in range(1, self.documents + 1, BATCH):
            rows: Rows = defaultdict(list)
            for number in range(first, min(first + BATCH, self.documents + 1)):
                self._document(rows, number)
            yield rows

    def _next(self, table: str) -> int:
        self.ids[table] += 1
        return self.ids[table]

    def _time(self, number: int) -> str:
        """When a document was asked about: in order, over all the days."""
        part = number / self.documents if number else 0
        return f"{self.end - timedelta(days=DAYS * (1 - part)):%Y-%m-%d %H:%M:%S.%f}"

    def _document(self, rows: Rows, number: int) -> None:
        text = f"Document {number}. " + "Crude oil fell as exporters met to talk about output. " * 5
        digest = f"{number:064x}"
        now = self._time(number)
        rows["documents"].append((number, digest, text, len(text), now))
        rows["chunks"].append((number, number, 0, 0, len(text), digest))
        day = datetime(2015, 1, 1, tzinfo=UTC) + timedelta(days=self.random.randrange(4300))
        outlet = f"outlet-{self.random.randrange(40)}"
        told = json.dumps({"date": f"{day:%Y-%m-%d}", "outlet": outlet})
        kind = number % 10
        jobs = ["oil" if kind < 6 else "metals" if kind < 9 else "archive"]
        jobs += ["oil large"] if kind == 0 else ["oil again"] if kind == 1 else []
        for name in jobs:
            job = f"job_{name.replace(' ', '_')}"
            origin = self._next("origins")
            rows["origins"].append(
                (origin, job, number, f"news-{number}", "news.jsonl", number, told)
            )
        paid = self._ask(rows, jobs[0], number, now)
        if kind == 0:
            self._ask(rows, "oil large", number, now)
        elif kind == 1:
            for task, event, extraction in paid:
                self._item(rows, "oil again", number, task, event, extraction, now)

    def _item(
        self, rows: Rows, job: str, chunk: int, task: str, event: int | None,
        extraction: int | None, now: str,
    ) -> int:  # fmt: skip  # one value a column
        item = self._next("work_items")
        state = "done" if extraction else "quarantined"
        rows["work_items"].append(
            (item, f"job_{job.replace(' ', '_')}", chunk, task, event, state, 1, 0, 1, extraction,
             now)
        )  # fmt: skip
        return item

    def _extraction(
        self, rows: Rows, job: str, chunk: int, task: str, event: int | None, now: str
    ) -> int:
        number = self._next("extractions")
        shown = json.dumps([f"demo-{self.random.randrange(11_000)}" for _ in range(8)])
        model = JOBS[job]
        cost = 0.0001 if model == "small" else 0.002
        rows["extractions"].append(
            (number, f"job_{job.replace(' ', '_')}", chunk, task, event, f"{number:064x}", model,
             "http://llm/v1", "1", DIGEST, DIGEST, shown, 900, 60, cost, 0.7,
             "COMMODITY: crude oil", "[]", now)
        )  # fmt: skip
        self._item(rows, job, chunk, task, event, number, now)
        return number

    def _count(self, mean: float) -> int:
        """About Poisson-distributed."""
        return sum(self.random.random() < mean / 10 for _ in range(10))

    def _name(self) -> tuple[int, str, str]:
        """A rank, a spelling and its key."""
        rank = int(len(self.names) ** self.random.random())
        name = self.names[rank]
        return rank, name if self.random.random() < 0.8 else name.upper(), name_key(name)

    def _ask(
        self, rows: Rows, job: str, number: int, now: str
    ) -> list[tuple[str, int | None, int]]:
        """All calls about a document: what was asked, and the extraction."""
        if self.random.random() < 0.001:
            item = self._item(rows, job, number, "NER", None, None, now)
            rows["quarantine"].append(
                (self._next("quarantine"), item, f"job_{job.replace(' ', '_')}", number, "NER",
                 "ParsingError", "The answer is not JSON.", 3, now)
            )  # fmt: skip
            return []
        paid: list[tuple[str, int | None, int]] = []
        for task in TASKS:
            paid.append((task, None, self._extraction(rows, job, number, task, None, now)))
        ner, re, ed = (extraction for _, _, extraction in paid)
        if self.random.random() < 0.05:  # nothing in it
            return paid
        body: dict[str, Any] = {"entities": [], "relations": [], "events": []}
        for place in range(self._count(4.8)):
            rank, name, key = self._name()
            kind, at = ENTITY_TYPES[rank % 5], place * 30
            rows["entities"].append(
                (self._next("entities"), ner, number, kind, name, key, at, at + len(name), "exact",
                 0)
            )  # fmt: skip
            body["entities"].append(_span(kind, name, at))
        for place in range(self._count(2)):
            kind = self.random.choice(RELATION_TYPES)
            (_, head, head_key), (_, tail, tail_key) = self._name(), self._name()
            at, then = place * 60, place * 60 + 30
            rows["relations"].append(
                (self._next("relations"), re, number, kind, head, head_key, at, at + len(head),
                 "exact", tail, tail_key, then, then + len(tail), "exact", 0)
            )  # fmt: skip
            body["relations"].append(
                {"type": kind, "head": _span("", head, at), "tail": _span("", tail, then)}
            )
        for place in range(self._count(1)):
            kind, at, event = self.random.choice(EVENT_TYPES), place * 30, self._next("events")
            rows["events"].append((event, ed, number, kind, "fell", at, at + 4, "exact", 0))
            eae = self._extraction(rows, job, number, "EAE", event, now)
            paid.append(("EAE", event, eae))
            said = []
            for role in ROLES[: self._count(1.5)]:
                _, name, key = self._name()
                rows["event_arguments"].append(
                    (self._next("event_arguments"), event, eae, role, name, key, at, at + len(name),
                     "exact")
                )  # fmt: skip
                said.append({"role": role, **_span("", name, at)})
            body["events"].append(
                {"type": kind, "trigger": _span("", "fell", at), "arguments": said}
            )
        if job == "oil" and number % 500 == 0:
            self._review(rows, number, body, now)
        return paid

    def _review(self, rows: Rows, number: int, body: dict[str, Any], now: str) -> None:
        """What a person left of it, and what was added."""
        kept = {k: [r for r in v if self.random.random() < 0.85] for k, v in body.items()}
        kept["entities"].append(_span("COUNTRY", "Saudi Arabia", 400))
        for replaced in (now, None) if number % 5000 == 0 else (None,):
            rows["reviews"].append(
                (self._next("reviews"), number, DIGEST, "job_oil", DIGEST, json.dumps(TASKS),
                 json.dumps(kept), "Ada", replaced, now)
            )  # fmt: skip


def _span(kind: str, text: str, at: int) -> dict[str, Any]:
    return {"type": kind, "text": text, "start": at, "end": at + len(text)}


COLUMNS = {
    "schemas": "digest, name, body, created_at",
    "jobs": "id, name, state, schema_digest, model, endpoint, bundle_digest, prompt_version,"
    " settings, priority, forced, enqueued_at, finished_at, created_at",
    "canonical": "key, seen, name, mapped",
    "documents": "id, digest, text, chars, created_at",
    "chunks": "id, document_id, ordinal, char_start, char_end, digest",
    "origins": "id, job_id, document_id, external_id, source, line, metadata",
    "extractions": "id, job_id, chunk_id, task, event_id, key, model, endpoint, prompt_version,"
    " bundle_digest, schema_digest, demonstration_ids, prompt_tokens, completion_tokens, cost_usd,"
    " latency_s, raw_output, rejects, created_at",
    "events": "id, extraction_id, document_id, type, trigger_text, trigger_start, trigger_end,"
    " grounding, shared",
    "work_items": "id, job_id, chunk_id, task, event_id, state, attempts, losses, fence,"
    " extraction_id, updated_at",
    "quarantine": "id, work_item_id, job_id, document_id, task, error_class, error, attempts,"
    " created_at",
    "entities": "id, extraction_id, document_id, type, text, name_key, char_start, char_end,"
    " grounding, shared",
    "relations": "id, extraction_id, document_id, type, head_text, head_key, head_start, head_end,"
    " head_grounding, tail_text, tail_key, tail_start, tail_end, tail_grounding, shared",
    "event_arguments": "id, event_id, extraction_id, role, text, name_key, char_start, char_end,"
    " grounding",
    "reviews": "id, document_id, schema_digest, job_id, digest, tasks, body, reviewer, replaced_at,"
    " created_at",
}
"""The columns of a row, in the order in which it is made; others have their defaults."""
