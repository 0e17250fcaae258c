"""The table of all runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    """A Markdown table, most sentences first. Of an engine's runs, the figures are those of the
    one during which other processes used the least of the machine.

    asked: sentences in a run. tokens: of the first 8 prompts together.
    """
    calm = {name: min(of, key=lambda run: run["others_cores"]) for name, of in runs.items()}
    reference = calm[REFERENCE]["answers"] if REFERENCE in calm else None
    lines = [_line(_HEAD), _line(["---"] * len(_HEAD))]
    for name, run in sorted(calm.items(), key=lambda pair: pair[1]["wall_s"]):
        row = _row(run, reference, asked, tokens)
        lines.append(_line([name, *row, str(len(runs[name]))]))
    return "\n".join(lines)


def _row(
    run: Mapping[str, Any], reference: Sequence[str] | None, asked: int, tokens: int
) -> list[str]:
    pairs = zip(run["answers"], reference or [], strict=False)
    same = f"{sum(a == b for a, b in pairs)}/{asked}" if reference else "–"
    return [
        f"{60 * asked / run['wall_s']:.1f}",
        f"{run['cpu_s'] / asked:.2f}",
        f"{run['cpu_s'] / run['wall_s']:.2f}",
        f"{run['others_cores']:.2f}",
        f"{tokens / run['prefill_s']:.0f}",
        f"{run['decode_tokens_per_s']:.0f}",
        f"{run['installed_mb']:.0f}",
        f"{run['load_s']:.1f}",
        same,
    ]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
