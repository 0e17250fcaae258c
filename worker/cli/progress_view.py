"""Jobs as `ruie status` shows them on a terminal of 80 columns: all in a table, one in detail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from ruie.worker.cli.batch_lines import batch_line
from ruie.worker.cli.given_up import most
from ruie.worker.terminal import counted, duration, percent, table

if TYPE_CHECKING:
    from ruie.db.progress import JobProgress
    from ruie.worker.job_status import JobStatus

BAR_WIDTH = 40


def state(progress: JobProgress) -> Text:
    """The job's state, and whether its sources are still being read, or how much of a job that is
    done was given up: in red where that is more than is tolerated."""
    if not progress.enqueued and progress.state in ("running", "paused"):
        return Text(f"{progress.state}, enqueueing")
    if progress.state == "running" and progress.submitted:
        return Text(f"running, {progress.submitted:,} in batches")
    if progress.state == "done" and progress.quarantined:
        given_up = f"done, {percent(progress.quarantined_share)} given up"
        return Text(given_up, style="yellow" if progress.ok else "red")
    return Text(progress.state)


def overview(listed: list[JobStatus]) -> Any:
    """All jobs, one a row."""
    columns = ("job", "name", "state", "items", "done", "a minute", "left")
    rows = [
        (
            shown.progress.job_id,
            shown.progress.name,
            state(shown.progress),
            shown.progress.items,
            shown.progress.done,
            None if shown.rate is None else max(1, round(shown.rate)),
            duration(shown.seconds_left) if shown.seconds_left is not None else None,
        )
        for shown in listed
    ]
    return table(columns, rows, wrap=("name", "state"))


def detail(shown: JobStatus) -> Group:
    """One job: how far it is and how fast, what went wrong, its items by task."""
    progress = shown.progress
    head = Text.assemble((progress.job_id, "bold"), f"  {progress.name}  ", state(progress))
    if progress.reason:
        head.append(f": {progress.reason}")
    closed = progress.items - progress.open
    full = BAR_WIDTH * closed // max(1, progress.items)
    bar = Text("━" * full, style="green").append("─" * (BAR_WIDTH - full), style="dim")
    bar.append(f"  {percent(closed / max(1, progress.items))} of {progress.items:,} items")
    lines = Table(box=None, pad_edge=False, show_header=False)
    lines.add_column(style="dim", no_wrap=True)
    lines.add_column(overflow="fold")
    for name, value in _lines(shown):
        lines.add_row(name, value)
    columns = ["items", "done", "pending", "leased", "retry", "quarantined", "cancelled"]
    if progress.submitted:  # the line is full without
        columns.insert(4, "submitted")
    rows = [[str(t.task), *(getattr(t, name) for name in columns)] for t in progress.tasks]
    return Group(head, bar, lines, "", table(["task", *columns], rows))


def _lines(shown: JobStatus) -> list[tuple[str, Text]]:
    """What is said of a job, with a word for each."""
    progress, activity = shown.progress, shown.activity
    lines = []
    if activity is not None and progress.state == "running" and progress.open:
        rate = _rate(shown.rate)
        lines.append(("speed", f"{rate} items a minute" if rate else "no item has ended lately"))
        if shown.seconds_left is not None:
            lines.append(("left", f"about {duration(shown.seconds_left)}"))
    if shown.requests_waiting:
        lines.append(("waiting", f"{counted(shown.requests_waiting, 'request')} for a batch"))
    lines += [(f"batch {each.id}", batch_line(each)) for each in shown.batches]
    if progress.quarantined:
        share = percent(progress.quarantined_share)
        lines.append(
            ("given up", f"{share}: {progress.quarantined:,} items ({most(shown.given_up)})")
        )
    if activity is not None and (last := activity.last_error):
        ago = duration((activity.read_at - last.at).total_seconds())
        error = " ".join(last.error.split())
        lines.append(("last error", f"{ago} ago, {last.error_class}: {error[:300]}"))
    lines.append(
        ("input", f"{progress.documents:,} documents, {progress.input_errors:,} refused lines")
    )
    lines.append(("calls", _calls(progress)))
    return [(name, Text(value)) for name, value in lines]


def _calls(progress: JobProgress) -> str:
    counts = (
        f"{progress.calls:,} ({progress.failed_calls:,} failed), "
        f"{progress.prompt_tokens:,} tokens in, {progress.completion_tokens:,} out"
    )
    if progress.cached_tokens or progress.reasoning_tokens:
        counts += f" ({progress.cached_tokens:,} cached, {progress.reasoning_tokens:,} reasoning)"
    if progress.cost_usd or progress.cap_usd:  # 0 where no price is known
        counts += f", {progress.cost_usd:.4f} USD"
    if progress.cap_usd:
        counts += f" of at most {progress.cap_usd:.4f}"
    return counts


def _rate(per_minute: float | None) -> str | None:
    """Of items: with a decimal where there are few."""
    if per_minute is None:
        return None
    return f"{per_minute:.1f}" if per_minute < 10 else f"{per_minute:,.0f}"
