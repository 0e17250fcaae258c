"""Full-text search over documents: a query has the same hits on both databases.

A document is a hit where it has, anywhere in it, everything that one of the query's alternatives
requires. The best come first: on SQLite by FTS5's BM25, on PostgreSQL by ts_rank, weighted with the
inverse document frequency as BM25 does it; so the order may differ between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, select, text

from ruie.db.models import FTS, origins
from ruie.search_query import Alternative, Term, parse_query, required_terms
from ruie.snippets import Snippet, snippet


@dataclass(frozen=True, slots=True)
class JobOrigin:
    """A job that has the document, and its id and place there."""

    job_id: str
    external_id: str
    source: str | None
    line: int | None


@dataclass(frozen=True, slots=True)
class Hit:
    """A document that matches. `score`: higher is better, comparable within one search only."""

    document_id: int
    score: float
    snippet: Snippet
    places: tuple[JobOrigin, ...]


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The number of matching documents, and the best of them."""

    total: int
    hits: tuple[Hit, ...]


def search(
    conn: Connection, query: str, *, job_id: str | None = None, limit: int = 10, offset: int = 0
) -> SearchResult:
    """The documents that match a query (its syntax is in docs/sql.md), the best first.

    job_id: only documents of this job. offset: so many of the best are left out. Documents that
    are not indexed yet do not match (`ruie.db.search_index.count_waiting`). Raises UsageError where
    the query has no words.
    """
    alternatives = parse_query(query)
    terms = required_terms(alternatives)
    if conn.dialect.name == "postgresql":
        # Compiling such a statement takes longer than running it.
        conn.exec_driver_sql("SET LOCAL jit = off")
    statement, values = _statement(conn.dialect.name, alternatives)
    of_job = _OF_JOB if job_id is not None else ""
    ranked = text(f"{statement} {of_job} {_BEST}")
    values |= {"job": job_id, "limit": limit, "offset": offset}
    best = conn.execute(ranked, values).all()
    if not best and offset:  # the total comes with the hits
        first = conn.execute(ranked, values | {"limit": 1, "offset": 0}).first()
        return SearchResult(first.total if first else 0, ())
    ids = [row.document_id for row in best]
    shown = _snippets(conn, ids, terms)
    places = _places(conn, ids, job_id)
    hits = tuple(
        Hit(row.document_id, float(row.score), shown[row.document_id], places[row.document_id])
        for row in best
    )
    return SearchResult(best[0].total if best else 0, hits)


# One term's documents. FTS5's bm25 counts downwards from 0.
_TERM = {
    "sqlite": f"""SELECT p.document_id AS document_id, MAX(f.score) AS score
    FROM (SELECT rowid AS id, -rank AS score FROM {FTS} WHERE {FTS} MATCH :{{value}}) f
    JOIN document_parts p ON p.id = f.id GROUP BY p.document_id""",
    "postgresql": f"""SELECT p.document_id AS document_id,
        MAX(TS_RANK(f.words, CAST(:{{value}} AS tsquery), 1)) AS score
    FROM {FTS} f JOIN document_parts p ON p.id = f.rowid
    WHERE f.words @@ CAST(:{{value}} AS tsquery) GROUP BY p.document_id""",
}
# The inverse document frequency of a term; FTS5's bm25 includes it.
_WEIGHT = {
    "sqlite": "score",
    "postgresql": """score * (SELECT LN(1 + (n.parts - m.parts + 0.5) / (m.parts + 0.5))
        FROM (SELECT GREATEST(MAX(id), (SELECT COUNT(*) FROM {name})) AS parts
            FROM document_parts) n, (SELECT COUNT(*) AS parts FROM {name}) m) AS score""",
}
_OF_JOB = """AND EXISTS (SELECT 1 FROM origins o
    WHERE o.document_id = s.document_id AND o.job_id = :job)"""
_BEST = """GROUP BY s.document_id ORDER BY score DESC, s.document_id LIMIT :limit OFFSET :offset"""


