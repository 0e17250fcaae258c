"""The tables, each as a SQLAlchemy model and as the Core table that statements are written on."""

from ruie.db.models.base import Base, table
from ruie.db.models.demonstrations import (
    DemonstrationRow,
    DemonstrationSet,
    DemonstrationSetRow,
)
from ruie.db.models.endpoints import Endpoint, RequestProfileRow
from ruie.db.models.leader import Leadership
from ruie.db.models.names import Canonical
from ruie.db.models.processes import PROCESS_KINDS, RunningProcess
from ruie.db.models.provider_batches import (
    PROVIDER_BATCH_STATES,
    REQUEST_STATES,
    ProviderBatch,
    ProviderRequest,
)
from ruie.db.models.pruned import PrunedAttempts, PrunedItems
from ruie.db.models.results import ArgumentRow, EntityRow, EventRow, Extraction, RelationRow
from ruie.db.models.reviews import Review, ReviewQueueRow
from ruie.db.models.search import FTS, DocumentPart, SearchState
from ruie.db.models.sources import (
    JOB_STATES,
    ORIGIN_STATES,
    PAUSED_BY,
    SOURCE_STATES,
    Chunk,
    Document,
    InputError,
    Job,
    JobSource,
    Origin,
    Schema,
)
from ruie.db.models.spend import SpendAccount, SpendRefund
from ruie.db.models.totals import CountedCalls, MetricDelta, MetricTotal
from ruie.db.models.work import ITEM_STATES, Attempt, Quarantined, Schedule, ScheduleRun, WorkItem

metadata = Base.metadata

schemas = table(Schema)
jobs = table(Job)
documents = table(Document)
origins = table(Origin)
job_sources = table(JobSource)
chunks = table(Chunk)
input_errors = table(InputError)
work_items = table(WorkItem)
attempts = table(Attempt)
quarantine = table(Quarantined)
spend_accounts = table(SpendAccount)
spend_refunds = table(SpendRefund)
extractions = table(Extraction)
entities = table(EntityRow)
relations = table(RelationRow)
events = table(EventRow)
event_arguments = table(ArgumentRow)
canonical = table(Canonical)
demonstration_sets = table(DemonstrationSet)
demonstrations = table(DemonstrationRow)
demonstration_set_rows = table(DemonstrationSetRow)
reviews = table(Review)
review_queue = table(ReviewQueueRow)
document_parts = table(DocumentPart)
search_state = table(SearchState)
schedules = table(Schedule)
schedule_runs = table(ScheduleRun)
leadership = table(Leadership)
processes = table(RunningProcess)
endpoints = table(Endpoint)
request_profiles = table(RequestProfileRow)
provider_batches = table(ProviderBatch)
provider_requests = table(ProviderRequest)
pruned_attempts = table(PrunedAttempts)
pruned_items = table(PrunedItems)
metric_totals = table(MetricTotal)
metric_deltas = table(MetricDelta)
counted_calls = table(CountedCalls)

__all__ = [
    "FTS",
    "ITEM_STATES",
    "JOB_STATES",
    "ORIGIN_STATES",
    "PAUSED_BY",
    "PROCESS_KINDS",
    "PROVIDER_BATCH_STATES",
    "REQUEST_STATES",
    "SOURCE_STATES",
    "ArgumentRow",
    "Attempt",
    "Base",
    "Canonical",
    "Chunk",
    "CountedCalls",
    "DemonstrationRow",
    "DemonstrationSet",
    "DemonstrationSetRow",
    "Document",
    "DocumentPart",
    "Endpoint",
    "EntityRow",
    "EventRow",
    "Extraction",
    "InputError",
    "Job",
    "JobSource",
    "Leadership",
    "MetricDelta",
    "MetricTotal",
    "Origin",
    "ProviderBatch",
    "ProviderRequest",
    "PrunedAttempts",
    "PrunedItems",
    "Quarantined",
    "RelationRow",
    "RequestProfileRow",
    "Review",
    "ReviewQueueRow",
    "RunningProcess",
    "Schedule",
    "ScheduleRun",
    "Schema",
    "SearchState",
    "SpendAccount",
    "SpendRefund",
    "WorkItem",
    "attempts",
    "canonical",
    "chunks",
    "counted_calls",
    "demonstration_set_rows",
    "demonstration_sets",
    "demonstrations",
    "document_parts",
    "documents",
    "endpoints",
    "entities",
    "event_arguments",
    "events",
    "extractions",
    "input_errors",
    "job_sources",
    "jobs",
    "leadership",
    "metadata",
    "metric_deltas",
    "metric_totals",
    "origins",
    "processes",
    "provider_batches",
    "provider_requests",
    "pruned_attempts",
    "pruned_items",
    "quarantine",
    "relations",
    "request_profiles",
    "review_queue",
    "reviews",
    "schedule_runs",
    "schedules",
    "schemas",
    "search_state",
    "spend_accounts",
    "spend_refunds",
    "work_items",
]
