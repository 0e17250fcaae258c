"""How far confidences may be trusted, with the probabilities of tokens and without.

    python benchmarks/confidence.py --answers FOLDER [--limit 150] [--fit FILE] GOLD...

GOLD are annotated rows. They are asked as `ruie evaluate` asks them, of the endpoint of the
settings or of the local LLM, with the bundle of the settings; answers are kept in the folder. For
each corpus and task a line says how many records there were and how many were right, how well
confidences tell them apart (the area under the ROC curve: the chance that of a right and a wrong
record the right one has the higher), and the expected calibration error of the included model and
of one that was fitted to the other sentences. --fit writes the model that is fitted to all of them,
and says nothing of it.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.progress import Progress

from ruie.bundle import Bundle
from ruie.confidence.fitting import held_out
from ruie.confidence.judged import Judged
from ruie.confidence.model import ConfidenceModel, included
from ruie.confidence.reliability import bins, bounds, calibration_error
from ruie.records import Task
from ruie.settings import load
from ruie.worker.embedded.stack import local_llm
from ruie.worker.evaluation import run
from ruie.worker.evaluation.corpora import load_corpora
from ruie.worker.evaluation.predictions import Predictions
from ruie.worker.evaluation.run import Part
from ruie.worker.evaluation.trust import write_calibration

COLUMNS = (
    *("corpus", "task", "signals", "records", "right", "AUC", "error", "error, fitted"),
    *("F1", "best F1", "above"),
)


def measure(gold: Sequence[Path], folder: Path, limit: int, seed: int) -> list[Part]:
    """The answers to all rows."""
    config = load()
    bundle = Bundle.open(config.bundle)
    corpora = load_corpora(gold, None, limit, seed)
    with Predictions(folder) as kept, local_llm(config) as served, Progress() as bar:
        task = bar.add_task("asking", total=run.count_queries(corpora))
        _, parts = asyncio.run(
            run.run(served, corpora, {"trained": bundle}, kept, lambda n: bar.advance(task, n))
        )
    return parts


def cheap(judged: Sequence[Judged]) -> list[Judged]:
    """As where the endpoint says no probabilities."""
    return [replace(j, signals=replace(j.signals, log_probability=None)) for j in judged]


def area(confidences: Sequence[float], right: Sequence[bool]) -> float:
    """Under the ROC curve, by ranks (Mann and Whitney); equal ones count half."""
    good = [c for c, is_right in zip(confidences, right, strict=True) if is_right]
    bad = [c for c, is_right in zip(confidences, right, strict=True) if not is_right]
    if not good or not bad:
        return float("nan")
    won = sum((a > b) + (a == b) / 2 for a in good for b in bad)
    return won / (len(good) * len(bad))


def line(
    corpus: str, judged: Sequence[Judged], gold: int, signals: str, model: ConfidenceModel
) -> str:
    right = [each.right for each in judged]
    stated = [model.confidence(each.task, each.signals) for each in judged]
    fitted = held_out(judged)
    curve = bounds(fitted, right, gold)
    best = max(curve, key=lambda bound: bound.f1)
    cells = (
        corpus, str(judged[0].task), signals, f"{len(judged)}", f"{sum(right) / len(right):.2f}",
        f"{area(stated, right):.2f}", f"{calibration_error(bins(stated, right)):.3f}",
        f"{calibration_error(bins(fitted, right)):.3f}",
        f"{curve[-1].f1:.3f}", f"{best.f1:.3f}", f"{best.least:.2f}",
    )  # fmt: skip  # a row
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("gold", nargs="+", type=Path)
    parser.add_argument("--answers", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fit", type=Path)
    given = parser.parse_args()
    parts = measure(given.gold, given.answers, given.limit, given.seed)
    if given.fit:
        write_calibration(given.fit, parts)
    print(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|")
    for part in parts:
        everything = [each for one in part.predictions for each in one.judged]
        for task in Task:
            judged = [each for each in everything if each.task is task]
            gold = sum(p.strings.gold for p in part.predictions if p.gold.query.task is task)
            if judged:
                print(line(part.corpus, judged, gold, "all", included()))
                print(line(part.corpus, cheap(judged), gold, "without tokens", included()))


if __name__ == "__main__":
    main()