def _statement(dialect: str, alternatives: Sequence[Alternative]) -> tuple[str, dict[str, Any]]:
    """The statement up to its conditions, and its parameters: a table for each term, combined into
    sets by the alternatives."""
    terms: dict[Term, str] = {}
    for alternative in alternatives:
        for term in alternative.required + alternative.excluded:
            terms.setdefault(term, f"t{len(terms)}")
    tables = [
        f"{name} AS MATERIALIZED ({_TERM[dialect].format(value=name)})" for name in terms.values()
    ]
    wanted = []
    for alternative in alternatives:
        first, *others = (f"SELECT document_id FROM {terms[t]}" for t in alternative.required)
        ids = " INTERSECT ".join([first, *others])
        for term in alternative.excluded:
            ids = f"SELECT document_id FROM ({ids}) r EXCEPT SELECT document_id FROM {terms[term]}"
        wanted.append(f"SELECT document_id FROM ({ids}) a")
    tables.append(f"wanted AS MATERIALIZED ({' UNION '.join(wanted)})")
    scores = " UNION ALL ".join(
        f"SELECT document_id, {_WEIGHT[dialect].format(name=terms[term])} FROM {terms[term]}"
        for term in required_terms(tuple(alternatives))
    )
    statement = f"""WITH {", ".join(tables)}
SELECT s.document_id AS document_id, SUM(s.score) AS score, COUNT(*) OVER () AS total
FROM ({scores}) s WHERE s.document_id IN (SELECT document_id FROM wanted)"""
    return statement, {name: match(dialect, [term]) for term, name in terms.items()}


def match(dialect: str, terms: Sequence[Term]) -> str:
    """Any of the terms, as FTS5's MATCH or as a tsquery. Words are letters, digits and marks."""
    if dialect == "sqlite":
        return " OR ".join(f'"{" ".join(t.words)}"{" *" if t.prefix else ""}' for t in terms)
    return " | ".join(
        "(" + " <-> ".join(f"'{word}'" for word in t.words) + (":*" if t.prefix else "") + ")"
        for t in terms
    )


_PARTS = text("""SELECT p.id, p.document_id FROM document_parts p
WHERE p.document_id IN :ids""").bindparams(bindparam("ids", expanding=True))
_BEST_PARTS = {
    "sqlite": f"""SELECT rowid AS id, rank AS score FROM {FTS}
WHERE {FTS} MATCH :any AND rowid IN :parts ORDER BY rank, rowid""",
    "postgresql": f"""SELECT rowid AS id, -TS_RANK(words, CAST(:any AS tsquery)) AS score
FROM {FTS} WHERE words @@ CAST(:any AS tsquery) AND rowid IN :parts ORDER BY score, rowid""",
}
_TEXT = text("""SELECT p.document_id, p.char_start,
    SUBSTR(d.text, p.char_start + 1, p.char_end - p.char_start) AS words
FROM document_parts p JOIN documents d ON d.id = p.document_id
WHERE p.id IN :parts""").bindparams(bindparam("parts", expanding=True))


def _snippets(conn: Connection, ids: Sequence[int], terms: Sequence[Term]) -> dict[int, Snippet]:
    """A snippet of each document, from its best part."""
    if not ids:
        return {}
    parts: dict[int, list[int]] = {}
    for part, document in conn.execute(_PARTS, {"ids": list(ids)}):
        parts.setdefault(document, []).append(part)
    best_parts = text(_BEST_PARTS[conn.dialect.name]).bindparams(bindparam("parts", expanding=True))
    chosen = []
    for several in parts.values():
        if len(several) > 1:
            values = {"any": match(conn.dialect.name, terms), "parts": several}
            several = list(conn.scalars(best_parts, values).all()[:1])
        chosen += several
    return {
        row.document_id: snippet(row.words, terms, row.char_start)
        for row in conn.execute(_TEXT, {"parts": chosen})
    }


def _places(
    conn: Connection, ids: Sequence[int], job_id: str | None
) -> dict[int, tuple[JobOrigin, ...]]:
    query = select(origins).where(origins.c.document_id.in_(ids)).order_by(origins.c.id)
    if job_id is not None:
        query = query.where(origins.c.job_id == job_id)
    places: dict[int, list[JobOrigin]] = {id_: [] for id_ in ids}
    for row in conn.execute(query):
        places[row.document_id].append(JobOrigin(row.job_id, row.external_id, row.source, row.line))
    return {id_: tuple(several) for id_, several in places.items()}
