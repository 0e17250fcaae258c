"""The Python interface of `ruie`: for a scheduler, a notebook, or a program of your own.

    from ruie.client import Client

    with Client() as client:
        job = client.enqueue([{"id": "1", "text": "Crude fell 2 %"}], schema="oil.yaml")
        if client.wait(job.job_id).ok:
            print(client.to_arrow(job.job_id, "entities"))

`AsyncClient` does the same on an event loop; docs/python.md describes both.

Enqueueing needs only the database; a coordinator and workers do the rest. Settings are those of
the command (docs/settings.md). Errors are those of `ruie.errors`. What is exported here is stable;
modules of `ruie.worker` and `ruie.db` may change at any time. To extract from a list of texts in
one process, without queue and database, use `ruie.Extractor`.
"""

from ruie.chunking import Chunker
from ruie.db.endpoints import Away
from ruie.db.job_changes import ChangedJob
from ruie.db.job_settings import JobSettings
from ruie.db.jobs import Job, NewInputError
from ruie.db.progress import JobProgress, TaskProgress
from ruie.db.provider_batches import ProviderBatch
from ruie.db.quarantine import QuarantinedItem
from ruie.db.record_pages import (
    ArgumentRecord,
    DocumentRecords,
    EntityRecord,
    EventRecord,
    GivenUp,
    RelationRecord,
    SpanRecord,
)
from ruie.db.reviews import Review
from ruie.db.schedule_runs import ScheduleRun
from ruie.db.schedules import Schedule
from ruie.db.targets import ModelStanding
from ruie.decoding import Decoding
from ruie.formats.row import Place, Problem
from ruie.parsing import OutputForm
from ruie.records import Task
from ruie.schema import Schema
from ruie.settings import Settings
from ruie.worker.async_client import AsyncClient
from ruie.worker.client import Client, Options, enqueue
from ruie.worker.estimate.types import Estimate, TaskEstimate
from ruie.worker.ingest.dry_run import DryRun
from ruie.worker.ingest.enqueue import Enqueued, EnqueueProgress, ProgressCallback
from ruie.worker.ingest.sources.mapping import ColumnMapping
from ruie.worker.job_client import BundleInUse
from ruie.worker.job_options import Changes
from ruie.worker.prices import Hours, Price
from ruie.worker.reviewing import Imported
from ruie.worker.schedules import Schedules

__all__ = [
    "ArgumentRecord",
    "AsyncClient",
    "Away",
    "BundleInUse",
    "ChangedJob",
    "Changes",
    "Chunker",
    "Client",
    "ColumnMapping",
    "Decoding",
    "DocumentRecords",
    "DryRun",
    "EnqueueProgress",
    "Enqueued",
    "EntityRecord",
    "Estimate",
    "EventRecord",
    "GivenUp",
    "Hours",
    "Imported",
    "Job",
    "JobProgress",
    "JobSettings",
    "ModelStanding",
    "NewInputError",
    "Options",
    "OutputForm",
    "Place",
    "Price",
    "Problem",
    "ProgressCallback",
    "ProviderBatch",
    "QuarantinedItem",
    "RelationRecord",
    "Review",
    "Schedule",
    "ScheduleRun",
    "Schedules",
    "Schema",
    "Settings",
    "SpanRecord",
    "Task",
    "TaskEstimate",
    "TaskProgress",
    "enqueue",
]
