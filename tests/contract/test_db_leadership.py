"""Who leads, and for how long."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, text

from ruie.db import leadership

EXPIRES = text("SELECT expires FROM leadership")


def test_a_leader_keeps_the_lead_in_a_transaction_of_its_own(engine: Engine) -> None:
    with engine.begin() as conn:
        token = leadership.lead(conn, "first", 5)
        until = conn.scalar(EXPIRES)
    assert token is not None
    with engine.begin() as conn:
        leadership.keep(conn, "first", token, 60)
        assert conn.scalar(EXPIRES) > until
    with engine.begin() as conn:
        assert leadership.lead(conn, "second", 5) is None


def test_one_that_led_before_cannot_keep_it(engine: Engine) -> None:
    with engine.begin() as conn:
        old = leadership.lead(conn, "first", 0)
    assert old is not None
    with engine.begin() as conn:
        assert leadership.lead(conn, "second", 60) == old + 1
    with pytest.raises(leadership.NotLeadingError), engine.begin() as conn:
        leadership.keep(conn, "first", old, 60)
