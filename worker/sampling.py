"""Which documents of a job are worth annotating first.

Greedy facility location (Cornuejols, Fisher and Nemhauser, 1977): each choice is the document that
brings the others closest to one that is annotated, by the encoder's similarity. A short document
has little in it that others could be shown, and stands for them less. A document counts for more,
the more of its records are doubtful; once there are reviews, also the more of its answers were
rejected or given up, and the more it is like documents in which the model and people agreed
least.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import product

import numpy as np
from sqlalchemy import Connection, column, func, select, table

from ruie.bundle.encoder import Encoder, Vectors
from ruie.db.models import (
    chunks,
    documents,
    entities,
    events,
    extractions,
    origins,
    relations,
    reviews,
    schemas,
    work_items,
)
from ruie.db.sql import pieces

MOST = 2000
"""Documents that are compared, chosen by their hashes: a matrix of so many squared."""
SHOWN_CHARS = 4000
"""Of a text, as much as an encoder reads of it."""
SHORTEST = 0.1
"""Of the median length: what is shorter shows as much as a text of this length."""


def sample(
    conn: Connection, job_id: str, schema_name: str, encoder: Encoder, prefix: str, count: int
) -> list[int]:
    """Ids of `count` documents of the job that have no review under a schema of this name, the one
    to annotate first at the beginning; fewer where there are fewer. prefix: of a text that is
    encoded."""
    numbers = _candidates(conn, job_id)
    reviewed = _reviewed(conn, schema_name)
    texts = _texts(conn, numbers)
    vectors = encoder.encode([prefix + texts[number] for number in numbers])
    done = np.array([number in reviewed for number in numbers])
    doubt = _doubt(conn, job_id, numbers)
    weights = np.array([1.0 + doubt.get(number, 0.0) for number in numbers])
    if done.any():
        trouble, wrong = _trouble(conn, job_id), _disagreement(conn, job_id)
        weights += np.array([trouble.get(number, 0) for number in numbers])
        weights += expected(vectors, done, np.array([wrong.get(number, 0) for number in numbers]))
    shown = shows([texts[number] for number in numbers])
    return [numbers[row] for row in representatives(vectors, done, weights, shown, count)]


def shows(texts: Sequence[str]) -> np.ndarray:
    """How much each text has in it for the model to learn from, by its length, shape (rows,): 1
    from the median on, as longer ones also make longer prompts; the root of its share of the median
    below."""
    lengths = np.array([len(text) for text in texts], dtype=np.float64)
    usual = max(1.0, float(np.median(lengths))) if texts else 1.0
    shown: np.ndarray = np.sqrt(np.clip(lengths / usual, SHORTEST, 1.0))
    return shown


def representatives(
    vectors: Vectors, done: np.ndarray, weights: np.ndarray, shown: np.ndarray, count: int
) -> list[int]:
    """Rows in the order of their choice. vectors: unit length, shape (rows, dimension). done: bool,
    the rows that need not be chosen, and already stand for those that are like them. weights: how
    much each row counts that others stand for. shown: how well each stands for others, from 0 to 1,
    as `shows`. Shapes: (rows,)."""
    similar = np.clip(vectors @ vectors.T, 0.0, 1.0) * shown[:, None]
    near = similar[done].max(axis=0, initial=0.0)
    left = ~done
    chosen: list[int] = []
    for _ in range(min(count, int(left.sum()))):
        gains = np.maximum(similar - near, 0.0) @ weights
        row = int(np.argmax(np.where(left, gains, -1.0)))
        chosen.append(row)
        left[row] = False
        near = np.maximum(near, similar[row])
    return chosen


def expected(vectors: Vectors, done: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """How many records of each document are expected to be wrong: as many as of the reviewed one
    that says most of it, by how alike the two are. Shapes as in `representatives`; wrong: of those
    that are done."""
    similar = np.clip(vectors @ vectors[done].T, 0.0, 1.0)
    most: np.ndarray = (similar * wrong[done]).max(axis=1, initial=0.0)
    return most


def _candidates(conn: Connection, job_id: str) -> list[int]:
    query = (
        select(origins.c.document_id)
        .join(documents, documents.c.id == origins.c.document_id)
        .where(origins.c.job_id == job_id, documents.c.forgotten_at.is_(None))
        .distinct()
    )
    return sorted(sorted(conn.scalars(query), key=_rank)[:MOST])


def _rank(number: int) -> bytes:
    return hashlib.blake2b(str(number).encode(), digest_size=8).digest()


def _reviewed(conn: Connection, schema_name: str) -> set[int]:
    query = (
        select(reviews.c.document_id)
        .join(schemas, schemas.c.digest == reviews.c.schema_digest)
        .where(reviews.c.replaced_at.is_(None), schemas.c.name == schema_name)
    )
    return set(conn.scalars(query))


def _disagreement(conn: Connection, job_id: str) -> dict[int, int]:
    """For each reviewed document, how many records only the model or only people have."""
    agreement = table("review_agreement", column("job_id"), column("document_id"),
                      column("missing"), column("spurious"))  # fmt: skip  # a view
    wrong = func.sum(agreement.c.missing + agreement.c.spurious)
    query = select(agreement.c.document_id, wrong).where(agreement.c.job_id == job_id)
    return {row[0]: int(row[1]) for row in conn.execute(query.group_by(agreement.c.document_id))}


def _doubt(conn: Connection, job_id: str, numbers: Sequence[int]) -> dict[int, float]:
    """For each document, how many of the model's records are expected to be wrong, by what is known
    of their confidence. Those that were seen in two chunks count twice."""
    expected: dict[int, float] = {}
    for records, some in product((entities, relations, events), pieces(numbers)):
        query = (
            select(records.c.document_id, func.sum(1.0 - records.c.confidence))
            .join(work_items, work_items.c.extraction_id == records.c.extraction_id)
            .where(records.c.document_id.in_(some), work_items.c.job_id == job_id)
            .where(records.c.confidence.is_not(None))
            .group_by(records.c.document_id)
        )
        for number, wrong in conn.execute(query):
            expected[number] = expected.get(number, 0.0) + wrong
    return expected


def _texts(conn: Connection, numbers: Sequence[int]) -> dict[int, str]:
    found: dict[int, str] = {}
    for some in pieces(numbers):
        text = func.substr(documents.c.text, 1, SHOWN_CHARS)
        query = select(documents.c.id, text).where(documents.c.id.in_(some))
        found.update((row[0], row[1]) for row in conn.execute(query))
    return found


def _trouble(conn: Connection, job_id: str) -> dict[int, int]:
    """For each document, how many pieces of its answers were rejected, and how many of its items
    were given up."""
    counts: dict[int, int] = {}
    items = (
        select(chunks.c.document_id, work_items.c.state, extractions.c.rejects)
        .join(chunks, chunks.c.id == work_items.c.chunk_id)
        .outerjoin(extractions, extractions.c.id == work_items.c.extraction_id)
        .where(work_items.c.job_id == job_id)
    )
    for number, state, rejects in conn.execute(items):
        counts[number] = counts.get(number, 0) + len(rejects or ()) + (state == "quarantined")
    return counts
