"""`Results`: the results of several texts, and the warning that some lack records."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ruie import marked_html
from ruie.errors import FailedCallsWarning
from ruie.frame import to_frame
from ruie.result import Result, excerpt

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 20
"""Results that a notebook shows of a list."""


class Results(list[Result]):
    """The results of several texts, in their order."""

    @property
    def incomplete(self) -> list[Result]:
        """Those that lack records, because a call failed."""
        return [result for result in self if not result.complete]

    def to_frame(self) -> pd.DataFrame:
        """The spans as a pandas frame; see `ruie.to_frame`."""
        return to_frame(self)

    def _repr_html_(self) -> str:
        shown = self[:SHOWN]
        bodies = [result.html() for result in shown]
        if incomplete := len(self.incomplete):
            bodies.insert(0, marked_html.failed([f"{incomplete} of {len(self)} texts"]))
        if len(self) > SHOWN:
            bodies.append(marked_html.note(f"The first {SHOWN} of {len(self)} texts."))
        types: dict[str, set[str]] = {}
        for result in shown:
            for kind, names in result.types().items():
                types[kind] = types.get(kind, set()) | names
        return marked_html.fragment(bodies, types)


def warning_of(results: Iterable[Result]) -> FailedCallsWarning | None:
    """What to warn of: texts that lack records. None if none does."""
    listed = list(results)
    incomplete = [result for result in listed if not result.complete]
    if not incomplete:
        return None
    first = incomplete[0]
    task, error = first.failures()[0]
    which = f"{len(incomplete)} of {len(listed)} texts lack" if len(listed) > 1 else "A text lacks"
    return FailedCallsWarning(
        f"{which} records, because calls failed: {task} of {excerpt(first.text)}: {error}"
    )
