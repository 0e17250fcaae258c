"""The table of all runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from llm_engines.catalogue import REFERENCE

_HEAD = (
    "engine",
    "sentences/min",
    "CPU s/sentence",
    "cores used",
    "by others",
    "prefill tok/s",
    "decode tok/s",
    "installed MB",
    "start s",
    "same answer",
    "runs",
)


def report(runs: Mapping[str, Sequence[Mapping[str, Any]]], asked: int, tokens: int) -> str:
    """A Markdown table; each figure is the median of an engine's runs, most sentences first.

    asked: sentences in a run. tokens: of the first 8 prompts together.
    """
    reference = next((run["answers"] for run in runs.get(REFERENCE, ())), None)
    rows = {name: _row(results, reference, asked, tokens) for name, results in runs.items()}
    lines = [_line(_HEAD), _line(["---"] * len(_HEAD))]
    for name, row in sorted(rows.items(), key=lambda pair: -float(pair[1][0])):
        lines.append(_line([name, *row]))
    return "\n".join(lines)


def _row(
    results: Sequence[Mapping[str, Any]], reference: Sequence[str] | None, asked: int, tokens: int
) -> list[str]:
    of = {key: median(run[key] for run in results) for key in results[0] if key != "answers"}
    pairs = zip(results[0]["answers"], reference or [], strict=False)
    same = f"{sum(a == b for a, b in pairs)}/{asked}" if reference else "–"
    return [
        f"{60 * asked / of['wall_s']:.1f}",
        f"{of['cpu_s'] / asked:.2f}",
        f"{of['cpu_s'] / of['wall_s']:.2f}",
        f"{of['others_cpu_s'] / of['wall_s']:.2f}",
        f"{tokens / of['prefill_s']:.0f}",
        f"{of['decode_tokens_per_s']:.0f}",
        f"{of['installed_mb']:.0f}",
        f"{of['load_s']:.1f}",
        same,
        str(len(results)),
    ]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
