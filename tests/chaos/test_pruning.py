"""A database that is pruned while the fleet works, by a process that is killed again and again."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text
from support.corpus import rows
from support.fleet import Process
from support.scene import Scene
from support.waiting import wait_until

from ruie.db.engine import reading
from ruie.db.fold import count_unfolded
from ruie.db.totals import read_totals

AGED = (
    ("jobs", "finished_at", "id"), ("origins", "changed_at", "job_id"),
    ("attempts", "created_at", "job_id"), ("extractions", "created_at", "job_id"),
)  # fmt: skip  # columns that say when, and whose rows they are
COMMAND = ("prune", "--older-than", "90d", "--yes")
CHANGED, UNCHANGED = 50, 10


def sums(scene: Scene, jobs: list[str]) -> list[Any]:
    """What pruning may not change of these jobs: progress, spend, totals."""
    with reading(scene.engine) as conn:
        by_job = text("SELECT * FROM spend_by_job WHERE job_id = ANY(:jobs) ORDER BY 1, 2")
        items = text("SELECT * FROM job_progress WHERE job_id = ANY(:jobs) ORDER BY 1, 5")
        totals = read_totals(conn, jobs).values
        return [
            [scene.fleet.client.progress(job) for job in jobs],
            *([tuple(row) for row in conn.execute(sql, {"jobs": jobs})] for sql in (by_job, items)),
            {key: value for key, value in totals.items() if key.job_id},
        ]


def is_counted(scene: Scene) -> bool:
    """Whether the totals have every row: documents are counted after what pruning waits for."""
    with reading(scene.engine) as conn:
        return count_unfolded(conn, read_totals(conn)) == 0


@pytest.mark.scene("pruned while it works")
def test_pruning_that_is_killed_beside_a_fleet_that_works(scene: Scene) -> None:
    scene.behave(faults=0.2, kinds=("garbage", "half", "empty", "type"), most=2)
    texts = rows(CHANGED + UNCHANGED, scene.series)
    first = texts[:]
    second = [
        {**row, "text": row["text"].replace(" in 19", " in 20")} for row in texts[:CHANGED]
    ] + texts[CHANGED:]
    old = [scene.enqueue_rows(first, corpus="pruned"), scene.enqueue_rows(second, corpus="pruned")]
    with scene.engine.begin() as conn:
        for table, column, job in AGED:
            conn.execute(
                text(f"UPDATE {table} SET {column} = {column} - interval '200 days'"
                     f" WHERE {job} = ANY(:jobs) AND {column} IS NOT NULL"),
                {"jobs": old},
            )  # fmt: skip  # a statement
    wait_until(lambda: is_counted(scene))
    assert "not yet counted" not in scene.fleet.ruie(*COMMAND[:-1])
    before = sums(scene, old)

    scene.enqueue(60)
    scene.until_done(10)
    failed = "SELECT COUNT(*) FROM attempts WHERE job_id = ANY(:jobs)"
    shown = "SELECT COUNT(*) FROM work_items WHERE job_id = ANY(:jobs)"
    kills = 0
    for sql in (failed, shown, shown):
        there = scene.scalar(sql, jobs=old)
        process = Process("prune", scene.fleet.folder, scene.fleet.settings.environment(), COMMAND)
        wait_until(lambda: scene.scalar(sql, jobs=old) < there or not process.alive)  # noqa: B023  # waited for here
        kills += process.alive
        process.kill()
        assert sums(scene, old) == before
    scene.fleet.ruie(*COMMAND)
    assert kills >= 2
    assert sums(scene, old) == before
    assert scene.scalar(failed, jobs=old) == 0
    assert scene.scalar(shown, jobs=old) < 2 * 4 * (CHANGED + UNCHANGED)
    scene.until_closed()
    scene.audit()

    calls = len(scene.endpoint.log())
    again = scene.enqueue_rows(first, corpus="pruned")
    assert len(scene.endpoint.log()) == calls
    scene.audit(corpus=texts[:CHANGED])
    for job in (*old, again):
        assert job in scene.fleet.ruie("status", job)
    scene.figures.append(f"{kills} kills of pruning")
