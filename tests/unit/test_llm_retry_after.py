"""Retry-After: seconds, a date, or nothing that can be read."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruie.llm.retry_after import MAX_WAIT_S, retry_after_seconds

NOW = datetime(2026, 10, 21, 7, 28, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT"}, 30.0),
        ({"retry-after": "Wed, 21 Oct 2026 09:28:30 +0200"}, 30.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 -0000"}, 30.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:27:00 GMT"}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2048 07:28:00 GMT"}, MAX_WAIT_S),
        (
            {
                "retry-after": "Wed, 21 Oct 2026 03:00:30 GMT",
                "date": "Wed, 21 Oct 2026 03:00:00 GMT",
            },
            30.0,
        ),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": "today"}, 30.0),
        ({"retry-after": "999999999"}, MAX_WAIT_S),
        ({"retry-after-ms": "1e12"}, MAX_WAIT_S),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
    ],
)
def test_headers(headers: dict[str, str], expected: float | None) -> None:
    assert retry_after_seconds(headers, NOW) == expected


DATES = st.from_regex(
    r"(Wed, )?[0-9]{1,3} (Oct|Foo) [0-9]{1,6} [0-9]{1,2}:[0-9]{1,2}(:[0-9]{1,3})?"
    r" ([+-][0-9]{1,20}|GMT)",
    fullmatch=True,
)


@given(st.one_of(st.text(), DATES, st.floats().map(str)))
def test_any_header_gives_a_bounded_wait_or_none(value: str) -> None:
    wait = retry_after_seconds({"retry-after": value, "retry-after-ms": value}, NOW)
    assert wait is None or (math.isfinite(wait) and 0 <= wait <= MAX_WAIT_S)
