"""The samples of million.py as a table: the first tenth, the last tenth, and how many times as much
the last one is."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

TENTH = 10

Sample = Mapping[str, Any]


def report(samples: Path, rebuilt: Path) -> None:
    """Print it as Markdown."""
    rows = [json.loads(line) for line in samples.read_text(encoding="utf-8").splitlines()]
    if len(rows) < 2:
        print(f"{len(rows)} samples: too few to compare")
        return
    many = max(1, len(rows) // TENTH)
    alone = [row for row in rows if not row["enqueueing"]]
    first, last = alone[:many], alone[-many:]
    print(
        f"\n{len(rows)} samples, {many} in a tenth, up to document {rows[-1]['documents']:,};"
        f" the first tenth is that after enqueueing, from document"
        f" {first[0]['documents']:,}\n"
    )
    print("| | first tenth | last tenth | ratio |\n|---|---|---|---|")
    for name in _names(rows):
        before, after = (statistics.median(_values(part, name)) for part in (first, last))
        ratio = f"{after / before:.2f}" if before else ""
        print(f"| {name} | {before:,.1f} | {after:,.1f} | {ratio} |")
    _print_tables(rows[0], rows[-1])
    if rebuilt.exists():
        _print_bloat(json.loads(rebuilt.read_text(encoding="utf-8")))


def _names(rows: Sequence[Sample]) -> Iterator[str]:
    """Of figures that a sample has itself, and of those in its groups."""
    plain = ("documents_per_s", "round_ms", "rounds_per_s", "status_ms", "scrape_ms", "wal_bytes",
             "redis_bytes", "queued")  # fmt: skip  # a list
    yield from plain
    for group in ("page_ms", "cpu_ms"):
        yield from (f"{group}: {name}" for name in sorted({n for row in rows for n in row[group]}))


def _values(rows: Sequence[Sample], name: str) -> list[float]:
    group, _, member = name.partition(": ")
    return [float(row[group].get(member, 0.0)) if member else float(row[name]) for row in rows]


def _print_tables(before: Sample, after: Sample) -> None:
    print(
        "\n| table | MB | indexes, MB | dead rows | HOT, % of updates | vacuums | analyzes |"
        " rows scanned a document | rows by index a document |"
        "\n|---|---|---|---|---|---|---|---|---|"
    )
    documents = max(1, after["documents"] - before["documents"])
    listed = sorted(after["tables"].items(), key=lambda one: -one[1]["bytes"])
    for name, row in listed:
        was = before["tables"].get(name, {})
        read = [(row[k] - was.get(k, 0)) / documents for k in ("seq_rows", "index_rows")]
        hot = 100 * row["hot"] / row["updated"] if row["updated"] else 0.0
        print(
            f"| `{name}` | {row['bytes'] / 1e6:,.0f} | {row['index_bytes'] / 1e6:,.0f} |"
            f" {row['dead']:,} | {hot:.0f} | {row['vacuums']} | {row['analyzes']} |"
            f" {read[0]:,.1f} | {read[1]:,.1f} |"
        )


def _print_bloat(sizes: Mapping[str, Sequence[int]]) -> None:
    print("\n| table with its indexes | MB | written anew, MB | ratio |\n|---|---|---|---|")
    for name, (before, after) in sorted(sizes.items(), key=lambda one: -one[1][0]):
        print(
            f"| `{name}` | {before / 1e6:,.0f} | {after / 1e6:,.0f} |"
            f" {before / max(1, after):.2f} |"
        )
