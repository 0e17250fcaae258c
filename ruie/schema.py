"""The schema file: which entities, relations and events to extract.

    name: oil-news
    entities: {COMMODITY: traded goods, ORGANISATION: companies and bodies}   # or a plain list
    relations: [produces, owned_by]
    events: {Movement-up-gain: [Item, Attribute, Difference]}                 # or described:
    # events: {Movement-up-gain: {description: a price rises, roles: {Item: what it is about}}}
    demonstrations: demos.jsonl        # optional: annotated rows, relative to this file

It is read by `ruie/schema_file.py`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from ruie.errors import SchemaError
from ruie.named_files import content
from ruie.records import Query, Span, Task, Trigger
from ruie.schema_file import LONGEST, read_fields


@dataclass(frozen=True, slots=True)
class Schema:
    """Types to extract. `entities` and `relations` map a type to its description ("" if none);
    `events` maps an event type to its roles, `event_descriptions` to its description, and
    `role_descriptions` to those of its roles: of those only that have one."""

    name: str
    entities: Mapping[str, str] = field(default_factory=dict)
    relations: Mapping[str, str] = field(default_factory=dict)
    events: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    demonstrations: Path | None = None
    event_descriptions: Mapping[str, str] = field(default_factory=dict)
    role_descriptions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a YAML (or JSON) schema file. Raises `SchemaError`."""
        path = Path(path)
        try:
            source = content(path, LONGEST).decode("utf-8")
        except FileNotFoundError:
            raise SchemaError(
                f"There is no schema file {path}.", "Check the path given with --schema."
            ) from None
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            raise SchemaError(
                f"{path}, line {line}: this is not UTF-8.", "Save it as UTF-8."
            ) from None
        except OSError as error:
            raise SchemaError(
                f"The schema file {path} cannot be read: {error.strerror or error}.",
                "Check the path given with --schema.",
            ) from None
        return cls(**read_fields(source, str(path), path.parent))

    @classmethod
    def parse(cls, source: str, name: str = "<schema>") -> Self:
        """Read a schema from a string; `name` stands for the file in messages."""
        return cls(**read_fields(source, name, Path()))

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Self:
        """The inverse of `body`, for a schema that was stored."""
        events: Mapping[str, Any] = body.get("events", {})
        described = {k: v for k, v in events.items() if isinstance(v, Mapping)}
        return cls(
            name=body["name"],
            entities=dict(body.get("entities", {})),
            relations=dict(body.get("relations", {})),
            events={k: tuple(v["roles"] if k in described else v) for k, v in events.items()},
            event_descriptions={
                k: v["description"] for k, v in described.items() if v["description"]
            },
            role_descriptions={
                event: {role: phrase for role, phrase in v["roles"].items() if phrase}
                for event, v in described.items()
                if any(v["roles"].values())
            },
        )

    def body(self) -> dict[str, Any]:
        """The schema as plain JSON values, without the path of its demonstrations: a schema file
        as well."""
        return {
            "name": self.name,
            "entities": dict(self.entities),
            "relations": dict(self.relations),
            "events": {event: self._event_body(event) for event in self.events},
        }

    def _event_body(self, event: str) -> list[str] | dict[str, Any]:
        """The roles alone, where nothing is described."""
        roles = self.labels(Task.EAE, event)
        description = self.event_descriptions.get(event, "")
        if not description and not any(roles.values()):
            return list(roles)
        return {"description": description, "roles": roles}

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the body: the same types in the same order give the same digest."""
        return hashlib.sha256(json.dumps(self.body(), ensure_ascii=False).encode()).hexdigest()

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks of every text. EAE is not among them: it has a query for each detected
        event."""
        labels = ((Task.NER, self.entities), (Task.RE, self.relations), (Task.ED, self.events))
        return tuple(task for task, types in labels if types)

    def labels(self, task: Task, event_type: str = "") -> dict[str, str]:
        """The types of a task (the roles of `event_type` for EAE), each with its description."""
        match task:
            case Task.NER:
                return dict(self.entities)
            case Task.RE:
                return dict(self.relations)
            case Task.ED:
                return {event: self.event_descriptions.get(event, "") for event in self.events}
            case Task.EAE:
                described = self.role_descriptions.get(event_type, {})
                return {role: described.get(role, "") for role in self.events.get(event_type, ())}

    def queries(self, text: str, context: str = "") -> Iterator[Query]:
        """The first queries of a text: one for each of `tasks`."""
        for task in self.tasks:
            yield self.query(task, text, context=context)

    def query(
        self, task: Task, text: str, trigger: Trigger | None = None, context: str = ""
    ) -> Query:
        """One query. trigger: the event of an EAE query. context: shown beside the text."""
        labels = self.labels(task, trigger.type if trigger else "")
        return Query(task, text, self.name, labels, trigger, context)

    def argument_query(self, text: str, event_type: str, trigger: Span) -> Query | None:
        """The EAE query of a detected event, or None if its type has no roles."""
        if not self.events.get(event_type):
            return None
        return self.query(Task.EAE, text, Trigger(event_type, trigger))
