"""The log of the long-running commands: lines for people or JSON for programs, with the ids of what
each line is about."""

from __future__ import annotations

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Literal

LogFormat = Literal["human", "json"]
IDS = ("job_id", "batch_id", "item_id", "document_id")
"""What a line may be about: work items and documents by their numbers in the tables."""
TRACE_IDS = ("trace_id", "span_id")
"""Likewise, in JSON alone and where something is traced: for programs, which join them."""

_about: ContextVar[dict[str, str | int]] = ContextVar("ruie_log_ids")


def identify(**ids: str | int) -> None:
    """All that this task, and those that it starts, log from here on is about these (`IDS` and
    `TRACE_IDS`)."""
    _about.set({**_about.get({}), **ids})


class _WithIds(logging.Filter):
    """Gives a record the ids of the task that logged it. Those in the call's `extra` come first."""

    def filter(self, record: logging.LogRecord) -> bool:
        for name, value in _about.get({}).items():
            if not hasattr(record, name):
                setattr(record, name, value)
        return True


def _ids(record: logging.LogRecord, names: tuple[str, ...] = IDS) -> dict[str, str | int]:
    return {name: getattr(record, name) for name in names if hasattr(record, name)}


class _Lines(logging.Formatter):
    """A message is one line, so that none from outside looks like two; a traceback has its own."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = record.message.replace("\n", "\\n")
        ids = "".join(f" {name}={value}" for name, value in _ids(record).items())
        return super().formatMessage(record) + (f"  [{ids[1:]}]" if ids else "")


class _Json(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, message, ids, and a traceback as error."""

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, str | int] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_ids(record, IDS + TRACE_IDS),
        }
        if record.exc_info:
            said["error"] = self.formatException(record.exc_info)
        return json.dumps(said, ensure_ascii=False)


def start_logging(form: LogFormat = "human") -> None:
    """Log to standard error, in this form."""
    handler = logging.StreamHandler(sys.stderr)
    line = "%(asctime)s %(levelname)-7s %(name)s  %(message)s"
    handler.setFormatter(_Json() if form == "json" else _Lines(line, datefmt="%H:%M:%S"))
    handler.addFilter(_WithIds())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for noisy in ("alembic", "httpx2", "openai", "kombu", "celery.redirected", "amqp"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
