"""What an evaluation writes: `evaluation.json`, `evaluation.md`, and two pictures,
`evaluation.png` and `confidence.png`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ruie import __version__
from ruie.annotations import Corpus
from ruie.bootstrap import LEVEL, RESAMPLES
from ruie.errors import UnavailableError
from ruie.files import write_atomically
from ruie.mistakes import Mistake
from ruie.prompts import PROMPT_VERSION
from ruie.questioner import Retriever
from ruie.settings import Settings
from ruie.worker.client import decoding
from ruie.worker.evaluation.chart import chart
from ruie.worker.evaluation.summary import Line
from ruie.worker.evaluation.tables import Grid, grids
from ruie.worker.evaluation.trust import Trust
from ruie.worker.evaluation.trust_chart import trust_chart
from ruie.worker.prices import Price

DATA, TABLES, CHART = "evaluation.json", "evaluation.md", "evaluation.png"
TRUST_CHART = "confidence.png"


@dataclass(frozen=True, slots=True)
class Report:
    """The figures, and everything that they depend on."""

    settings: Mapping[str, Any]
    lines: Sequence[Line]
    price: Price | None
    trusted: Sequence[Trust] = ()

    def document(self) -> dict[str, Any]:
        """The whole report as plain JSON values."""
        return {
            "settings": dict(self.settings),
            "price": self.price and asdict(self.price),
            "results": [_plain(line) for line in self.lines],
            "confidence": [_trust_plain(each) for each in self.trusted],
        }

    def title(self) -> str:
        """The model, and the number of demonstrations."""
        return f"{self.settings['model']}, k = {self.settings['k']}"

    def notes(self) -> Iterator[tuple[str, str]]:
        """How to read the tables, and what it cost."""
        s = self.settings
        sentences = ", ".join(f"{c['sentences']:,} of {n}" for n, c in s["corpora"].items())
        yield "sentences", sentences + (f" (samples, seed {s['seed']})" if s["limit"] else "")
        yield "F1", "of strings; in the column 'F1 offsets' the offsets must be right too"
        yield (
            "95 %",
            f"percentile bootstrap over sentences, {s['resamples']:,} resamples, seed {s['seed']};"
            " differences are paired",
        )
        if self.trusted:
            yield (
                "confidence",
                "error: expected calibration error, in tenths; fitted: to other sentences",
            )
        queries = sum(line.evaluation.queries for line in self.lines)
        if failed := sum(line.evaluation.failed for line in self.lines):
            yield "failed", f"{failed:,} of {queries:,} calls; each counts as an empty answer"
        if self.price is None:
            yield "cost", f"unknown: RUIE_LLM_PRICES has no price for {s['model']}"
        else:
            total = sum(line.cost_usd for line in self.lines if line.cost_usd is not None)
            rate = f"{self.price.input:g} USD for a million tokens in, {self.price.output:g} out"
            yield "cost", f"{total:,.4f} USD at {rate} ({self.price.stated})"

    def markdown(self, picture: bool) -> str:
        """The tables. picture: whether the chart is there to be linked."""
        parts = [f"# Evaluation: {self.title()}"]
        if picture:
            parts.append(f"![F1 of each corpus and retriever]({CHART})")
            if self.trusted:
                parts.append(f"![Confidence, and what a bound on it leaves]({TRUST_CHART})")
        every = grids(self.lines, self.trusted)
        parts += [f"## {grid.title}\n\n{_markdown(grid)}" for grid in every]
        parts.append("## Notes\n\n" + "\n".join(f"- {name}: {note}" for name, note in self.notes()))
        return "\n\n".join(parts) + "\n"

    def save(self, folder: Path) -> None:
        """Write the files, each completely or not at all.

        Raises `UnavailableError` after the others are written if the chart cannot be drawn.
        """
        body = json.dumps(self.document(), ensure_ascii=False, indent=2) + "\n"
        write_atomically(folder / DATA, body.encode("utf-8", "surrogatepass"))
        missing: UnavailableError | None = None
        try:
            write_atomically(folder / CHART, chart(self.lines, self.title()))
            if self.trusted:
                drawn = trust_chart(self.trusted, self.title())
                write_atomically(folder / TRUST_CHART, drawn)
        except UnavailableError as error:
            missing = error
        write_atomically(
            folder / TABLES, self.markdown(missing is None).encode("utf-8", "surrogatepass")
        )
        if missing is not None:
            raise missing


def described(
    config: Settings,
    model: str,
    bundle: str,
    corpora: Mapping[str, Corpus],
    retrievers: Mapping[str, Retriever],
    limit: int,
    seed: int,
) -> dict[str, Any]:
    """Everything that the figures depend on. bundle: its digest."""
    return {
        "ruie": __version__,
        "model": model,
        "endpoint": urlsplit(config.llm_base_url).hostname or "a local model",
        "k": config.demonstrations,
        "decoding": {**decoding(config).body(), "stop": list(decoding(config).stop)},
        "prompt_version": PROMPT_VERSION,
        "bundle": bundle,
        "retrievers": {name: retriever.digest for name, retriever in retrievers.items()},
        "corpora": {
            name: {"schema": corpus.schema.digest, "sentences": len(corpus.rows)}
            for name, corpus in corpora.items()
        },
        "limit": limit,
        "seed": seed,
        "resamples": RESAMPLES,
        "level": LEVEL,
    }


def _plain(line: Line) -> dict[str, Any]:
    sums, other = line.evaluation, line.difference
    s, o = sums.strings, sums.offsets
    return {
        "corpus": line.corpus,
        "task": str(sums.task),
        "retriever": line.retriever,
        "sentences": line.sentences,
        "queries": sums.queries,
        "failed": sums.failed,
        **asdict(s),
        "precision": s.precision,
        "recall": s.recall,
        "f1": s.f1,
        "f1_interval": list(line.interval),
        "difference": other
        and {"to": other.to, "f1": other.value, "interval": list(other.interval)},
        "offsets": {**asdict(o), "precision": o.precision, "recall": o.recall, "f1": o.f1},
        "prompt_tokens": sums.prompt_tokens,
        "completion_tokens": sums.completion_tokens,
        "cost_usd": line.cost_usd,
        "mistakes": {str(kind): sums.mistakes[kind] for kind in Mistake},
    }


def _trust_plain(trust: Trust) -> dict[str, Any]:
    return {
        "corpus": trust.corpus,
        "task": str(trust.task),
        "retriever": trust.retriever,
        "items": trust.records,
        "right": trust.right,
        "with_tokens": trust.with_tokens,
        "calibration_error": trust.error,
        "calibration_error_fitted": trust.fitted_error,
        "bins": [asdict(each) for each in trust.stated],
        "bins_fitted": [asdict(each) for each in trust.fitted],
        "curve": [{**asdict(each), "f1": each.f1} for each in trust.curve],
    }


def _markdown(grid: Grid) -> str:
    header = f"| {' | '.join(grid.columns)} |"
    alignment = ["---" if i < grid.keys else "---:" for i in range(len(grid.columns))]
    rows = ["| " + " | ".join(map(_cell, row)) + " |" for row in grid.rows]
    return "\n".join([header, f"|{'|'.join(alignment)}|", *rows])


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    text = f"{value:,}" if isinstance(value, int) else " ".join(str(value).split())
    return text.replace("|", r"\|")
