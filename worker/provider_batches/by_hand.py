"""Batches as files that somebody carries to where they are answered (`vllm run-batch`): for a
cluster to which there is no way over the network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Engine

from ruie.db import provider_batches, provider_lines, provider_requests
from ruie.db.batch_cutting import cut_all
from ruie.db.provider_batches import ProviderBatch
from ruie.errors import UsageError
from ruie.files import replacing
from ruie.llm.batches.openai import batch_line, results_line
from ruie.settings import Settings
from ruie.worker.prices import price_of
from ruie.worker.provider_batches.custom_ids import CustomId, read_custom_id
from ruie.worker.provider_batches.harvest import stored_line

AT_A_TIME = 500


@dataclass(slots=True)
class ReadResults:
    """What a file of results had. foreign: lines that are no request that waits for an answer.
    missing: by batch, its requests that still do."""

    answers: int = 0
    errors: int = 0
    foreign: int = 0
    missing: Mapping[int, int] = field(default_factory=dict)


def write_batch(engine: Engine, job_id: str, path: Path) -> ProviderBatch:
    """Write the requests of a job that wait into a file, whole or not at all. Raises `UsageError`
    where there are none, or where there is such a file."""
    if path.exists():
        raise UsageError(f"{path} exists.", "Name a file that does not.")
    with engine.begin() as conn:
        made = cut_all(conn, job_id)
        if made is None:
            raise UsageError(
                f"No request of {job_id} waits to be sent.",
                "Workers build them, with RUIE_LLM_BATCHES=file, from a job in the mode batch.",
            )
        batch = provider_batches.find(conn, made)
        assert batch is not None
        with replacing(path, overwrite=False) as partial, partial.open("w") as file:
            for request, item, body in provider_requests.bodies(conn, made):
                custom_id = str(CustomId(item, request, batch.token))
                line = batch_line(custom_id, json.loads(body))
                file.write(json.dumps(line, ensure_ascii=True) + "\n")
        provider_batches.begin_create(conn, made)
        provider_batches.created(conn, made, f"file:{path.name}", provider_batches.BY_HAND)
        written = provider_batches.find(conn, made)
        assert written is not None
        return written


def read_results(engine: Engine, config: Settings, path: Path) -> ReadResults:
    """Store the results of such a file, for workers to read; reading one twice changes nothing."""
    total = ReadResults()
    by_token: dict[str, ProviderBatch | None] = {}
    waiting: dict[int, list[provider_lines.Line]] = {}
    with path.open("rb") as lines:
        for raw in lines:
            if not raw.strip():
                continue
            batch, line = _read(engine, config, raw, by_token)
            if batch is None or line is None:
                total.foreign += 1
                continue
            listed = waiting.setdefault(batch.id, [])
            listed.append(line)
            if len(listed) >= AT_A_TIME:
                _store(engine, batch.id, waiting.pop(batch.id), total)
    for batch_id, listed in waiting.items():
        _store(engine, batch_id, listed, total)
    total.missing = {
        each.id: missing
        for each in by_token.values()
        if each is not None and (missing := _finish(engine, each.id))
    }
    return total


def _read(
    engine: Engine, config: Settings, raw: bytes, by_token: dict[str, ProviderBatch | None]
) -> tuple[ProviderBatch | None, provider_lines.Line | None]:
    line = results_line(raw)
    custom_id = None if line is None else read_custom_id(line.custom_id)
    if line is None or custom_id is None:
        return None, None
    if custom_id.token not in by_token:
        with engine.connect() as conn:
            by_token[custom_id.token] = provider_batches.by_token(conn, custom_id.token)
    batch = by_token[custom_id.token]
    if batch is None:
        return None, None
    price = price_of(batch.model, config.llm_prices, batch.endpoint)
    return batch, stored_line(custom_id, line, price)


def _store(
    engine: Engine, batch_id: int, lines: list[provider_lines.Line], total: ReadResults
) -> None:
    with engine.begin() as conn:
        answers, errors = provider_lines.store_lines(conn, batch_id, lines)
        provider_batches.count_lines(conn, batch_id, answers, errors)
    total.answers += answers
    total.errors += errors
    total.foreign += len(lines) - answers - errors


def _finish(engine: Engine, batch_id: int) -> int:
    """End a batch all of whose requests have their line; returns how many have not."""
    with engine.begin() as conn:
        missing = provider_requests.unanswered(conn, batch_id)
        if not missing:
            provider_batches.end_by_hand(conn, batch_id)
    return missing
