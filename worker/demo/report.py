"""The report of the demo: records, scores, cost, and SQL to try."""

from __future__ import annotations

import shlex
import shutil
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from ruie.db.engine import reading
from ruie.db.progress import progress
from ruie.db.query import run_readonly
from ruie.settings import Settings
from ruie.worker.demo import gold
from ruie.worker.terminal import cell, console, table

QUERIES = (
    (
        "Which entities were found most often?",
        """SELECT type, text, COUNT(*) AS mentions
FROM entity_mentions
GROUP BY type, text
ORDER BY mentions DESC, type, text
LIMIT 5""",
    ),
    (
        "Who or what stands in which relation?",
        """SELECT head_text, type, tail_text
FROM relation_mentions
ORDER BY type, head_text
LIMIT 5""",
    ),
    (
        "What moved in the oil market, and what is known about it?",
        """SELECT type, trigger_text, role, argument_text
FROM event_mentions
WHERE role IS NOT NULL
ORDER BY type, event_id, role
LIMIT 6""",
    ),
)

NEXT_QUERY = "SELECT name, task, items, done FROM job_progress"
FILE_URL = "sqlite:///"
_EXTRACTED = """
SELECT 'entities' AS records, COUNT(*) AS found, COUNT(DISTINCT type) AS types,
    COUNT(DISTINCT document_id) AS sentences FROM entity_mentions
UNION ALL SELECT 'relations', COUNT(*), COUNT(DISTINCT type), COUNT(DISTINCT document_id)
    FROM relation_mentions
UNION ALL SELECT 'events', COUNT(DISTINCT event_id), COUNT(DISTINCT type),
    COUNT(DISTINCT document_id) FROM event_mentions
UNION ALL SELECT 'event arguments', COUNT(*), COUNT(DISTINCT role),
    COUNT(DISTINCT document_id) FROM event_mentions WHERE role IS NOT NULL"""


def show(engine: Engine, config: Settings, job_ids: Mapping[str, str], seconds: float) -> None:
    """Print the report."""
    with reading(engine) as conn:
        extracted = conn.execute(text(_EXTRACTED)).all()
        scores = [
            scored
            for name, job_id in job_ids.items()
            for scored in gold.score(conn, job_id, gold.corpus(name))
        ]
        jobs = [progress(conn, job_id) for job_id in job_ids.values()]
    heading("What was extracted")
    console.print(table(("records", "found", "types", "sentences"), extracted))
    heading("Scores against the gold annotations")
    console.print(table(SCORE_COLUMNS, [_score_row(scored) for scored in scores]))
    console.print(
        "[dim]A span counts if its type and words are right; in the last column also its offsets.\n"
        "EAE is end to end: the event must be right too. The model is a small one "
        "(135 M parameters).[/]"
    )
    heading("What it took")
    tokens_in = sum(job.prompt_tokens for job in jobs)
    tokens_out = sum(job.completion_tokens for job in jobs)
    items = sum(job.items for job in jobs)
    rows = [
        ("sentences", sum(job.documents for job in jobs)),
        ("queries", items),
        ("of these, quarantined", sum(job.quarantined for job in jobs)),
        ("tokens in", tokens_in),
        ("tokens out", tokens_out),
        ("seconds in total", round(seconds)),
    ]
    console.print(table(("", ""), rows))
    heading("The records in SQL")
    for question, sql in QUERIES:
        console.print(f"[bold]{question}[/]")
        console.print(textwrap.indent(sql, "    "), style="dim")
        answer = run_readonly(config.database_url, sql)
        console.print(table(answer.columns, answer.rows))
        console.print()
    heading("Next")
    for line in next_steps(config.database_url, Path(sys.argv[0])):
        console.print(line, soft_wrap=True, markup=False)


def next_steps(database_url: str, program: Path) -> list[str]:
    """What to type next, in lines of at most 80 characters where the paths are not longer."""
    found = shutil.which("ruie")
    name = "ruie" if found and Path(found).resolve() == program.resolve() else _near(program)
    url = database_url
    if url.startswith(FILE_URL):
        url = FILE_URL + _near(Path(url.removeprefix(FILE_URL)))
    return [
        "Query it yourself; `web` in place of `tables` shows it in a browser:",
        "",
        f"    export RUIE_DATABASE_URL={shlex.quote(url)}",
        f"    {shlex.quote(name)} tables",
        f"    {shlex.quote(name)} query \\",
        f'        "{NEXT_QUERY}"',
    ]


def _near(path: Path) -> str:
    """The path as it is shortest to type here."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


SCORE_COLUMNS = ("task", "gold", "found", "right", "precision", "recall", "F1", "F1 with offsets")


def _score_row(scored: gold.Scored) -> tuple[Any, ...]:
    s = scored.strings
    return (str(scored.task), s.gold, s.predicted, s.matched, s.precision, s.recall, s.f1,
            scored.offsets.f1)  # fmt: skip  # one row


def heading(title: str) -> None:
    """A section's title."""
    console.print()
    console.print(cell(title), style="bold underline")
