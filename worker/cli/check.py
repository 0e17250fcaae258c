"""The result of a check of `ruie doctor`."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """The result of a check. hint: how to fix what is wrong."""

    part: str
    ok: bool
    detail: str
    hint: str = ""

    def document(self) -> dict[str, str | bool]:
        """As JSON. The last three keys are the names of version 0.1."""
        aliases = {"well": self.ok, "found": self.detail, "mend": self.hint}
        return asdict(self) | aliases
