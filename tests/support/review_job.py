"""A job whose documents the model has answered, for people to review."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Engine
from support.finishing import finish
from support.job_database import JobDatabase

from ruie.db import queue
from ruie.records import Grounding, Item, Span, Task
from ruie.schema import Schema

SCHEMA: dict[str, Any] = {
    "name": "works",
    "entities": {"ORGANISATION": "a company or body", "PLACE": "", "PERSON": ""},
    "relations": {"located_in": "", "owned_by": ""},
    "events": {"Opening": ["What", "Where", "When"], "Closing": ["What"]},
}
TEXTS = {
    "plain": "Orbis opened a plant in Leeds on Monday. Ada Novak owns Orbis.",
    "emoji": "🏭🏭 Zoë\u0301 of Ökö opened 👩‍🔬 in Łódź.",
    "lines": "First line\nsecond line ends\nhere. Nested names: the Bank of North Leeds.",
    "arabic": "افتتحت شركة أوربس مصنعا في عمان يوم الاثنين.",
    "hostile": "<img src=x onerror=\"document.title='hit'\"> <script>document.title='hit'</script>"
    " \u202egnol\u202c \x07bell\u2028 Orbis & <b>Leeds</b>",
}


def reviewed_job(
    engine: Engine, texts: Mapping[str, str] = TEXTS, schema: Mapping[str, Any] = SCHEMA
) -> str:
    """Enqueue the texts, with `Orbis` a PLACE (which is wrong) and nothing else as the answer."""
    database = JobDatabase(engine)
    job = database.job(
        "works",
        schema_name=schema["name"],
        schema_body=dict(schema),
        schema_digest=Schema.from_body(schema).digest,
    )
    database.enqueue(job, texts, *Schema.from_body(schema).tasks)
    finish(engine, job, answers)
    return job


def answers(item: queue.LeasedItem) -> Sequence[Item]:
    """What the model says."""
    start = item.text.find("Orbis")
    if item.task is not Task.NER or start < 0:
        return []
    return [Item("PLACE", (Span("Orbis", start, start + 5, Grounding.EXACT),))]
