"""How large the batches of work items are."""

from __future__ import annotations

import pytest
from support.job_database import JobDatabase

from ruie.db import queue


@pytest.mark.parametrize(
    ("items", "processes", "sizes"),
    [
        (32, 4, [8] * 4),
        (40, 4, [10] * 4),
        (64, 3, [11] * 4 + [10] * 2),
        (80, 4, [20] * 4),
        (86, 4, [11] * 6 + [10] * 2),
        (50, 1, [17, 17, 16]),
        (3, 8, [1] * 3),
        (50, 0, [20, 20, 10]),
    ],
)
def test_the_rest_of_a_job_is_divided_evenly(
    database: JobDatabase, items: int, processes: int, sizes: list[int]
) -> None:
    database.enqueue(database.job(), [f"Crude fell {n} %." for n in range(items)])
    with database.engine.begin() as conn:
        batches = queue.dispatch(conn, None, 1000, 20, 60, processes=processes)
    assert [batch.items for batch in batches] == sizes


def test_what_is_not_the_rest_goes_in_full_batches(database: JobDatabase) -> None:
    database.enqueue(database.job(), [f"Crude fell {n} %." for n in range(50)])
    with database.engine.begin() as conn:
        batches = queue.dispatch(conn, None, 40, 20, 60, processes=4)
    assert [batch.items for batch in batches] == [20, 20]


def test_batches_whose_items_make_no_calls_are_larger(database: JobDatabase) -> None:
    calls, none = database.job(), database.job("another")
    for job in (calls, none):
        database.enqueue(job, [f"Crude fell {n} %." for n in range(45)])
    with database.engine.begin() as conn:
        batches = queue.dispatch(conn, None, 1000, 10, 60, without_calls={none})
    sizes = {job: [b.items for b in batches if b.job_id == job] for job in (calls, none)}
    assert sizes == {calls: [10, 10, 10, 10, 5], none: [40, 5]}
