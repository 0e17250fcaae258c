"""What of a schema has no demonstration, said before anything is sent."""

from __future__ import annotations

from sqlalchemy import Engine

from ruie.annotations import schema_demonstrations
from ruie.bundle import coverage
from ruie.bundle.bundle import read_manifest
from ruie.db import demonstrations
from ruie.db.engine import reading
from ruie.errors import BundleError
from ruie.schema import Schema
from ruie.settings import Settings


def undemonstrated(config: Settings, engine: Engine, schema: Schema) -> list[str]:
    """In words ("entities", "arguments of Attack"): what is not in the settings' bundle, not in the
    file that the schema names, and was not learned. Where this host has no bundle, nothing is
    known, and the list is empty. Raises `AnnotationError`."""
    try:
        manifest, _ = read_manifest(config.bundle)
    except BundleError:
        return []
    with reading(engine) as conn:
        learned = demonstrations.in_force(conn, schema.name)
        rows = demonstrations.read(conn, [learned.id] if learned else [])
    added = [*schema_demonstrations(schema), *(row.demonstration for row in rows)]
    return coverage.undemonstrated(schema, manifest.partitions, added)


def warning(missing: list[str]) -> str:
    """For people: what the model is not shown, and the next step."""
    listed = " and ".join(filter(None, [", ".join(missing[:-1]), missing[-1]]))
    return (
        f"No demonstrations for {listed}: the model is shown no example of these types, and a small"
        " one finds next to nothing.\n"
        "Annotate about ten texts and name the file in the schema (`demonstrations: FILE`), or run"
        " `ruie review sample JOB`."
    )
