"""What the commands print: tables for people, plain lines in a log, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.console import Group
from rich.table import Table
from rich.text import Text

from ruie.console import Console
from ruie.secrets import masked, without_known_in
from ruie.shown import data_output, harmless

if TYPE_CHECKING:
    from ruie.db.jobs import NewInputError

console = Console(highlight=False)
error_console = Console(stderr=True, highlight=False)

NUMBERS = (int, float)
GAP = 2
"""Spaces between two columns of a table."""


def print_json(value: Any) -> None:
    """One JSON document on standard output; what documents say in it stays as it is."""
    text = json.dumps(without_known_in(value), ensure_ascii=False, indent=2, default=str)
    data_output().write(text + "\n")


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    title: str = "",
    wrap: str | tuple[str, ...] = (),
) -> Table:
    """A table without a grid, numbers to the right. Only the columns of `wrap` fold their texts."""
    folded = (wrap,) if isinstance(wrap, str) else wrap
    cells = [list(row) for row in rows]
    grid = Table(
        title=cell(title) or None,
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
        header_style="dim",
        show_header=any(columns),
    )
    for i, name in enumerate(columns):
        values = [row[i] for row in cells if row[i] is not None]
        numeric = bool(values) and all(isinstance(value, NUMBERS) for value in values)
        grid.add_column(
            cell(name),
            justify="right" if numeric else "left",
            overflow="fold" if name in folded else "ellipsis",
            no_wrap=name not in folded,
        )
    for row in cells:
        grid.add_row(*(value if isinstance(value, Text) else cell(value) for value in row))
    return grid


def table_width(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """Columns of the terminal that `table` needs to show every value in full."""
    widths = [cell_len(shown(name)) for name in columns]
    for row in rows:
        widths = [
            max(width, cell_len(shown(value))) for width, value in zip(widths, row, strict=True)
        ]
    return sum(widths) + GAP * max(0, len(widths) - 1)


def block(columns: Sequence[str], row: Sequence[Any], title: str) -> Group:
    """A row with one column a line, for rows that are wider than the terminal; long values go on in
    the next line, below their beginning."""
    lines = Table(box=None, pad_edge=False, show_header=False)
    lines.add_column(style="dim", no_wrap=True)
    lines.add_column(overflow="fold")
    for name, value in zip(columns, row, strict=True):
        lines.add_row(cell(name), cell(value))
    return Group(Text(title, style="bold"), lines, "")


def cell(value: Any) -> str:
    """A value as `shown`, in rich's markup."""
    from rich.markup import escape

    return escape(shown(value))


def shown(value: Any) -> str:
    """A value as text: thousands separated, three decimals for a float, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.3f}"
    return harmless(masked(" ".join(str(value).split())))


def counted(number: int, noun: str) -> str:
    """`1 item`, `1,200 items`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def percent(share: float) -> str:
    """A share from 0 to 1: `12 %`, `0.4 %`."""
    if 0 < share < 0.001:
        return "< 0.1 %"
    return f"{100 * share:.1f}".removesuffix(".0") + " %"


def duration(seconds: float) -> str:
    """`45 s`, `3 min 5 s`, `2 h 10 min`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def file_size(size: int) -> str:
    """Bytes, in powers of a thousand: `900 B`, `1.2 MB`, `31 GB`."""
    number, unit = float(size), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if number < 999.5 or unit == "TB":
            break
        number /= 1000
    return f"{number:.1f} {unit}" if number < 10 and unit != "B" else f"{number:.0f} {unit}"


def timestamp(at: datetime) -> str:
    """A time to the second, in UTC as it is stored."""
    return at.strftime("%Y-%m-%d %H:%M:%S")


def print_refusals(errors: Iterable[NewInputError]) -> None:
    """A line for each piece of input that was refused, with source and line."""
    for error in errors:
        where = f"{error.source}:{error.line}" if error.line else str(error.source)
        error_console.print(f"refused  {where}  {error.reason}", soft_wrap=True, markup=False)


@contextmanager
def document_counter(label: str) -> Iterator[Callable[[int], None]]:
    """A callback that shows the number of documents, on a terminal."""
    if not error_console.is_terminal:
        yield lambda _: None
        return
    with error_console.status(label) as line:
        yield lambda count: line.update(f"{label}: {count:,} documents")
