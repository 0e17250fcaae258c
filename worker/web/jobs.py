"""Jobs: the list, one job as it goes on, and what a person may do about it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ruie.db import jobs as stored
from ruie.db.calls import endpoint_of
from ruie.db.engine import reading
from ruie.db.models import JOB_STATES
from ruie.db.quarantine import count_quarantined, documents_of, get_quarantined
from ruie.db.throughput import last_hour, together
from ruie.errors import UsageError
from ruie.modes import mode_of
from ruie.worker.job_status import JobStatus, job_status
from ruie.worker.web.chart import Chart, chart
from ruie.worker.web.door import Door
from ruie.worker.web.pages import door, form, redirect, render

PAGE = 25
ITEMS = 100
"""Quarantined items on a page."""
LIVE_S = 3
"""Seconds between two looks of a page at a job that runs."""
SOON_S: float | None = 0.5
"""A page waits so long for what has to be counted, which takes seconds in a job of a million
documents; then it is shown without, and asks again."""


def listed(request: Request) -> Response:
    """All jobs, the newest first."""
    web = door(request)
    wanted = request.query_params.get("state", "")
    state: Any = wanted if wanted in JOB_STATES else None
    with reading(web.engine) as conn:
        after = request.query_params.get("after")
        before = stored.get_job(conn, after) if after else None
        found = stored.list_jobs(conn, state, PAGE + 1, before)
    rows = _statuses(web, found[:PAGE])
    more = found[PAGE - 1].id if len(found) > PAGE else None
    live = any(each is None or each.progress.state == "running" for _, each in rows)
    template = "jobs_rows.html" if _is_fragment(request) else "jobs.html"
    return render(
        request, template, rows=rows, more=more, state=state, states=JOB_STATES, live=live,
        every_s=LIVE_S, first=before is None, after=after,
    )  # fmt: skip  # the page's values


def one(request: Request) -> Response:
    """One job; asked by its own page, only what changes."""
    web = door(request)
    job = web.client.job(_id(request))
    at_once = None if SOON_S is None else 0.0
    _hour(web, job.id, at_once)  # it is read while the other is counted
    values: dict[str, Any] = {
        "job": job,
        "endpoint": _endpoint(web, job),
        "mode": mode_of(job.settings.decoding.parameters),
        "status": _soon(web, job.id, SOON_S),
        "committed_usd": web.client.committed_usd(job.id),
        "curve": _hour(web, job.id, at_once),
        "away": web.client.endpoints_away() if job.state == "running" else [],
        "every_s": LIVE_S,
    }
    return render(request, "job_live.html" if _is_fragment(request) else "job.html", **values)


def _endpoint(web: Door, job: stored.Job) -> str:
    with reading(web.engine) as conn:
        return endpoint_of(conn, job)


def _statuses(web: Door, found: Sequence[stored.Job]) -> list[tuple[stored.Job, JobStatus | None]]:
    """How jobs stand, those that could be counted in time."""
    until = None if SOON_S is None else time.monotonic() + SOON_S
    rows = []
    for job in found:
        left = None if until is None else max(0.0, until - time.monotonic())
        rows.append((job, _soon(web, job.id, left)))
    return rows


def _soon(web: Door, job_id: str, wait_s: float | None) -> JobStatus | None:
    return web.kept.soon(("status", job_id), lambda: job_status(web.client, job_id), wait_s)


def _hour(web: Door, job_id: str, wait_s: float | None) -> tuple[Chart, float] | None:
    return web.kept.soon(("curve", job_id), lambda: _curve(web, job_id), wait_s)


def _curve(web: Door, job_id: str) -> tuple[Chart, float] | None:
    """Calls of the last hour and calls a second now; None where there was none."""
    with reading(web.engine) as conn:
        hours = last_hour(conn, job_id, web.settled)
    if not hours:
        return None
    minutes = together(hours)
    labels = [f"{minute.at:%H:%M}" for minute in minutes]
    drawn = chart([minute.calls for minute in minutes], labels, "Calls a minute (UTC)")
    return drawn, sum(hour.calls_per_second for hour in hours)


def pause(request: Request) -> Response:
    door(request).client.pause(_id(request))
    return _done(request, "The job is paused; calls in flight end.")


def resume(request: Request) -> Response:
    door(request).client.resume(_id(request))
    return _done(request, "The job runs again.")


def cancel(request: Request) -> Response:
    door(request).client.cancel(_id(request))
    return _done(request, "The job is cancelled; its records stay.")


def cap(request: Request) -> Response:
    """Set the cap, or remove it."""
    written = form(request).get("usd", "").strip()
    try:
        usd = float(written) if written else None
    except ValueError:
        raise UsageError(f"{written!r} is no amount.", "Write it like 12.50.") from None
    job = door(request).client.set_cap(_id(request), usd)
    most = "has no cap now" if usd is None else f"may cost {usd:,.4f} USD now"
    return _done(request, f"The job {most}; it is {job.state}.")


def retry(request: Request) -> Response:
    """Try items in quarantine again: all, or those of a class."""
    wanted = form(request).get("error_class") or None
    model = form(request).get("model", "").strip() or None
    count = door(request).client.retry(_id(request), error_class=wanted, model=model)
    return _done(request, f"{count:,} items are tried again.")


def cancel_batch(request: Request) -> Response:
    """Cancel a batch at the provider."""
    batch = door(request).client.cancel_batch(request.path_params["batch"])
    return _done(
        request,
        f"Batch {batch.id} is cancelled, and the job paused: what is answered by then is recorded.",
    )


def quarantined(request: Request) -> Response:
    """The items that were given up."""
    web = door(request)
    job = web.client.job(_id(request))
    wanted = request.query_params.get("error_class") or None
    items = web.client.quarantined(job.id, error_class=wanted, limit=ITEMS)
    with reading(web.engine) as conn:
        document_ids = documents_of(conn, [item.id for item in items])
    return render(
        request,
        "quarantine.html",
        job=job,
        error_class=wanted,
        items=items,
        document_ids=document_ids,
        classes=_classes(web, job.id),
        most=ITEMS,
    )


def _classes(web: Door, job_id: str) -> dict[str, int]:
    with reading(web.engine) as conn:
        return count_quarantined(conn, job_id)


def quarantined_item(request: Request) -> Response:
    """All that is known of one of them."""
    web = door(request)
    job = web.client.job(_id(request))
    with reading(web.engine) as conn:
        detail = get_quarantined(conn, request.path_params["item"])
        document_id = documents_of(conn, [detail.item.id]).get(detail.item.id)
    return render(request, "quarantine_item.html", job=job, detail=detail, document_id=document_id)


def _done(request: Request, said: str) -> Response:
    door(request).kept.forget()
    return redirect(request, "job", said, job_id=_id(request))


def _id(request: Request) -> str:
    return str(request.path_params["job_id"])


def _is_fragment(request: Request) -> bool:
    return request.headers.get("hx-request") == "true"


ROUTES = [
    Route("/jobs", listed, name="jobs"),
    Route("/jobs/{job_id}", one, name="job"),
    Route("/jobs/{job_id}/pause", pause, name="job_pause", methods=["POST"]),
    Route("/jobs/{job_id}/resume", resume, name="job_resume", methods=["POST"]),
    Route("/jobs/{job_id}/cancel", cancel, name="job_cancel", methods=["POST"]),
    Route(
        "/jobs/{job_id}/batches/{batch:int}/cancel",
        cancel_batch,
        name="batch_cancel",
        methods=["POST"],
    ),
    Route("/jobs/{job_id}/cap", cap, name="job_cap", methods=["POST"]),
    Route("/jobs/{job_id}/retry", retry, name="job_retry", methods=["POST"]),
    Route("/jobs/{job_id}/quarantine", quarantined, name="quarantine"),
    Route("/jobs/{job_id}/quarantine/{item:int}", quarantined_item, name="quarantine_item"),
]
