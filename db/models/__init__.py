"""The tables, each as a SQLAlchemy model and as the Core table that statements are written on."""

from db.models.base import Base, table
from db.models.leader import Leadership
from db.models.results import ArgumentRow, EntityRow, EventRow, Extraction, RelationRow
from db.models.sources import JOB_STATES, Chunk, Document, InputError, Job, Origin, Schema
from db.models.work import ITEM_STATES, Quarantined, Schedule, ScheduleRun, WorkItem

metadata = Base.metadata

schemas = table(Schema)
jobs = table(Job)
documents = table(Document)
origins = table(Origin)
chunks = table(Chunk)
input_errors = table(InputError)
work_items = table(WorkItem)
quarantine = table(Quarantined)
extractions = table(Extraction)
entities = table(EntityRow)
relations = table(RelationRow)
events = table(EventRow)
event_arguments = table(ArgumentRow)
schedules = table(Schedule)
schedule_runs = table(ScheduleRun)
leadership = table(Leadership)

__all__ = [
    "ITEM_STATES",
    "JOB_STATES",
    "ArgumentRow",
    "Base",
    "Chunk",
    "Document",
    "EntityRow",
    "EventRow",
    "Extraction",
    "InputError",
    "Job",
    "Leadership",
    "Origin",
    "Quarantined",
    "RelationRow",
    "Schedule",
    "ScheduleRun",
    "Schema",
    "WorkItem",
    "chunks",
    "documents",
    "entities",
    "event_arguments",
    "events",
    "extractions",
    "input_errors",
    "jobs",
    "leadership",
    "metadata",
    "origins",
    "quarantine",
    "relations",
    "schedule_runs",
    "schedules",
    "schemas",
    "work_items",
]
