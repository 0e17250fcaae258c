"""The bar chart: F1 with its interval, corpora as groups, a bar for each retriever."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ruie.retrievers import NAMES
from ruie.worker.evaluation.figures import as_png, new_figure
from ruie.worker.evaluation.summary import Line

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = {
    "random": "#999999",
    "bm25": "#E69F00",
    "base": "#56B4E9",
    "similarity": "#009E73",
    "trained": "#0072B2",
}
"""Distinguishable with every common kind of colour vision, and in grey. From Okabe & Ito, "Color
Universal Design" (2008)."""

BAR = 0.26
"""Height of a bar, inches."""
GAP = 0.3
"""Between groups, inches."""


def chart(lines: Sequence[Line], title: str) -> bytes:
    """A PNG. Raises `UnavailableError` where matplotlib is not installed."""
    return as_png(draw(lines, title))


def draw(lines: Sequence[Line], title: str) -> Figure:
    """A horizontal bar chart, so that corpora's names have room however many there are."""
    groups = list(dict.fromkeys(map(_group, lines)))
    names = [name for name in NAMES if any(line.retriever == name for line in lines)]
    pitch = BAR * len(names) + GAP
    figure = new_figure(8, pitch * len(groups) + 1.5)
    axes = figure.subplots()
    for index, name in enumerate(names):
        shown = [line for line in lines if line.retriever == name]
        offset = (index - (len(names) - 1) / 2) * BAR
        middles = [groups.index(_group(line)) * pitch + offset for line in shown]
        below = [max(0.0, line.f1 - line.interval.low) for line in shown]
        above = [max(0.0, line.interval.high - line.f1) for line in shown]
        axes.barh(
            middles,
            [line.f1 for line in shown],
            BAR * 0.86,
            color=COLOURS[name],
            label=name,
            xerr=[below, above],
            error_kw={"elinewidth": 1, "capsize": 2.5, "ecolor": "#333333"},
        )
        for middle, line, reach in zip(middles, shown, above, strict=True):
            axes.annotate(
                f"{line.f1:.3f}",
                (line.f1 + reach, middle),
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
                fontsize=9,
            )
    axes.set_yticks([i * pitch for i in range(len(groups))], [_label(*group) for group in groups])
    axes.invert_yaxis()
    axes.margins(y=0.02)
    right = max(max(line.f1, line.interval.high) for line in lines)
    axes.set_xlim(0, 1.1 * right or 1)
    axes.set_xlabel("F1, with the 95 % interval")
    axes.grid(axis="x", color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    figure.suptitle(textwrap.fill(title, 70), x=0.02, ha="left", fontsize=12)
    if len(names) > 1:
        figure.legend(loc="outside lower center", ncols=len(names), frameon=False)
    return figure


def _group(line: Line) -> tuple[str, str]:
    return line.corpus, str(line.evaluation.task)


def _label(corpus: str, task: str) -> str:
    return f"{textwrap.fill(corpus, 28)}\n{task}"
