"""Sets of demonstrations that people added. A set does not change, but for rows that are forgotten.

A job may name one, from its schema file; and for a schema's name the newest that was learned is in
force. Workers of all hosts find here what lies over their bundles.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, insert, select, update

from ruie.db.models import demonstration_set_rows, demonstration_sets, demonstrations
from ruie.db.sql import insert_new, pieces
from ruie.records import Demonstration


@dataclass(frozen=True, slots=True)
class DemonstrationSet:
    """A set as it is stored. id: its version. digest: changes where rows are forgotten.
    learned_for: the name of a schema; None for a set that a job names. size: its rows."""

    id: int
    digest: str
    learned_for: str | None
    source: str | None
    size: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class StoredDemonstration:
    """A row of a set. vector: float32, little-endian, of the encoder that was asked for; None where
    it is not known."""

    digest: str
    demonstration: Demonstration
    vector: bytes | None


def store(
    conn: Connection,
    rows: Sequence[Demonstration],
    source: str | None,
    *,
    learned_for: str | None = None,
) -> int:
    """Store a set and return its id. A set of equal rows for a job is stored once; what was learned
    gets a new version unless the rows are those in force."""
    bodies = _bodies(rows)
    name = _digest(" ".join(bodies))
    if learned_for is not None:
        current = in_force(conn, learned_for)
        if current and current.digest == name:
            return current.id
    else:
        wanted = demonstration_sets.c.digest == name, demonstration_sets.c.learned_for.is_(None)
        if (known := conn.scalar(select(demonstration_sets.c.id).where(*wanted))) is not None:
            return int(known)
    values = {"digest": name, "learned_for": learned_for, "source": source, "size": len(bodies)}
    added = insert(demonstration_sets).values(values).returning(demonstration_sets.c.id)
    set_id = conn.execute(added).scalar_one()
    for some in pieces(list(bodies.items())):
        new = [{"digest": digest, "body": body} for digest, body in some]
        conn.execute(insert_new(conn, demonstrations), new)
    places = [
        {"set_id": set_id, "position": position, "digest": digest}
        for position, digest in enumerate(bodies)
    ]
    for part in pieces(places):
        conn.execute(insert(demonstration_set_rows), list(part))
    return int(set_id)


def digest_of(rows: Sequence[Demonstration]) -> str:
    """The digest that a set of these rows has."""
    return _digest(" ".join(_bodies(rows)))


def _bodies(rows: Sequence[Demonstration]) -> dict[str, dict[str, Any]]:
    """Distinct bodies by their digests."""
    bodies = [row.body() for row in rows]
    return {_digest(json.dumps(body, ensure_ascii=False)): body for body in bodies}


def in_force(conn: Connection, schema_name: str) -> DemonstrationSet | None:
    """The newest set that was learned for a schema of this name."""
    newest = (
        select(demonstration_sets)
        .where(demonstration_sets.c.learned_for == schema_name)
        .order_by(demonstration_sets.c.id.desc())
        .limit(1)
    )
    row = conn.execute(newest).first()
    return _set(row) if row else None


def sets_for(conn: Connection, own: int | None, schema_name: str) -> tuple[DemonstrationSet, ...]:
    """What lies over the bundle for a job: its own set, if it names one, and what was learned for
    its schema, which takes the place of equal texts."""
    found = []
    if own is not None:
        row = conn.execute(select(demonstration_sets).where(demonstration_sets.c.id == own)).one()
        found.append(_set(row))
    if learned := in_force(conn, schema_name):
        found.append(learned)
    return tuple(found)


def read(conn: Connection, set_ids: Sequence[int], encoder: str = "") -> list[StoredDemonstration]:
    """The rows of sets, in order, with the vectors that an encoder made of them."""
    found = []
    for set_id in set_ids:
        for row in conn.execute(_rows(set_id)):
            known = b64decode(row.vector) if row.vector and row.encoder == encoder else None
            found.append(StoredDemonstration(row.digest, Demonstration.from_body(row.body), known))
    return found


def with_vectors(
    conn: Connection, rows: Sequence[Demonstration], encoder: str
) -> list[StoredDemonstration]:
    """Rows, stored or not, with the vectors that an encoder made of them before."""
    bodies = _bodies(rows)
    known: dict[str, str] = {}
    for some in pieces(list(bodies)):
        query = select(demonstrations.c.digest, demonstrations.c.vector).where(
            demonstrations.c.digest.in_(some), demonstrations.c.encoder == encoder
        )
        known |= {digest: vector for digest, vector in conn.execute(query) if vector}
    return [
        StoredDemonstration(
            digest,
            Demonstration.from_body(body),
            b64decode(known[digest]) if digest in known else None,
        )
        for digest, body in bodies.items()
    ]


def _rows(set_id: int) -> Select[tuple[str, Any, str | None, str | None]]:
    return (
        select(
            demonstrations.c.digest,
            demonstrations.c.body,
            demonstrations.c.encoder,
            demonstrations.c.vector,
        )
        .join(demonstration_set_rows, demonstration_set_rows.c.digest == demonstrations.c.digest)
        .where(demonstration_set_rows.c.set_id == set_id)
        .order_by(demonstration_set_rows.c.position)
    )


def save_vectors(conn: Connection, encoder: str, vectors: Mapping[str, bytes]) -> None:
    """Keep vectors by the digests of their rows."""
    for digest, vector in sorted(vectors.items()):  # sorted: two workers cannot block each other
        conn.execute(
            update(demonstrations)
            .where(demonstrations.c.digest == digest)
            .values(encoder=encoder, vector=b64encode(vector).decode())
        )


def forget(conn: Connection, texts: Iterable[str]) -> None:
    """Remove the rows whose text is a part of one of these, from every set; the sets get new
    digests, so that workers read them anew."""
    whole = [" ".join(text.split()) for text in texts]
    doomed = [
        digest
        for digest, body in conn.execute(select(demonstrations.c.digest, demonstrations.c.body))
        if (part := " ".join(body["text"].split())) and any(part in text for text in whole)
    ]
    for some in pieces(doomed):
        here = demonstration_set_rows.c.digest.in_(some)
        touched = list(conn.scalars(select(demonstration_set_rows.c.set_id).where(here).distinct()))
        conn.execute(delete(demonstration_set_rows).where(here))
        conn.execute(delete(demonstrations).where(demonstrations.c.digest.in_(some)))
        for set_id in touched:
            _rename(conn, set_id)


def _rename(conn: Connection, set_id: int) -> None:
    left = list(
        conn.scalars(
            select(demonstration_set_rows.c.digest)
            .where(demonstration_set_rows.c.set_id == set_id)
            .order_by(demonstration_set_rows.c.position)
        )
    )
    conn.execute(
        update(demonstration_sets)
        .where(demonstration_sets.c.id == set_id)
        .values(digest=_digest(" ".join(left)), size=len(left))
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _set(row: Row[Any]) -> DemonstrationSet:
    return DemonstrationSet(**row._mapping)
