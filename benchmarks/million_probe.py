"""What million.py looks at: processor time by kind of process, and what PostgreSQL says of its
tables, indexes and log."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from query import write_anew
from sqlalchemy import Engine, text

from ruie.db.engine import reading

_TICKS_S = os.sysconf("SC_CLK_TCK")
_AFTER_NAME = 2
"""Fields of /proc/PID/stat before those that follow the name in brackets."""
_PARENT, _USER, _SYSTEM = (field - _AFTER_NAME - 1 for field in (4, 14, 15))

_TABLES = """
SELECT relname, pg_table_size(relid) AS bytes, pg_indexes_size(relid) AS index_bytes,
       n_live_tup AS live, n_dead_tup AS dead, n_tup_upd AS updated, n_tup_hot_upd AS hot,
       seq_scan AS seq_scans, seq_tup_read AS seq_rows,
       COALESCE(idx_tup_fetch, 0) AS index_rows, vacuum_count + autovacuum_count AS vacuums,
       analyze_count + autoanalyze_count AS analyzes,
       CAST(last_autovacuum AS text) AS last_autovacuum
  FROM pg_stat_user_tables WHERE schemaname = 'public'
"""
_INDEXES = """
SELECT indexrelname, pg_relation_size(indexrelid) AS bytes, idx_scan AS scans,
       idx_tup_read AS entries
  FROM pg_stat_user_indexes WHERE schemaname = 'public'
"""
_SERVER = """
SELECT CAST(pg_current_wal_lsn() - '0/0' AS bigint) AS wal_bytes,
       pg_database_size(current_database()) AS bytes,
       (SELECT num_timed + num_requested FROM pg_stat_checkpointer) AS checkpoints
"""
_BACKENDS = """
SELECT pid, CASE backend_type WHEN 'client backend' THEN 'backends' ELSE backend_type END AS kind
  FROM pg_stat_activity
"""
LEAST_BYTES = 1_000_000
"""Smaller tables and indexes are left out."""


def tables(engine: Engine) -> dict[str, dict[str, Any]]:
    """Of each table: sizes, rows alive and dead, rows read, autovacuum's doings."""
    return _by_name(engine, _TABLES)


def indexes(engine: Engine) -> dict[str, dict[str, Any]]:
    """Of each index: its size, scans, and entries that these read."""
    return _by_name(engine, _INDEXES)


def server(engine: Engine) -> dict[str, int]:
    """The database's size, write-ahead log written so far, and checkpoints."""
    with reading(engine) as conn:
        return dict(conn.execute(text(_SERVER)).one()._mapping)


def _by_name(engine: Engine, query: str) -> dict[str, dict[str, Any]]:
    with reading(engine) as conn:
        rows = [dict(row._mapping) for row in conn.execute(text(query))]
    named = {row.pop("relname" if "relname" in row else "indexrelname"): row for row in rows}
    return {name: row for name, row in named.items() if row["bytes"] >= LEAST_BYTES}


def rebuilt(engine: Engine) -> dict[str, tuple[int, int]]:
    """The bytes of each table, and of its indexes, before and after it was written anew: what is
    more than that is bloat. The table with its indexes counts as one."""
    before = tables(engine)
    write_anew(engine)
    after = tables(engine)
    sizes = ("bytes", "index_bytes")
    return {
        name: (sum(row[s] for s in sizes), sum(after.get(name, row)[s] for s in sizes))
        for name, row in before.items()
    }


class Processors:
    """Processor seconds since the first look, by kind of process. Each look adds what a process
    used since the one before; what one used that came and went between two is lost.

    roots: the kind of a process and of all its descendants, by pid. engine: whose server processes
    are told apart, too.
    """

    def __init__(self, roots: Callable[[], Mapping[int, str]], engine: Engine) -> None:
        self.seconds: Counter[str] = Counter()
        self._roots = roots
        self._engine = engine
        self._seen: dict[int, float] = {}
        self.look()

    def look(self) -> None:
        parents, used = _running()
        first = not self._seen
        for pid, kind in self._kinds(parents).items():
            if pid in used:
                last = used[pid] if first else 0.0
                self.seconds[kind] += used[pid] - self._seen.get(pid, last)
                self._seen[pid] = used[pid]

    def _kinds(self, parents: Mapping[int, int]) -> dict[int, str]:
        kinds = dict(self._roots())
        pending = dict(parents)
        while found := {pid: kinds[of] for pid, of in pending.items() if of in kinds}:
            kinds = found | kinds
            pending = {pid: of for pid, of in pending.items() if pid not in kinds}
        with reading(self._engine) as conn:
            return kinds | {pid: f"postgres: {kind}" for pid, kind in conn.execute(text(_BACKENDS))}


def _running() -> tuple[dict[int, int], dict[int, float]]:
    """Of all processes: their parents, and the seconds of processor time that they have used."""
    parents, used = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="utf-8", errors="replace").rpartition(") ")[2].split()
        except OSError:
            continue  # it has ended
        pid = int(path.parent.name)
        parents[pid] = int(fields[_PARENT])
        used[pid] = (int(fields[_USER]) + int(fields[_SYSTEM])) / _TICKS_S
    return parents, used
