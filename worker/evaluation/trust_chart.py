"""Two plots of confidences: how often records of a confidence are right, and precision against
recall of those above a bound."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING

from ruie.worker.evaluation.figures import as_png, new_figure
from ruie.worker.evaluation.trust import Trust

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999999")
"""From Okabe & Ito, "Color Universal Design" (2008)."""


def trust_chart(trusted: Sequence[Trust], title: str) -> bytes:
    """A PNG. Raises `UnavailableError` where matplotlib is not installed."""
    return as_png(draw(trusted, title))


def draw(trusted: Sequence[Trust], title: str) -> Figure:
    """The two, side by side; a line for each corpus, task and retriever."""
    figure = new_figure(9, 4.6)
    kept, bounded = figure.subplots(1, 2)
    kept.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=0.8, linestyle="--")
    for trust, colour in zip(trusted, cycle(COLOURS), strict=False):
        label = f"{trust.corpus} {trust.task}"
        label += f", {trust.retriever}" if len({t.retriever for t in trusted}) > 1 else ""
        kept.plot(
            [each.confidence for each in trust.fitted],
            [each.right for each in trust.fitted],
            color=colour, marker="o", markersize=4, linewidth=1.2,
        )  # fmt: skip  # what is drawn, and how
        bounded.plot(
            [each.recall for each in trust.curve],
            [each.precision for each in trust.curve],
            color=colour, linewidth=1.4, label=label,
        )  # fmt: skip  # likewise
    kept.set(xlabel="confidence, fitted", ylabel="share that is right", xlim=(0, 1), ylim=(0, 1))
    bounded.set(xlabel="recall", ylabel="precision", xlim=(0, None), ylim=(0, 1.02))
    for axes in (kept, bounded):
        axes.grid(color="#dddddd", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, x=0.02, ha="left", fontsize=12)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return figure
