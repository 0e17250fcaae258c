"""Samples of the totals: of the fleet, and of the jobs that are open."""

from __future__ import annotations

from ruie.db.fold_sources import bucket_names
from ruie.db.spend import NUSD
from ruie.db.totals import Key, Total
from ruie.worker.metrics.families import Families
from ruie.worker.metrics.fleet_samples import FleetReading

_PLAIN = {
    "ruie_documents_total": Total.DOCUMENTS,
    "ruie_input_errors_total": Total.INPUT_ERRORS,
    "ruie_leases_lost_total": Total.LOST_LEASES,
}
"""Divided by nothing: each is there from the beginning, at 0."""
_BY_MODEL = {
    "ruie_input_tokens_total": (Total.INPUT_TOKENS, 1),
    "ruie_cached_input_tokens_total": (Total.CACHED_INPUT_TOKENS, 1),
    "ruie_cache_write_tokens_total": (Total.CACHE_WRITE_TOKENS, 1),
    "ruie_output_tokens_total": (Total.OUTPUT_TOKENS, 1),
    "ruie_reasoning_tokens_total": (Total.REASONING_TOKENS, 1),
    "ruie_spend_usd_total": (Total.SPEND_NUSD, NUSD),
}
"""With what one unit of the metric is in the total's."""
_BY_KIND = {
    "ruie_rejects_total": (Total.REJECTS, "reason"),
    "ruie_quarantined_items_total": (Total.QUARANTINED_ITEMS, "error_class"),
}
_BY_MODEL_AND_KIND = {
    "ruie_calls_answered_total": (Total.ANSWERED_CALLS, "task"),
    "ruie_calls_failed_total": (Total.FAILED_CALLS, "error_class"),
    "ruie_answers_reused_total": (Total.REUSED_ANSWERS, "task"),
}
_OF_JOBS = {
    "ruie_job_input_tokens_total": (Total.JOB_INPUT_TOKENS, 1),
    "ruie_job_output_tokens_total": (Total.JOB_OUTPUT_TOKENS, 1),
    "ruie_job_spend_usd_total": (Total.JOB_SPEND_NUSD, NUSD),
}


def add_totals(families: Families, found: FleetReading) -> None:
    """Everything that db/totals.py counts."""
    totals = found.totals
    for name, total in _PLAIN.items():
        families.add(name, totals.values.get(Key(total), 0))
    for name, (total, unit) in _BY_MODEL.items():
        for key, value in totals.of(total):
            families.add(name, value / unit if unit > 1 else value, model=key.model)
    for name, (total, label) in _BY_KIND.items():
        for key, value in totals.of(total):
            families.add(name, value, **{label: key.kind})
    for name, (total, label) in _BY_MODEL_AND_KIND.items():
        for key, value in totals.of(total):
            families.add(name, value, model=key.model, **{label: key.kind})
    _add_durations(families, found)
    _add_jobs(families, found)


def _add_durations(families: Families, found: FleetReading) -> None:
    values = found.totals.values
    for key, microseconds in found.totals.of(Total.CALL_MICROSECONDS):
        buckets = [
            (bound, values.get(Key(Total.CALL_BUCKET, model=key.model, kind=bound), 0))
            for bound in bucket_names()
        ]
        families.add_histogram(
            "ruie_call_duration_seconds", buckets, microseconds / 1e6, model=key.model
        )


def _add_jobs(families: Families, found: FleetReading) -> None:
    totals = found.totals
    for job in found.jobs:
        documents = totals.values.get(Key(Total.JOB_DOCUMENTS, job.id), 0)
        families.add("ruie_job_documents_total", documents, job_id=job.id)
    for key, value in totals.of(Total.JOB_CALLS):
        families.add(
            "ruie_job_calls_total", value, job_id=key.job_id, model=key.model, outcome=key.kind
        )
    for name, (total, unit) in _OF_JOBS.items():
        for key, value in totals.of(total):
            amount = value / unit if unit > 1 else value
            families.add(name, amount, job_id=key.job_id, model=key.model)
