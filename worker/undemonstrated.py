"""What of a schema has no demonstration, said before anything is sent."""

from __future__ import annotations

from sqlalchemy import Engine

from ruie.annotations import schema_demonstrations
from ruie.bundle import coverage
from ruie.bundle.bundle import read_manifest
from ruie.db import demonstrations
from ruie.db.engine import reading
from ruie.db.jobs import Job
from ruie.errors import BundleError
from ruie.schema import Schema
from ruie.settings import Settings


def undemonstrated(
    config: Settings, engine: Engine, schema: Schema, own: int | None = None
) -> list[str]:
    """In words ("entities", "arguments of Attack"): what is not in the settings' bundle, not in the
    file that the schema names or the set `own` of a job, and was not learned. Where this host has
    no bundle, nothing is known, and the list is empty. Raises `AnnotationError`."""
    try:
        manifest, _ = read_manifest(config.bundle)
    except BundleError:
        return []
    with reading(engine) as conn:
        sets = demonstrations.sets_for(conn, own, schema.name)
        rows = demonstrations.read(conn, [each.id for each in sets])
    added = [*schema_demonstrations(schema), *(row.demonstration for row in rows)]
    return coverage.undemonstrated(schema, manifest.partitions, added)


def undemonstrated_of(config: Settings, engine: Engine, job: Job) -> list[str]:
    """The same of a job that is stored."""
    return undemonstrated(
        config, engine, Schema.from_body(job.schema_body), own=job.demonstration_set
    )


def warning(missing: list[str], job: str = "") -> str:
    """For people: what the model is not shown, and the next step. job: one that is stored."""
    listed = " and ".join(filter(None, [", ".join(missing[:-1]), missing[-1]]))
    whose = f"{job} has no" if job else "No"
    step = (
        f"Annotate about ten texts that `ruie review sample {job}` chooses, and run"
        f" `ruie learn {job}`."
        if job
        else "Annotate about ten texts and name the file in the schema (`demonstrations: FILE`), or"
        " run `ruie review sample JOB`."
    )
    return (
        f"{whose} demonstrations for {listed}: the model is shown no example of these types, and a"
        f" small one finds next to nothing.\n{step}"
    )
