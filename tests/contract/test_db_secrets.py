"""What is stored of an endpoint and of failures has no secret in it, and is found all the same."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, text
from support.job_database import JobDatabase

from ruie import secrets
from ruie.db import endpoints, jobs, targets
from ruie.db.engine import reading
from ruie.llm.ledger import Failure, Target
from ruie.llm.profile import RequestProfile
from ruie.secrets import remember

SECRET = "do-not-tell-4711"
OTHER = "do-not-tell-0815"


@pytest.fixture(autouse=True)
def one_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "_known", set())
    monkeypatch.setattr(secrets, "_found", None)
    remember(SECRET)


def target(key: str) -> Target:
    return Target(f"https://ada:{key}@llm.test/v1?api-key={key}", "small", "s")


def test_two_keys_of_one_url_share_what_was_learned(engine: Engine) -> None:
    failure = Failure("unreachable", f"no route for {SECRET}", ("item",))
    with engine.begin() as conn:
        targets.add(conn, target(SECRET))
        targets.prove(conn, target(SECRET), RequestProfile())
        endpoints.failed(conn, target(OTHER).endpoint, failure, certain=True)
    with reading(engine) as conn:
        standing = targets.find(conn, target(OTHER))
        assert standing is not None
        assert standing.away == "no route for ***"
        assert targets.find(conn, Target("https://llm.test/v1", "small", "s")) == standing
        assert [away.endpoint for away in endpoints.list_away(conn)] == ["https://llm.test/v1"]


def test_what_an_earlier_version_stored_is_read_without_secrets(
    engine: Engine, database: JobDatabase
) -> None:
    job = database.job(endpoint=f"https://ada:{OTHER}@llm.test/v1")
    with engine.begin() as conn:
        conn.execute(text("UPDATE jobs SET reason = :said"), {"said": f"refused {SECRET}"})
    with reading(engine) as conn:
        known = jobs.get_job(conn, job)
        stored = conn.execute(text("SELECT endpoint FROM jobs")).scalar_one()
    assert known is not None
    assert known.reason == "refused ***"
    assert stored == "https://llm.test/v1"
