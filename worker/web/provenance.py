"""Where a record comes from, in full: the demonstrations and the prompt of its call.

A prompt is not stored: it is built again from what is, and its key says whether it is the one that
was sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from ruie.bundle.retrieval import project
from ruie.db import demonstrations
from ruie.db.calls import StoredCall
from ruie.db.chunks import contexts
from ruie.db.engine import reading
from ruie.db.jobs import Job
from ruie.decoding import Decoding
from ruie.errors import BundleError, ModelError
from ruie.idempotency import prompt_key
from ruie.llm.profile import GRAMMARS, JSON_SCHEMA, NO_CONSTRAINT
from ruie.questioner import question
from ruie.questions import Question
from ruie.records import Demonstration, Query
from ruie.schema import Schema
from ruie.settings import Settings
from ruie.worker.web.door import Door


@dataclass(frozen=True, slots=True)
class Provenance:
    """demonstrations: most similar first, None for one that is no longer known. messages: the
    prompt as it is built now. same: whether it is what was sent; None: that cannot be told.
    problem: why demonstrations are missing, or ""."""

    demonstrations: tuple[tuple[str, Demonstration | None], ...]
    messages: tuple[dict[str, str], ...]
    same: bool | None
    problem: str


def provenance(web: Door, call: StoredCall, job: Job) -> Provenance:
    """Of a call that a job paid for."""
    shown, problem = _demonstrations(web, call)
    query = _query(web, call, job)
    known = [project(each, query) for _, each in shown if each is not None]
    complete = len(known) == len(shown)
    built = [_built(query, known, call, decoding) for decoding in _decodings(web.config, job)]
    salt = job.id if job.forced else ""
    same = next(
        (
            each
            for each, decoding in built
            if prompt_key(each.call, query, decoding, salt) == call.prompt_key
        ),
        None,
    )
    best = same or built[0][0]
    certain = complete and call.prompt_key is not None
    return Provenance(
        tuple(shown), best.call.messages, same is not None if certain else None, problem
    )


def _built(
    query: Query, shown: list[Demonstration], call: StoredCall, decoding: Decoding
) -> tuple[Question, Decoding]:
    return question(query, shown, call.model, decoding, ""), decoding


def _query(web: Door, call: StoredCall, job: Job) -> Query:
    context = ""
    if key := job.settings.context:
        with reading(web.engine) as conn:
            found = contexts(conn, job.id, [call.document_id], key)
        context = found.get(call.document_id, "")
    return Schema.from_body(job.schema_body).query(call.task, call.text, call.trigger, context)


def _decodings(config: Settings, job: Job) -> Iterator[Decoding]:
    """The job's settings, with each form that its endpoint may have been proved to hold to, and
    with the parameters of this process's settings or without."""
    stored = job.settings.decoding
    for parameters in ({**config.llm_parameters, **stored.parameters}, dict(stored.parameters)):
        decoding = replace(stored, parameters=parameters)
        if decoding.proved:
            yield decoding
            continue
        for constraint in (NO_CONSTRAINT, *GRAMMARS, JSON_SCHEMA):
            # a form that is demanded is not to be had with each of them
            with suppress(ModelError):
                yield decoding.resolved(constraint)


def _demonstrations(
    web: Door, call: StoredCall
) -> tuple[list[tuple[str, Demonstration | None]], str]:
    ids = call.demonstration_ids
    if not ids:
        return [], ""
    try:
        bundle = web.bundle()
    except BundleError as error:
        return [(id_, None) for id_ in ids], str(error)
    problem = ""
    if bundle.digest != call.bundle_digest:
        problem = (
            f"The call used the bundle {call.bundle_digest[:16]}, and this process has"
            f" {bundle.digest[:16]}: demonstrations are shown where it has them too."
        )
    over = bundle
    if call.demonstration_sets:
        with reading(web.engine) as conn:
            rows = demonstrations.read(conn, call.demonstration_sets)
        over = bundle.over([row.demonstration for row in rows])
    found: dict[str, Demonstration | None] = dict.fromkeys(ids)
    for id_ in ids:
        try:
            found[id_] = over.demonstration(id_)
        except KeyError:
            problem = problem or "Demonstrations that were forgotten since are not shown."
    return list(found.items()), problem
