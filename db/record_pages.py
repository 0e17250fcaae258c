"""A job's documents with their records, read in pages by document id, at constant memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import BindParameter, Connection, Engine, Row, TextClause, text

from ruie.db.engine import reading
from ruie.db.reviews import Review
from ruie.db.types import Json
from ruie.records import Task

PAGE = 200
"""Documents in memory at a time."""


@dataclass(frozen=True, slots=True)
class SpanRecord:
    """A span as it is stored. start, end: characters in the document; None where it was not
    located."""

    text: str
    start: int | None
    end: int | None
    grounding: str


@dataclass(frozen=True, slots=True)
class EntityRecord:
    """source: `model` or `person`, who has no model. confidence: as of `ruie.records.Item`; None
    for what a person said, and what an earlier version of ruie extracted."""

    id: int
    type: str
    span: SpanRecord
    extraction: int
    model: str
    source: str
    confidence: float | None


@dataclass(frozen=True, slots=True)
class RelationRecord:
    id: int
    type: str
    head: SpanRecord
    tail: SpanRecord
    extraction: int
    model: str
    source: str
    confidence: float | None


@dataclass(frozen=True, slots=True)
class ArgumentRecord:
    role: str
    span: SpanRecord
    extraction: int
    confidence: float | None


@dataclass(frozen=True, slots=True)
class EventRecord:
    id: int
    type: str
    trigger: SpanRecord
    extraction: int
    model: str
    source: str
    arguments: tuple[ArgumentRecord, ...]
    confidence: float | None


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A work item of a document that is in quarantine."""

    task: Task
    error_class: str
    error: str
    attempts: int


@dataclass(frozen=True, slots=True)
class DocumentRecords:
    """A document and the records that one job extracted from it. answered: the tasks (NER, RE, ED)
    whose work items are all done, ED with those of the events' arguments; or that a person
    reviewed, unless the records are the model's. pruned: its work items are gone, and with them
    what was found (db/pruning). given_up and review: only of `documents_in_source_order`."""

    id: int
    external_id: str
    digest: str
    text: str
    answered: frozenset[Task]
    entities: tuple[EntityRecord, ...] = field(default=())
    relations: tuple[RelationRecord, ...] = field(default=())
    events: tuple[EventRecord, ...] = field(default=())
    given_up: tuple[GivenUp, ...] = field(default=())
    review: Review | None = None
    pruned: bool = False

    @property
    def models(self) -> list[str]:
        """The models that extracted the records, sorted."""
        named = {e.model for e in self.entities} | {r.model for r in self.relations}
        return sorted((named | {v.model for v in self.events}) - {""})


def document_records(
    engine: Engine,
    job: str,
    *,
    limit: int | None = None,
    document: int | None = None,
    of_model: bool = False,
) -> Iterator[DocumentRecords]:
    """The job's documents by id, each once. limit: at most so many. document: only this id.
    of_model: with the model's records also where a review is in force."""
    last, left = -1, limit
    while left is None or left > 0:
        size = PAGE if left is None else min(PAGE, left)
        with reading(engine) as conn:
            page = _page(conn, job, last, size, document, of_model)
        yield from page
        if len(page) < size:
            return
        last = page[-1].id
        left = None if left is None else left - len(page)


_LAST_ID = 2**62
# The page is determined by the index of origins alone, before any text is read.
_DOCUMENTS = text(
    "SELECT d.id AS id, d.digest AS digest, d.text AS text, p.external_id AS external_id FROM"
    " (SELECT o.document_id AS document_id, MIN(o.external_id) AS external_id FROM origins o"
    " WHERE o.job_id = :job AND o.document_id > :last AND o.document_id <= :most"
    " GROUP BY o.document_id ORDER BY o.document_id LIMIT :size) p"
    " JOIN documents d ON d.id = p.document_id ORDER BY d.id"
)


class Queries:
    """What is read of some documents. among: the condition on `document_id` that names them.
    of_model: the model's records also where a review is in force."""

    def __init__(self, among: str, *parameters: BindParameter[Any], of_model: bool = False) -> None:
        self._parameters = parameters
        self._prefix = "model_" if of_model else ""
        self.reviewed = (
            None
            if of_model
            else self._text(
                "SELECT r.document_id AS document_id, r.tasks AS tasks FROM reviews r"
                f" WHERE r.replaced_at IS NULL AND r.document_id {among}"
                " AND r.schema_digest = (SELECT j.schema_digest FROM jobs j WHERE j.id = :job)"
            ).columns(tasks=Json)
        )
        # In two halves, each of which has an index by job and chunk; one query would read the whole
        # job.
        self.states = self._text(
            " UNION ALL ".join(
                "SELECT c.document_id AS document_id, w.task AS task,"
                " COUNT(*) - COUNT(CASE WHEN w.state = 'done' THEN 1 END) AS waiting"
                f" FROM chunks c JOIN work_items w ON w.chunk_id = c.id AND w.event_id {half}"
                f" WHERE w.job_id = :job AND c.document_id {among}"
                " GROUP BY c.document_id, w.task"
                for half in ("IS NULL", "IS NOT NULL")
            )
        )
        self.entities = self._records("entity_mentions", among, "char_start, char_end, entity_id")
        self.relations = self._records(
            "relation_mentions", among, "head_start, tail_start, relation_id"
        )
        self.events = self._records(
            "event_mentions", among, "trigger_start, event_id, argument_start, role"
        )

    def _records(self, view: str, among: str, key: str) -> TextClause:
        return self._text(
            f"SELECT * FROM {self._prefix}{view} WHERE job_id = :job AND document_id {among}"
            f" ORDER BY document_id, {key}"
        )

    def _text(self, sql: str) -> TextClause:
        return text(sql).bindparams(*self._parameters)


