"""Schedules as Python calls.

from ruie.worker.schedules import Schedules
Schedules(Client()).add("news", "0 2 * * *", "Europe/Berlin", ["/data/news"], "oil.yaml")
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Unpack

from ruie.annotations import schema_demonstrations
from ruie.db import demonstrations, schedule_runs, schedules
from ruie.db.engine import reading
from ruie.db.jobs import Priority
from ruie.errors import UsageError
from ruie.lengths import LONGEST_MODEL_BYTES, check_length
from ruie.schema import Schema
from ruie.worker.client import Client, Options, check_cap, checked
from ruie.worker.cron import next_due
from ruie.worker.ingest.sources.find import absolute
from ruie.worker.ingest.sources.mapping import DEFAULT, ColumnMapping


class Schedules:
    """The schedules of a client's database. Raises `UsageError`, `UnavailableError`."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._engine = client.engine

    def add(
        self,
        schedule: str,
        cron: str,
        timezone: str,
        sources: Sequence[str | Path],
        schema: Schema | str | Path,
        *,
        mapping: ColumnMapping = DEFAULT,
        input_format: str = "",
        missed: Literal["catch-up", "skip"] = "catch-up",
        overlap: Literal["refuse", "queue"] = "refuse",
        retries: int = 3,
        **options: Unpack[Options],
    ) -> schedules.Schedule:
        """Store a schedule, with absolute paths and the content of the schema and of its
        demonstrations."""
        if not schedule.strip() or not sources:
            raise UsageError("A schedule needs a name and a source.", "Give both.")
        loaded = schema if isinstance(schema, Schema) else Schema.load(schema)
        cap_usd = options.get("cap_usd")
        if cap_usd is not None:
            config = self._client.config
            check_cap(cap_usd, options.get("model") or config.llm_model, config)
        checked(options.get("parameters") or {})
        check_length("name of the job", options.get("name"))
        check_length("name of the corpus", options.get("corpus"))
        check_length("name of the model", options.get("model"), LONGEST_MODEL_BYTES)
        Priority[options.get("priority", "normal").upper()]
        spec: dict[str, Any] = {
            "sources": [absolute(source) for source in sources],
            "schema": loaded.body(),
            "options": dict(options),
            "mapping": asdict(mapping),
            "input_format": input_format,
        }
        shown = schema_demonstrations(loaded)
        with self._engine.begin() as conn:
            if shown and "demonstration_set" not in options:
                stored = demonstrations.store(conn, shown, str(loaded.demonstrations))
                spec["options"]["demonstration_set"] = stored
            due = next_due(cron, timezone, schedules.clock(conn))
            return schedules.add(
                conn, schedule, cron, timezone, spec, due,
                missed=missed, overlap=overlap, retries=retries,
            )  # fmt: skip  # a row

    def listed(self) -> list[tuple[schedules.Schedule, schedule_runs.ScheduleRun | None]]:
        """Each schedule with its last run."""
        with reading(self._engine) as conn:
            every = schedules.list_schedules(conn)
            last = schedule_runs.last_runs(conn, [s.id for s in every])
            return [(s, last.get(s.id)) for s in every]

    def runs(
        self, name: str, limit: int = 20
    ) -> tuple[schedules.Schedule, list[schedule_runs.ScheduleRun]]:
        """A schedule and its runs, the newest first."""
        with reading(self._engine) as conn:
            schedule = schedules.get(conn, name)
            return schedule, schedule_runs.list_runs(conn, schedule.id, limit)

    def run(self, name: str) -> schedule_runs.ScheduleRun:
        """A run that is due now; the coordinator does it."""
        with self._engine.begin() as conn:
            return schedule_runs.run_now(conn, name)

    def enable(self, name: str) -> datetime:
        """Let it fire again, from its next due time on, which is returned."""
        with self._engine.begin() as conn:
            schedule = schedules.get(conn, name)
            due = next_due(schedule.cron, schedule.timezone, schedules.clock(conn))
            schedules.enable(conn, name, due)
            return due

    def disable(self, name: str) -> None:
        """Fire no more until it is enabled; a run in progress goes on."""
        with self._engine.begin() as conn:
            schedules.enable(conn, name, None)

    def remove(self, name: str) -> None:
        """Delete it and its runs; their jobs stay."""
        with self._engine.begin() as conn:
            schedules.remove(conn, name)
