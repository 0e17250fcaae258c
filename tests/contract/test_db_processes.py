"""Which processes are alive."""

from __future__ import annotations

from sqlalchemy import Engine

from ruie.db import processes
from ruie.db.engine import reading
from ruie.db.processes import Doing, Identity

WORKER = Identity("host:7:ab", "worker", "host", 7, "1.0")
OTHER = Identity("host:8:cd", "worker", "host", 8, "1.1")
COORDINATOR = Identity("host:9:ef", "coordinator", "host", 9, "1.1")


def beat(engine: Engine, who: Identity, doing: Doing = processes.IDLE, age_s: float = 0.0) -> None:
    with engine.begin() as conn:
        processes.beat(conn, who, doing, age_s)


def silent(engine: Engine, who: Identity, seconds: float) -> None:
    """It has said nothing for so long."""
    earlier = (
        f"strftime('%Y-%m-%d %H:%M:%f', seen_at, '-{seconds} seconds') || '000'"
        if engine.dialect.name == "sqlite"
        else f"seen_at - interval '{seconds} seconds'"
    )
    with engine.begin() as conn:
        conn.exec_driver_sql(f"UPDATE processes SET seen_at = {earlier} WHERE name = '{who.name}'")


def test_a_process_has_one_row_that_says_what_it_does(engine: Engine) -> None:
    beat(engine, WORKER, age_s=60.0)
    with reading(engine) as conn:
        (first,) = processes.seen(conn)
    beat(engine, WORKER, Doing("batch-1", -1, 12), age_s=70.0)
    with reading(engine) as conn:
        (again,) = processes.seen(conn)
    assert again.identity == first.identity == WORKER
    assert (first.doing, again.doing) == (processes.IDLE, Doing("batch-1", -1, 12))
    assert again.started_at == first.started_at
    assert (first.seen_at - first.started_at).total_seconds() >= 60
    assert not again.silent


def test_those_of_each_kind_and_version_are_counted_unless_they_are_silent(engine: Engine) -> None:
    for who in (WORKER, OTHER, COORDINATOR):
        beat(engine, who)
    with reading(engine) as conn:
        assert processes.count_alive(conn) == {
            ("worker", "1.0"): 1,
            ("worker", "1.1"): 1,
            ("coordinator", "1.1"): 1,
        }
    silent(engine, WORKER, 2 * processes.SILENT_S)
    with reading(engine) as conn:
        assert ("worker", "1.0") not in processes.count_alive(conn)
        named = {each.identity.name: each.silent for each in processes.seen(conn)}
    assert named == {"host:7:ab": True, "host:8:cd": False, "host:9:ef": False}


def test_one_that_ended_in_order_is_gone_and_one_that_did_not_is_forgotten_later(
    engine: Engine,
) -> None:
    for who in (WORKER, OTHER, COORDINATOR):
        beat(engine, who)
    with engine.begin() as conn:
        processes.leave(conn, COORDINATOR.name)
    silent(engine, WORKER, processes.GONE_S + 1)
    with engine.begin() as conn:
        assert processes.sweep(conn) == 1
        assert [each.identity for each in processes.seen(conn)] == [OTHER]
    beat(engine, WORKER, age_s=1000.0)  # it was only suspended
    with reading(engine) as conn:
        assert {each.identity for each in processes.seen(conn)} == {WORKER, OTHER}