_RANGE = {
    of_model: Queries("BETWEEN :first AND :final", of_model=of_model) for of_model in (False, True)
}


def _page(
    conn: Connection, job: str, last: int, size: int, document: int | None, of_model: bool
) -> list[DocumentRecords]:
    most = _LAST_ID if document is None else document
    least = last if document is None else max(last, document - 1)
    page = {"job": job, "last": least, "most": most, "size": size}
    rows = conn.execute(_DOCUMENTS, page).all()
    if not rows:
        return []
    within = {"job": job, "first": rows[0].id, "final": rows[-1].id}
    return records_of(conn, rows, _RANGE[of_model], within)


def records_of(
    conn: Connection, rows: Sequence[Row[Any]], queries: Queries, within: Mapping[str, Any]
) -> list[DocumentRecords]:
    """The records of documents. rows: their ids, external ids, digests and texts. within: the
    values of the queries' parameters."""
    waiting: defaultdict[int, dict[str, int]] = defaultdict(dict)
    for state in conn.execute(queries.states, within):
        waiting[state.document_id][state.task] = state.waiting
    has_items = set(waiting)
    reviewed: dict[int, list[str]] = {}
    if queries.reviewed is not None:
        reviewed = {row.document_id: row.tasks for row in conn.execute(queries.reviewed, within)}
    entities: defaultdict[int, dict[int, EntityRecord]] = defaultdict(dict)
    for row in conn.execute(queries.entities, within).mappings():
        entities[row["document_id"]][row["entity_id"]] = EntityRecord(
            row["entity_id"], row["type"], _span(row), row["extraction_id"], row["model"],
            row["source"], row["confidence"],
        )  # fmt: skip
    relations: defaultdict[int, dict[int, RelationRecord]] = defaultdict(dict)
    for row in conn.execute(queries.relations, within).mappings():
        relations[row["document_id"]][row["relation_id"]] = RelationRecord(
            row["relation_id"],
            row["type"],
            _span(row, "head", "head_grounding"),
            _span(row, "tail", "tail_grounding"),
            row["extraction_id"],
            row["model"],
            row["source"],
            row["confidence"],
        )
    events: defaultdict[int, dict[int, list[Mapping[Any, Any]]]] = defaultdict(dict)
    for row in conn.execute(queries.events, within).mappings():
        events[row["document_id"]].setdefault(row["event_id"], []).append(row)
    return [
        DocumentRecords(
            row.id,
            row.external_id,
            row.digest,
            row.text,
            _answered(waiting[row.id]) | frozenset(map(Task, reviewed.get(row.id, ()))),
            tuple(entities[row.id].values()),
            tuple(relations[row.id].values()),
            tuple(_event(several) for several in events[row.id].values()),
            pruned=row.id not in has_items,
        )
        for row in rows
    ]


def _answered(waiting: Mapping[str, int]) -> frozenset[Task]:
    done = {Task(task) for task, count in waiting.items() if not count}
    if waiting.get(Task.EAE):
        done.discard(Task.ED)
    return frozenset(done - {Task.EAE})


def _event(rows: Sequence[Mapping[Any, Any]]) -> EventRecord:
    first = rows[0]
    arguments = dict.fromkeys(
        ArgumentRecord(
            row["role"],
            _span(row, "argument", "argument_grounding"),
            row["argument_extraction_id"],
            row["argument_confidence"],
        )
        for row in rows
        if row["role"] is not None
    )
    return EventRecord(
        first["event_id"],
        first["type"],
        _span(first, "trigger"),
        first["extraction_id"],
        first["model"],
        first["source"],
        tuple(arguments),
        first["confidence"],
    )


def _span(row: Mapping[Any, Any], part: str = "", grounding: str = "grounding") -> SpanRecord:
    """A span of a view's row, whose columns are named after its part."""
    offsets = part or "char"
    return SpanRecord(
        row[f"{part}_text" if part else "text"],
        row[f"{offsets}_start"],
        row[f"{offsets}_end"],
        row[grounding],
    )
