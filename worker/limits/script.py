"""script.lua, and what it is given and returns beside the fixed part of its document."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

SCRIPT = Path(__file__).with_name("script.lua").read_text(encoding="utf-8")


@dataclass(slots=True)
class Report:
    """What has happened since the last run; the script explains the fields."""

    settle: list[tuple[str, int, int, int, int]] = field(default_factory=list)
    throttle: float | None = None
    learn: list[tuple[Any, ...]] = field(default_factory=list)
    good: int = 0
    tally: int = 0
    admitted: int = 0
    waited_s: float = 0.0

    @property
    def due(self) -> bool:
        """Whether it is reported even if no call waits."""
        return bool(self.settle or self.learn) or self.throttle is not None

    def document(self) -> dict[str, Any]:
        values: dict[str, Any] = {"settle": self.settle, "good": self.good, "tally": self.tally}
        if self.throttle is not None:
            values["throttle"] = self.throttle
        if self.learn:
            values["learn"] = self.learn
        if self.admitted:
            values["waited"] = (self.admitted, self.waited_s)
        return values

    def restore(self, lost: Report) -> None:
        """Take up a report that did not arrive. What was settled in it may have, and the window
        empties by itself: that is not repeated."""
        if self.throttle is None:
            self.throttle = lost.throttle
        self.learn = self.learn or lost.learn


class Reply(NamedTuple):
    """first: the number of the first permit it may have granted. The rest is what the script
    returns, in its order."""

    first: int
    admitted: int
    wait_us: int
    slot: int
    free: int
    closed: int
