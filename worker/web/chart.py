"""Small charts as SVG: numbers in, shapes out. Colours come from the style sheet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 640, 120
LEFT, BOTTOM, TOP = 52, 22, 12
"""Room for the numbers beside and below, and above the highest value."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A number at the edge and where it stands."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Bar:
    """title: what a pointer on it shows."""

    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(frozen=True, slots=True)
class Chart:
    """bars or a line (points of an SVG polyline). level: the height of a limit, None without one,
    and level_said: the limit in words. said: the chart in words."""

    bars: tuple[Bar, ...]
    line: str
    rows: tuple[Tick, ...]
    columns: tuple[Tick, ...]
    said: str
    level: float | None = None
    level_said: str = ""
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    floor: int = HEIGHT - BOTTOM


def chart(
    values: Sequence[float],
    labels: Sequence[str],
    what: str,
    *,
    kind: str = "bar",
    limit: float | None = None,
    height: int = HEIGHT,
) -> Chart:
    """A chart of one row of numbers. labels: one a number, of which some are shown below. limit: a
    level that is drawn across. Negative numbers hang from zero."""
    floor = height - BOTTOM
    top = _ceiling(max([0.0, *values, limit or 0.0]))
    low = -_ceiling(-min([0.0, *values])) if min([0.0, *values]) < 0 else 0.0

    def y(value: float) -> float:
        return round(floor - (floor - TOP) * (value - low) / ((top - low) or 1), 2)

    step = (WIDTH - LEFT) / max(1, len(values))
    titles = [f"{label}: {shown(value)}" for label, value in zip(labels, values, strict=True)]
    bars: tuple[Bar, ...] = ()
    line = ""
    if kind == "line":
        line = " ".join(
            f"{LEFT + step * (place + 0.5):.2f},{y(value)}" for place, value in enumerate(values)
        )
    else:
        bars = tuple(
            Bar(
                round(LEFT + step * place + step * 0.1, 2),
                min(y(value), y(0.0)),
                round(step * 0.8, 2),
                round(abs(y(0.0) - y(value)), 2),
                titles[place],
            )
            for place, value in enumerate(values)
        )
    rows = tuple(Tick(y(value), shown(value)) for value in dict.fromkeys((low, 0.0, top / 2, top)))
    every = max(1, math.ceil(len(labels) / 6))
    columns = tuple(
        Tick(round(LEFT + step * (place + 0.5), 2), labels[place][:14])
        for place in range(0, len(labels), every)
    )
    level = None if limit is None else y(limit)
    level_said = "" if limit is None else f"limit {shown(limit)}"
    said = _said(what, values, labels, limit)
    return Chart(bars, line, rows, columns, said, level, level_said, height=height, floor=floor)


def shown(value: float) -> str:
    """`1,200`, `1.5 M`, `0.25`."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e4)):
        if abs(value) >= size:
            whole = value / (1e3 if unit == "k" else size)
            return f"{whole:,.1f}".removesuffix(".0") + f" {unit}"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.3g}"


def _ceiling(value: float) -> float:
    """The next number that reads well: 1, 2 or 5 and zeros."""
    if value <= 0:
        return 1.0
    size = 10.0 ** math.floor(math.log10(value))
    return float(next(size * step for step in (1, 2, 5, 10) if size * step >= value))


def _said(what: str, values: Sequence[float], labels: Sequence[str], limit: float | None) -> str:
    if not values:
        return f"{what}: nothing yet."
    most = max(range(len(values)), key=values.__getitem__)
    said = f"{what}: last {shown(values[-1])}, most {shown(values[most])} at {labels[most]}"
    return f"{said}, of {shown(limit)}." if limit is not None else f"{said}."
