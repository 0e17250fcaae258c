"""On PYTHONPATH of a process: its clock is CHAOS_CLOCK_S seconds ahead (negative: behind).

Wall-clock time only; monotonic time, as on a machine whose date is wrong, is right.
"""

from __future__ import annotations

import datetime
import os
import time
from datetime import datetime as _datetime
from typing import Any

_SHIFT = float(os.environ.get("CHAOS_CLOCK_S", "0"))
_time, _time_ns = time.time, time.time_ns


class _Meta(type):
    """What C code makes is of the true class, and is one of these all the same."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _datetime)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, _datetime)


class _Shifted(_datetime, metaclass=_Meta):
    def __new__(cls, *args: Any, **more: Any) -> Any:
        return _datetime(*args, **more)

    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return _datetime.now(tz) + datetime.timedelta(seconds=_SHIFT)

    @classmethod
    def utcnow(cls) -> Any:
        return _datetime.now(datetime.UTC).replace(tzinfo=None) + datetime.timedelta(seconds=_SHIFT)

    @classmethod
    def today(cls) -> Any:
        return cls.now()


if _SHIFT:
    time.time = lambda: _time() + _SHIFT
    time.time_ns = lambda: _time_ns() + int(_SHIFT * 1e9)
    datetime.datetime = _Shifted  # type: ignore[misc]  # the point of this file
