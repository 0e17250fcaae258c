"""Metrics as Prometheus gets them, and what they must be by counting every row."""

from __future__ import annotations

import urllib.error
import urllib.request
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine
from support.counted import counted

from ruie.db.fold_sources import bucket_names
from ruie.db.totals import Total
from ruie.worker.metrics.catalogue import JOBS, METRICS, TOTALS

Sample = tuple[str, tuple[tuple[str, str], ...]]
"""A name and its labels, sorted."""

NAMES = {
    Total.DOCUMENTS: "ruie_documents_total",
    Total.INPUT_ERRORS: "ruie_input_errors_total",
    Total.LOST_LEASES: "ruie_leases_lost_total",
    Total.ANSWERED_CALLS: "ruie_calls_answered_total",
    Total.FAILED_CALLS: "ruie_calls_failed_total",
    Total.REUSED_ANSWERS: "ruie_answers_reused_total",
    Total.INPUT_TOKENS: "ruie_input_tokens_total",
    Total.CACHED_INPUT_TOKENS: "ruie_cached_input_tokens_total",
    Total.CACHE_WRITE_TOKENS: "ruie_cache_write_tokens_total",
    Total.OUTPUT_TOKENS: "ruie_output_tokens_total",
    Total.REASONING_TOKENS: "ruie_reasoning_tokens_total",
    Total.SPEND_NUSD: "ruie_spend_usd_total",
    Total.REJECTS: "ruie_rejects_total",
    Total.QUARANTINED_ITEMS: "ruie_quarantined_items_total",
    Total.CALL_MICROSECONDS: "ruie_call_duration_seconds_sum",
    Total.JOB_DOCUMENTS: "ruie_job_documents_total",
    Total.JOB_CALLS: "ruie_job_calls_total",
    Total.JOB_INPUT_TOKENS: "ruie_job_input_tokens_total",
    Total.JOB_OUTPUT_TOKENS: "ruie_job_output_tokens_total",
    Total.JOB_SPEND_NUSD: "ruie_job_spend_usd_total",
}
"""The metric that shows each total that has one; buckets are apart."""
UNITS = {Total.SPEND_NUSD: 1e9, Total.JOB_SPEND_NUSD: 1e9, Total.CALL_MICROSECONDS: 1e6}
OF_TOTALS = {metric.name for metric in TOTALS} | {
    metric.name for metric in JOBS if metric.kind == "counter"
}


@dataclass(frozen=True)
class Scrape:
    """What one scrape had."""

    samples: dict[Sample, float]
    types: dict[str, str]

    def value(self, name: str, **labels: str) -> float | None:
        return self.samples.get((name, tuple(sorted(labels.items()))))

    def of(self, name: str) -> dict[tuple[tuple[str, str], ...], float]:
        """By labels."""
        return {labels: value for (found, labels), value in self.samples.items() if found == name}

    @property
    def counters(self) -> dict[Sample, float]:
        """Samples that may only rise."""
        return {
            (name, labels): value
            for (name, labels), value in self.samples.items()
            if name.endswith(("_total", "_bucket", "_count", "_sum"))
            and not name.startswith(("process_", "ruie_limit_", "ruie_coordinator_"))
        }

    @property
    def totals(self) -> dict[Sample, float]:
        """Samples of what is counted from rows; not those that are 0."""
        histogram = "ruie_call_duration_seconds"
        return {
            (name, labels): value
            for (name, labels), value in self.samples.items()
            if value and (name in OF_TOTALS - {"ruie_endpoint_outages_total"} or histogram in name)
        }


def scrape(port: int) -> Scrape | None:
    """None where nobody answers there."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
            text = answer.read().decode()
    except (urllib.error.URLError, OSError):
        return None
    samples: dict[Sample, float] = {}
    types: dict[str, str] = {}
    for family in text_string_to_metric_families(text):
        types[family.name] = family.type
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in samples, f"{key} is there twice"
            samples[key] = sample.value
    return Scrape(samples, types)


def expected(engine: Engine, open_jobs: tuple[str, ...] = ()) -> dict[Sample, float]:
    """The samples of all totals, from every row; by job those of these jobs."""
    found: dict[Sample, float] = {}
    buckets: dict[str, dict[str, int]] = {}
    for key, value in counted(engine).items():
        if key.name is Total.CALL_BUCKET:
            buckets.setdefault(key.model, {})[key.kind] = value
        elif key.name in NAMES and (not key.job_id or key.job_id in open_jobs):
            name = NAMES[key.name]
            values = {"job_id": key.job_id, "model": key.model}
            listed = METRICS[name].labels if name in METRICS else ("model",)
            labels = {label: values.get(label, key.kind) for label in listed}
            found[name, tuple(sorted(labels.items()))] = value / UNITS.get(key.name, 1)
    for model, counts in buckets.items():
        so_far = 0
        for bound in bucket_names():
            so_far += counts.get(bound, 0)
            if so_far:
                name = "ruie_call_duration_seconds_bucket"
                found[name, (("le", bound), ("model", model))] = so_far
        found["ruie_call_duration_seconds_count", (("model", model),)] = so_far
    return found
