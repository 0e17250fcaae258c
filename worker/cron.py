"""When a cron expression is due, in a time zone with daylight saving time.

The rules of clock changes are those of Debian's cron, which cronsim follows. An hour that is
skipped: what was due in it at a fixed hour is due once, at the first minute after it. An hour that
comes twice: what has a fixed hour and minute is due the first time alone; what has `*` in the hour
or the minute field is due both times.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from ruie.errors import UsageError

_WINDOWS = (timedelta(hours=2), timedelta(days=2), timedelta(days=62))


@lru_cache(maxsize=256)
def zone(name: str) -> ZoneInfo:
    """The zone of an IANA name. Raises `UsageError`."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise UsageError(
            f"There is no time zone {name!r}.", "Give an IANA name: Europe/Berlin, UTC."
        ) from None


def next_due(cron: str, timezone: str, after: datetime) -> datetime:
    """The first due time after `after` (aware), in UTC. Raises `UsageError` for an expression that
    is wrong or never due, and for an unknown zone."""
    local = after.astimezone(zone(timezone))
    if len(cron.split()) != 5:
        raise UsageError(
            f"The cron expression {cron!r} is wrong: it needs five fields.",
            'Give minute, hour, day, month and weekday: "0 2 * * *".',
        )
    try:
        # Inside the second of two equal hours, cronsim begins with a time of the first.
        dues = (due.astimezone(UTC) for due in CronSim(cron, local))
        return next(due for due in dues if due > after)
    except (CronSimError, StopIteration) as error:
        why = str(error) or "it is never due"
        raise UsageError(
            f"The cron expression {cron!r} is wrong: {why[0].lower()}{why[1:]}.",
            'Give minute, hour, day, month and weekday: "0 2 * * *".',
        ) from None


def latest_due(cron: str, timezone: str, first: datetime, now: datetime) -> datetime:
    """The last due time at or before `now`; `first` is one. The search begins close to `now`, so
    that a year of missed minutes costs no more than two hours of them."""
    for window in (*_WINDOWS, now - first):
        start = max(first, now - window)
        due, latest = start, None
        while (due := next_due(cron, timezone, due)) <= now:
            latest = due
        if latest is not None:
            return latest
        if start == first:
            break
    return first
