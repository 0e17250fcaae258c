"""When a cron expression is due: clocks that change, leap days, what was missed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ruie.errors import UsageError
from ruie.worker.cron import latest_due, next_due


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def due(cron: str, zone: str, after: str, count: int) -> list[str]:
    times, moment = [], at(after)
    for _ in range(count):
        moment = next_due(cron, zone, moment)
        times.append(moment.strftime("%m-%d %H:%M"))
    return times


# cron, zone, after (UTC), due (UTC)
CASES = [
    # Berlin 2026-03-29: 02:00 +01:00 becomes 03:00 +02:00; 02:30 is skipped, so 03:00
    ("30 2 * * *", "Europe/Berlin", "2026-03-27T12:00",
     ["03-28 01:30", "03-29 01:00", "03-30 00:30"]),
    ("30 * * * *", "Europe/Berlin", "2026-03-28T23:50", ["03-29 00:30", "03-29 01:30"]),
    # Berlin 2026-10-25: 03:00 +02:00 becomes 02:00 +01:00; 02:30 comes twice, once is enough
    ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", ["10-25 00:30", "10-26 01:30"]),
    ("30 * * * *", "Europe/Berlin", "2026-10-25T00:00",
     ["10-25 00:30", "10-25 01:30", "10-25 02:30"]),
    # between the two 02:30: not a second time
    ("30 2 * * *", "Europe/Berlin", "2026-10-25T01:15", ["10-26 01:30"]),
    # New York 2026-03-08 and 2026-11-01, at 02:00
    ("15 2 * * *", "America/New_York", "2026-03-07T12:00", ["03-08 07:00", "03-09 06:15"]),
    ("15 1 * * *", "America/New_York", "2026-10-31T12:00", ["11-01 05:15", "11-02 06:15"]),
    # no daylight saving time, half hours
    ("0 2 * * *", "Asia/Kolkata", "2026-03-28T12:00", ["03-28 20:30", "03-29 20:30"]),
    ("0 0 29 2 *", "UTC", "2026-01-01T00:00", ["02-29 00:00", "02-29 00:00"]),
    ("0 9 * * MON-FRI", "UTC", "2026-11-27T12:00", ["11-30 09:00"]),
]  # fmt: skip  # a case each


@pytest.mark.parametrize(("cron", "zone", "after", "expected"), CASES)
def test_due(cron: str, zone: str, after: str, expected: list[str]) -> None:
    assert due(cron, zone, after, len(expected)) == expected


def test_a_leap_day_is_waited_for() -> None:
    assert next_due("0 0 29 2 *", "UTC", at("2026-01-01")).year == 2028


@pytest.mark.parametrize(
    "cron", ["", "x", "61 * * * *", "0 0 30 2 *", "* * * * * *", "0 2 * *", "@daily"]
)
def test_a_wrong_expression(cron: str) -> None:
    with pytest.raises(UsageError, match=r"The cron expression .* is wrong"):
        next_due(cron, "UTC", at("2026-01-01"))


@pytest.mark.parametrize("zone", ["Europe/Nowhere", "", "../etc/passwd", "Europe"])
def test_an_unknown_zone(zone: str) -> None:
    with pytest.raises(UsageError, match="no time zone"):
        next_due("0 2 * * *", zone, at("2026-01-01"))


@pytest.mark.parametrize("days", [0, 1, 3, 90, 400])
@pytest.mark.parametrize("cron", ["*/20 * * * *", "30 2 * * *", "0 0 1 * *", "0 0 1 1 *"])
def test_the_latest_is_that_of_counting_all(cron: str, days: int) -> None:
    zone = "Europe/Berlin"
    first = next_due(cron, zone, at("2025-10-20"))
    now = first + timedelta(days=days, minutes=7)
    naive = first
    while (later := next_due(cron, zone, naive)) <= now:
        naive = later
    assert latest_due(cron, zone, first, now) == naive


def test_years_of_missed_minutes_cost_little() -> None:
    now = at("2026-11-25T12:00:30")
    assert latest_due("* * * * *", "UTC", at("2000-01-01"), now) == at("2026-11-25T12:00")
