"""Every metric: its name, labels and meaning, once. docs/metrics.md is compared with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Metric:
    """name: as Prometheus has it, a counter's with `_total`. help: a sentence without its full
    stop."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str


def _metric(kind: Kind, name: str, labels: str, help_: str) -> Metric:
    return Metric(f"ruie_{name}", kind, tuple(labels.split()), help_)


def _counter(name: str, labels: str, help_: str) -> Metric:
    return _metric("counter", f"{name}_total", labels, help_)


def _gauge(name: str, labels: str, help_: str) -> Metric:
    return _metric("gauge", name, labels, help_)


OF_PROCESS = (
    _gauge("build_info", "version", "1, with the version of ruie that runs"),
    _gauge("coordinator_leads", "", "1 where this coordinator leads, else 0"),
    _gauge(
        "coordinator_last_round_timestamp_seconds", "",
        "when this coordinator began its last round of duties",
    ),
    _counter("coordinator_rounds", "", "rounds of duties that this coordinator has led"),
    _counter("coordinator_round_seconds", "", "seconds that these rounds took, without pauses"),
    _gauge("database_up", "", "1 where the database answered this scrape, else 0"),
    _gauge(
        "redis_up", "", "1 where Redis answered this scrape, else 0; of the one that leads alone"
    ),
)  # fmt: skip  # one metric after the other
"""Of each coordinator, leading or not."""

TOTALS = (
    _counter("documents", "", "documents that were enqueued, each text once"),
    _counter("input_errors", "", "lines, rows and files that were refused"),
    _counter("calls_answered", "model task", "calls whose answer was stored"),
    _counter(
        "calls_failed", "model error_class",
        "calls that failed, or whose answer could not be used; not those of lost workers",
    ),
    _counter("answers_reused", "model task", "answers copied from an equal question, at no cost"),
    _counter("input_tokens", "model", "tokens of prompts, as the provider counted them"),
    _counter("cached_input_tokens", "model", "of these, read from the provider's cache"),
    _counter("cache_write_tokens", "model", "of these, written to the provider's cache"),
    _counter("output_tokens", "model", "tokens of answers, as the provider counted them"),
    _counter("reasoning_tokens", "model", "of these, thought and not said"),
    _counter("spend_usd", "model", "what calls cost that have ended, USD"),
    _metric(
        "histogram", "call_duration_seconds", "model",
        "how long calls took that were answered, without waiting for admission",
    ),
    _counter("rejects", "reason", "parts of answers that could not be used"),
    _counter("quarantined_items", "error_class", "times that an item was given up"),
    _counter("leases_lost", "", "leases that ran out and were taken back"),
    _counter("endpoint_outages", "llm_endpoint", "times that an endpoint was away"),
)  # fmt: skip  # one metric after the other
"""Of the fleet since its database was created; nothing that is deleted lowers them."""

JOBS = (
    _gauge("jobs", "state", "jobs in each state"),
    _gauge("job_paused", "job_id by", "1 for a job that is paused, with what paused it"),
    _counter("job_documents", "job_id", "documents of an open job"),
    _counter("job_calls", "job_id model outcome", "calls of an open job, answered or failed"),
    _counter("job_input_tokens", "job_id model", "tokens of an open job's prompts"),
    _counter("job_output_tokens", "job_id model", "tokens of answers to an open job"),
    _counter("job_spend_usd", "job_id model", "what an open job's calls cost that have ended, USD"),
    _gauge(
        "job_unconfirmed_usd", "job_id",
        "what calls of lost workers can have cost at most, beside the spend, USD",
    ),
    _gauge(
        "job_committed_usd", "job_id", "what an open job has spent and reserved for its calls, USD"
    ),
    _gauge("job_cap_usd", "job_id", "cap of an open job, where it has one, USD"),
    _gauge("day_committed_usd", "", "what was spent and reserved on this day (UTC), USD"),
    _gauge("day_cap_usd", "", "cap of a day, where there is one, USD"),
    _gauge("items", "job_id task state", "work items of an open job"),
    _gauge(
        "oldest_item_age_seconds", "job_id state",
        "for how long an item of an open job has been in this state, the longest",
    ),
    _gauge("job_quarantined_items", "job_id error_class", "items of an open job in quarantine"),
    _gauge("item_counts_age_seconds", "", "age of the four figures above, which are counted apart"),
)  # fmt: skip  # one metric after the other
"""Of jobs, by job only while it is open: running or paused."""

FLEET = (
    _gauge(
        "processes", "kind version",
        "coordinators and worker processes that have said lately that they are alive",
    ),
    _gauge("worker_processes", "", "worker processes that hold items"),
    _gauge("items_leased", "", "items that workers hold"),
    _gauge("items_sent", "", "items that were sent to workers and not yet taken"),
    _gauge(
        "useful_worker_processes", "",
        "worker processes that open items and limits could feed now: what to scale by",
    ),
    _gauge("endpoint_away", "llm_endpoint", "1 while no call reaches the endpoint, else 0"),
    _gauge("endpoint_away_seconds", "llm_endpoint", "for how long, 0 where calls reach it"),
    _gauge(
        "schedule_lag_seconds", "schedule",
        "since when a run is due that has not begun, 0 where none is",
    ),
    _gauge("provider_batches", "state", "batches at a provider that are not over"),
    _gauge(
        "provider_batch_oldest_seconds", "",
        "for how long a provider has had a batch that it has not answered, the longest",
    ),
    _gauge(
        "provider_batch_overdue_seconds", "",
        "by how much that is longer than RUIE_LLM_BATCH_DEADLINE_H, 0 where it is not",
    ),
    _gauge(
        "provider_batch_unconfirmed_seconds", "",
        "for how long nobody has known whether a batch was created, the longest",
    ),
    _gauge("provider_requests_waiting", "", "requests that wait to be sent in a batch"),
    _gauge("totals_rows_behind", "", "rows that the totals have not counted yet"),
)  # fmt: skip  # one metric after the other
"""Of the fleet now."""

LIMITS = (
    _gauge("limit_requests_per_minute", "llm_endpoint model", "limit of requests that applies"),
    _gauge("limit_requests_used", "llm_endpoint model", "requests of the last minute"),
    _gauge("limit_tokens_per_minute", "llm_endpoint model tokens", "limits of tokens that apply"),
    _gauge("limit_tokens_used", "llm_endpoint model tokens", "tokens of the last minute"),
    _gauge("limit_calls_in_flight", "llm_endpoint model", "limit of calls in flight"),
    _gauge("limit_calls_in_flight_used", "llm_endpoint model", "calls in flight, where limited"),
    _gauge("limit_pause_seconds", "llm_endpoint model", "until the provider is asked again"),
    _gauge(
        "limit_ceiling_requests_per_second", "llm_endpoint model",
        "slower pace for some time after the provider throttled",
    ),
    _counter("limit_admissions", "llm_endpoint model", "calls that Redis admitted"),
    _counter("limit_wait_seconds", "llm_endpoint model", "for which these calls waited for it"),
)  # fmt: skip  # one metric after the other
"""Of endpoints and models called lately; from Redis, whose loss begins the counters again."""

METRICS: dict[str, Metric] = {
    metric.name: metric for metric in (*OF_PROCESS, *TOTALS, *JOBS, *FLEET, *LIMITS)
}
