"""Whether what processes hold stays flat, from the samples of soak.py, and pictures of it.

    python benchmarks/soak_curves.py FOLDER [--plot soak.svg]

A life is one process from its start to its end. Flat is what is within 5 % (or 1, of what is
counted) after the first ten minutes of a life, the mean of the first two minutes after them
compared with that of the last two; and, across the lives of one role, at the same age.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WARM_S, ENDS_S = 600.0, 120.0
"""What a process takes to have seen everything, and what is averaged at both ends."""
MOST = 0.05
MEASURES = ("pss_kb", "rss_kb", "threads", "fds", "sockets")
ROLES = (
    *("coordinator 1", "coordinator 2", "worker 1", "worker 2", "worker 1's child"),
    *("worker 2's child", "web", "postgresql", "redis"),
)
"""In the order of their colours."""
Point = tuple[float, float]
Row = Mapping[str, Any]


@dataclass
class Life:
    """One process: its values by measure, each with the age at which it was taken, seconds."""

    role: str
    pid: int
    began: float
    values: dict[str, list[Point]] = field(default_factory=lambda: defaultdict(list))

    @property
    def length_s(self) -> float:
        return max(age for points in self.values.values() for age, _ in points)

    def mean(self, measure: str, first_s: float, last_s: float) -> float | None:
        """Of the values between two ages."""
        found = [value for age, value in self.values[measure] if first_s <= age <= last_s]
        return statistics.fmean(found) if found else None

    def growth(self, measure: str) -> tuple[float, float] | None:
        """The means after the first ten minutes and at the end; None where it lived too briefly."""
        if self.length_s < WARM_S + 2 * ENDS_S:
            return None
        first = self.mean(measure, WARM_S, WARM_S + ENDS_S)
        last = self.mean(measure, self.length_s - ENDS_S, self.length_s)
        return (first, last) if first is not None and last is not None else None


def read(folder: Path, name: str) -> list[dict[str, Any]]:
    lines = (folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def lives(samples: Sequence[Row]) -> list[Life]:
    """Of all processes, servers too. Of what belongs to none (temporary files) there is one."""
    found: dict[tuple[str, int], Life] = {}
    for sample in samples:
        for role, pid, values in _holders(sample):
            life = found.setdefault((role, pid), Life(role, pid, sample["t"]))
            for measure, value in values.items():
                life.values[measure].append((sample["t"] - life.began, value))
    return list(found.values())


def _holders(sample: Mapping[str, Any]) -> Iterator[tuple[str, int, dict[str, float]]]:
    for one in sample["processes"]:
        if one["role"] == "endpoint":
            continue  # it is no part of ruie
        yield one["role"], one["pid"], {name: one[name] for name in MEASURES}
    for server, measures in (
        ("postgresql", ("pss_kb", "processes", "fds")),
        ("redis", ("pss_kb", "used_kb", "clients", "keys", "fds")),
    ):
        if held := sample[server]:
            yield server, held["pid"], {name: held[name] for name in measures}
    yield "temporary files", 0, {"files": sample["temporary"]["files"]}


def is_flat(first: float, last: float, measure: str) -> bool:
    return last - first <= max(MOST * first, 0.0 if measure.endswith("_kb") else 1.0)


Ends = Mapping[str, tuple[float, float]]
"""By measure: what it was first, and last."""


def within(found: Sequence[Life]) -> list[str]:
    """A row for each life that was long enough."""
    table = [_header("minutes")]
    for life in found:
        ends = {m: g for m in life.values if (g := life.growth(m))}
        if ends:
            until = (life.began + life.length_s) / 60
            table.append(_row(life.role, f"{life.began / 60:.0f} to {until:.0f}", ends))
    return table


def across(found: Sequence[Life]) -> list[str]:
    """A row for each role with several lives: the means of the first and of the second half of
    them, at the same age."""
    by_role: defaultdict[str, list[Life]] = defaultdict(list)
    for life in found:
        by_role[re.sub(r" \d'", "'", life.role)].append(life)
    table = [_header("lives")]
    for role, some in by_role.items():
        long = [life for life in some if life.length_s > 2 * ENDS_S]
        if len(long) < 2:
            continue
        age = min(min(life.length_s for life in long), WARM_S + ENDS_S)
        ends: dict[str, tuple[float, float]] = {}
        for measure in long[0].values:
            means = [life.mean(measure, age - ENDS_S, age) for life in long]
            known = [mean for mean in means if mean is not None]
            half = len(known) // 2
            ends[measure] = statistics.fmean(known[:half]), statistics.fmean(known[-half:])
        table.append(_row(role, f"{len(long)}, aged {age / 60:.0f} min", ends))
    return table


def _header(what: str) -> str:
    names = ("memory (PSS), MB", "memory (RSS), MB", "threads", "handles", "sockets", "more")
    return f"| process | {what} | {' | '.join(names)} |\n|{'---|' * (2 + len(names))}"


def _row(role: str, when: str, ends: Ends) -> str:
    cells = [_words(measure, *ends[measure]) if measure in ends else "" for measure in MEASURES]
    more = [f"{m.removesuffix('_kb')} {_words(m, *ends[m])}" for m in ends if m not in MEASURES]
    return f"| {' | '.join([role, when, *cells, ', '.join(more)])} |"


def _words(measure: str, first: float, last: float) -> str:
    unit = 1024 if measure.endswith("_kb") else 1
    mark = "" if is_flat(first, last, measure) else " **!**"
    share = f" ({100 * (last / first - 1):+.1f} %)" if first else ""
    return f"{first / unit:.1f} → {last / unit:.1f}{share}{mark}"


def plot(samples: Sequence[Row], events: Sequence[Row], to: Path) -> None:
    """One picture: memory, threads, handles, connections, the database, the pages, by time."""
    import matplotlib

    matplotlib.use("agg")
    matplotlib.rcParams["svg.hashsalt"] = "ruie"  # the same picture makes the same file
    matplotlib.rcParams["svg.fonttype"] = "none"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(4, 2, figsize=(10, 11), sharex=True, layout="constrained")
    found = lives(samples)
    small = [life for life in found if life.role != "postgresql"]
    _lives(axes[0][0], found, "pss_kb", "memory, MB (PSS)")
    _lives(axes[0][1], small, "threads", "threads")
    _lives(axes[1][0], small, "fds", "file handles")
    axes[0][0].legend(fontsize=6, ncols=3)
    for axis, title, curves in (
        (axes[1][1], "connections", {
            "to PostgreSQL": lambda s: sum(s["postgresql"].get("connections", {}).values()) or None,
            "to Redis": lambda s: s["redis"].get("clients"),
        }),
        (axes[2][0], "database, MB", {
            "on disk": lambda s: _scaled(s["postgresql"].get("bytes"), 1e6),
        }),
        (axes[2][1], "temporary files, and Redis", {
            "temporary files": lambda s: s["temporary"]["files"],
            "keys in Redis": lambda s: s["redis"].get("keys"),
            "memory of Redis, 0.1 MB": lambda s: _scaled(s["redis"].get("used_kb"), 102.4),
        }),
        (axes[3][0], "work items that are open, thousands", {
            "all": lambda s: _scaled(s["postgresql"].get("open_items"), 1000),
        }),
        (axes[3][1], "median of a minute, ms", {
            **{
                "page of the job" if path.startswith("/jobs/") else f"page {path}":
                    lambda s, path=path: s["pages"][path].get("p50")
                for path in samples[-1]["pages"]
            },
            "status of the job": lambda s: s.get("status_ms"),
        }),
    ):  # fmt: skip  # a table of curves
        for label, value in curves.items():
            _curve(axis, samples, label, value)
        axis.set_title(title, fontsize=9)
        axis.set_ylim(bottom=0)
        if len(curves) > 1:
            axis.legend(fontsize=6)
    for axis in axes.flat:
        axis.grid(alpha=0.3)
        for event in events:
            axis.axvline(event["t"] / 60, color="0.85", linewidth=0.5, zorder=0)
    for axis in axes[-1]:
        axis.set_xlabel("minutes")
    figure.savefig(to, metadata={"Date": None} if to.suffix == ".svg" else None)


def _lives(axis: Any, found: Sequence[Life], measure: str, title: str) -> None:
    """A line for each life, in the colour of its role."""
    unit = 1024 if measure.endswith("_kb") else 1
    seen: set[str] = set()
    for life in found:
        if points := [(life.began + age, value / unit) for age, value in life.values[measure]]:
            label = None if life.role in seen else life.role
            seen.add(life.role)
            colour = f"C{ROLES.index(life.role)}" if life.role in ROLES else "0.5"
            axis.plot(*zip(*minutes(points), strict=True), color=colour, label=label, linewidth=0.9)
    axis.set_title(title, fontsize=9)
    axis.set_ylim(bottom=0)


def _curve(axis: Any, samples: Sequence[Row], label: str, value: Any) -> None:
    points = [(s["t"], found) for s in samples if (found := value(s)) is not None]
    if points:
        axis.plot(*zip(*minutes(points), strict=True), label=label, linewidth=0.9)


def _scaled(value: float | None, unit: float) -> float | None:
    return None if value is None else value / unit


def minutes(points: Sequence[Point]) -> list[Point]:
    """The medians of two minutes each, by minutes."""
    by_time: defaultdict[int, list[float]] = defaultdict(list)
    for at, value in points:
        by_time[int(at // 120)].append(value)
    return [(2 * n + 1, float(f"{statistics.median(v):.4g}")) for n, v in by_time.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--plot", type=Path)
    given = parser.parse_args()
    samples, events = read(given.folder, "samples"), read(given.folder, "events")
    found = lives(samples)
    print("\n".join(["within a life:", *within(found), "", "across lives:", *across(found)]))
    if given.plot:
        plot(samples, events, given.plot)


if __name__ == "__main__":
    sys.exit(main())
