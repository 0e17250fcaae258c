"""What `ruie doctor` says of the models: one real call to each."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ruie.errors import RuieError
from ruie.worker.cli.check import Check

if TYPE_CHECKING:
    from ruie.llm import LLMClient
    from ruie.settings import Settings
    from ruie.worker.batches.store import Store
    from ruie.worker.trial import Trial

MAX_ANSWER = 80
"""Characters of the answer that are shown."""


def check_llm(config: Settings, *, forget: bool, call: bool) -> list[Check]:
    """The endpoint, then each model that the settings or an open job name. What is learned is kept
    for the fleet, where the database is of this version."""
    from ruie.llm import connect
    from ruie.llm.gate import Gate
    from ruie.worker.batches.ledger import FleetLedger

    if config.llm_batches == "file":
        return [Check("llm", True, "none is called: `ruie batch write` and `ruie batch read`")]
    if not config.llm_base_url:
        from ruie.packaged import packaged_llm

        return [Check("llm", True, f"embedded: `ruie up` starts {packaged_llm().name}")]
    store = _store(config)
    client = connect(config, gate=Gate(FleetLedger(store)) if store else None)
    try:
        return asyncio.run(_check(client, store, config, forget, call))
    finally:
        if store:
            store.close()


def _store(config: Settings) -> Store | None:
    from ruie.db import migrate
    from ruie.db.engine import open_engine
    from ruie.worker.batches.store import Store

    engine = open_engine(config.database_url)
    try:
        migrate.check(engine)
    except RuieError:  # which another check reports
        engine.dispose()
        return None
    return Store(engine)


async def _check(
    client: LLMClient, store: Store | None, config: Settings, forget: bool, call: bool
) -> list[Check]:
    try:
        try:
            first = await client.resolve_model(config.llm_model)
        except RuieError as error:
            return [Check("llm", False, error.message, error.hint)]
        checks = [Check("llm", True, f"{client.base_url} answers")]
        for model in await _models(store, client.base_url, first, forget):
            checks += await _try(client, model, config) if call else []
        return checks
    finally:
        await client.close()


async def _models(store: Store | None, url: str, first: str, forget: bool) -> list[str]:
    """The settings' model, and those of open jobs."""
    from functools import partial

    from ruie.db import endpoints, jobs, targets

    if store is None:
        return [first]
    open_jobs = await store.read(jobs.list_jobs)
    named = {j.model: None for j in open_jobs if j.state in ("running", "paused") and j.model}
    models = list({first: None} | named)
    for model in models if forget else []:
        await store.write(partial(targets.forget, endpoint=url, model=model))
    # It answers just now: calls may be tried, if it was away.
    await store.write(partial(endpoints.probed, endpoint=url, error=None))
    return models


async def _try(client: LLMClient, model: str, config: Settings) -> list[Check]:
    from ruie.worker.client import decoding
    from ruie.worker.trial import try_model

    try:
        trial = await try_model(client, model, decoding(config))
    except RuieError as error:
        return [Check("model", False, f"{model}: {error.message}", error.hint)]
    return list(_report(trial, config))


def _report(trial: Trial, config: Settings) -> Iterator[Check]:
    from ruie.worker.prices import price_of

    yield Check("model", True, f"{trial.model} answers in {trial.latency_s:.2f} s")
    if trial.readable:
        yield Check("answer", True, _short(trial.answer))
    elif not trial.answer.strip():
        hint = "Raise RUIE_LLM_REASONING_TOKENS if it thinks, or try another model."
        yield Check("answer", False, "empty, twice", hint)
    else:
        said = f"not in the form that was asked for: {_short(trial.answer)!r}"
        hint = "A small model needs demonstrations; RUIE_OUTPUT_FORM=auto may help."
        yield Check("answer", True, said, hint)
    held = f", held by {trial.decoding.constraint}" if trial.decoding.constraint else ""
    yield Check("form", True, f"{trial.decoding.form}{held}")
    usage = trial.usage
    thought = f", {usage.reasoning:,} of them thought" if usage.reasoning else ""
    yield Check(
        "tokens",
        True,
        f"{usage.prompt:,} in ({trial.estimated_tokens:,} estimated), "
        f"{usage.completion:,} out{thought}",
    )
    yield Check("learned", True, trial.profile.describe() or "nothing: it takes what ruie sends")
    price = price_of(trial.model, config.llm_prices, config.llm_endpoint)
    if price is None:
        yield Check("price", True, "unknown: a job with a cap needs it", "Set RUIE_LLM_PRICES.")
    else:
        rates = f"${price.input:g} in, ${price.output:g} out for a million tokens"
        yield Check("price", True, f"{rates} ({price.stated})")
    kinds = {"r": "requests", "i": "tokens in", "o": "tokens out", "t": "tokens"}
    limits = [f"{limit.refill:,.0f} {kinds[limit.dimension]} a minute" for limit in trial.limits]
    yield Check("limits", True, ", ".join(limits) or "the endpoint states none")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAX_ANSWER else f"{line[:MAX_ANSWER]}…"
