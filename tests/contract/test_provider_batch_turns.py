"""The order in which batches at the provider have their turns."""

from __future__ import annotations

from support.job_database import JobDatabase

from ruie.db import provider_batches

ADD = (
    "INSERT INTO provider_batches (id, token, endpoint, model, scope, state, next_at, creates,"
    " requests, prompt_tokens, answered, failed, created_at) VALUES"
    " ({id}, '{id}', 'http://llm/v1', 'm', 'job', '{state}', {next_at}, 0, 1, 1, 0, 0,"
    " '2026-01-01 00:00:00.000000+00:00')"
)


def test_what_is_only_watched_holds_up_nothing(database: JobDatabase) -> None:
    """However many are watched, and whenever they are due."""
    early, late = "'2026-01-01 00:00:01.000000'", "'2026-01-01 00:00:02.000000'"
    rows = [
        (1, "running", late), (2, "running", early), (3, "running", "NULL"), (4, "done", "NULL"),
        (5, "preparing", late), (6, "ended", "NULL"), (7, "preparing", "NULL"),
    ]  # fmt: skip  # a batch is three words
    with database.engine.begin() as conn:
        for number, state, next_at in rows:
            conn.exec_driver_sql(ADD.format(id=number, state=state, next_at=next_at))
        turns = [batch.id for batch in provider_batches.open_batches(conn)]
    assert turns == [6, 7, 5, 3, 2, 1]
