"""What became of a batch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Outcome:
    """What became of a batch's items."""

    leased: int = 0
    reused: int = 0
    saved: int = 0
    submitted: int = 0
    """Items whose requests wait to be sent in a batch."""
    failed: int = 0
    returned: int = 0
    lost: int = 0
    """Items whose lease ran out, because it was not renewed in time."""
