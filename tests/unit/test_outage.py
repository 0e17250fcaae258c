"""A database that does not answer: how long it is waited for, and what is said then."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError

from ruie.db.outage import Outage, retry_during_outage
from ruie.errors import UnavailableError

ERROR = OperationalError("SELECT 1", {}, Exception("the server closed the connection.\nDetails"))


def outage(patience_s: float = 60.0, longest_pause_s: float = 0.01) -> Outage:
    return Outage(patience_s, longest_pause_s=longest_pause_s, hint="Run it again.")


def test_pauses_double_up_to_the_longest() -> None:
    one = outage(longest_pause_s=3.0)
    assert [one.pause_s(ERROR) for _ in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_a_transaction_is_repeated_until_the_database_answers() -> None:
    answers = iter([ERROR, ERROR, None])

    def transaction() -> str:
        if error := next(answers):
            raise error
        return "committed"

    assert retry_during_outage(transaction, outage()) == "committed"


def test_patience_ends_with_what_to_do_next() -> None:
    def transaction() -> None:
        raise ERROR

    with pytest.raises(UnavailableError) as raised:
        retry_during_outage(transaction, outage(patience_s=0.05))
    assert str(raised.value) == (
        "The database has been unavailable for 0.05 s (the server closed the connection)."
        " Run it again."
    )
    assert raised.value.__cause__ is ERROR


def test_other_errors_are_not_waited_out() -> None:
    error = IntegrityError("INSERT", {}, Exception("UNIQUE constraint failed"))

    def transaction() -> None:
        raise error

    with pytest.raises(IntegrityError):
        retry_during_outage(transaction, outage())
