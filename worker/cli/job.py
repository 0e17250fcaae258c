"""`ruie job`: the settings of a job."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Literal

import click

from ruie.modes import MODES, Fallback, Mode
from ruie.worker.cli.completing import job_ids
from ruie.worker.cli.options import fallback_option, json_object, json_option

if TYPE_CHECKING:
    from ruie.db.job_changes import ChangedJob
    from ruie.db.jobs import Job
    from ruie.worker.job_options import Changes

ANY_MODEL = "the first that the endpoint lists"
WORKERS_OWN = "that of the workers"


@click.group()
def job() -> None:
    """Show or change the settings of a job."""


@job.command()
@click.argument("job", shell_complete=job_ids)
@json_option
def show(job: str, as_json: bool) -> None:
    """Show the settings of JOB."""
    from ruie.db.calls import endpoint_of
    from ruie.db.engine import reading
    from ruie.worker.client import Client
    from ruie.worker.terminal import console, print_json, table

    client = Client()
    known = client.job(job)
    with reading(client.engine) as conn:
        known = replace(known, endpoint=endpoint_of(conn, known))
    if as_json:
        print_json(_document(known))
        return
    rows = [(name, _written(value)) for name, value in _facts(known).items()]
    console.print(table(["", ""], rows, title=known.id, wrap=""))


def _facts(job: Job) -> dict[str, Any]:
    """What a person wants to know, by its name in JSON, without what is empty."""
    shown = _document(job)
    decoding = shown.pop("settings")
    cap = shown["cap_usd"]
    facts = {
        **{name: shown[name] for name in ("name", "state", "reason", "schema_name")},
        "model": job.model or ANY_MODEL,
        "endpoint": job.endpoint or WORKERS_OWN,
        "priority": shown["priority"],
        "cap": None if cap is None else f"{cap:.4f} USD",
        "corpus": job.corpus,
        **decoding,
        "forced": job.forced or None,
        "prompt_version": job.prompt_version,
        "bundle": job.bundle_digest,
        "created_at": str(job.created_at),
    }
    return {name: value for name, value in facts.items() if value not in (None, "")}


def _document(job: Job) -> dict[str, Any]:
    """A job as JSON, without the body of its schema and what identifies it to an enqueueing."""
    from ruie.db.spend import NUSD

    left_out = ("schema_body", "settings", "cap_nusd", "question", "scope", "enqueue_key")
    shown = {name: value for name, value in asdict(job).items() if name not in left_out}
    return {
        **shown,
        "priority": _priority(job.priority),
        "cap_usd": None if job.cap_nusd is None else job.cap_nusd / NUSD,
        "settings": {**job.settings.body(), "stop": list(job.settings.decoding.stop)},
    }


def _priority(number: int) -> str:
    from ruie.db.jobs import Priority

    return Priority(number).name.lower()


@job.command("set")
@click.argument("job", shell_complete=job_ids)
@click.option("--name", help="Another name.")
@click.option("--model", help="Another model of the same endpoint.")
@click.option(
    "--parameters", metavar="JSON", help="Parameters of each request, in place of the job's own."
)
@click.option(
    "--mode",
    type=click.Choice(MODES),
    help="flex, batch: slower, at half the price; default: the job's own.",
)
@fallback_option
@click.option("--max-tokens", type=click.IntRange(min=1), help="Longest answer, tokens.")
@click.option("--stop", metavar="JSON", help="Stop sequences, a JSON list; [] for none.")
@click.option(
    "--priority",
    type=click.Choice(["live", "normal", "backfill"]),
    help="Its share of a quota that other jobs wait for too: 16, 4 or 1.",
)
@json_option
def set_(
    job: str,
    name: str | None,
    model: str | None,
    parameters: str | None,
    mode: Mode | None,
    fallback: Fallback | None,
    max_tokens: int | None,
    stop: str | None,
    priority: Literal["live", "normal", "backfill"] | None,
    as_json: bool,
) -> None:
    """Change JOB from the next batch of each worker on; what is done stays."""
    from ruie.worker.cli.model_check import check_model, warn_of_batches
    from ruie.worker.client import Client
    from ruie.worker.terminal import print_json

    changes: Changes = {}
    if name is not None:
        changes["name"] = name
    if model is not None:
        changes["model"] = model
    if parameters is not None:
        changes["parameters"] = json_object(parameters)
    if mode is not None:
        changes["mode"] = mode
    if fallback is not None:
        changes["fallback"] = fallback
    if max_tokens is not None:
        changes["max_tokens"] = max_tokens
    if stop is not None:
        changes["stop"] = _stop_sequences(stop)
    if priority is not None:
        changes["priority"] = priority
    if not changes:
        raise click.UsageError("Nothing to change: give at least one option.")
    client = Client()
    client.job(job)
    if mode:
        warn_of_batches(client.config, mode)
    if model:
        check_model(client.config, model)
    done = client.change_job(job, **changes)
    if as_json:
        print_json(_changed_document(done))
    else:
        _print(done)


def _stop_sequences(written: str) -> list[str]:
    try:
        value = json.loads(written)
    except ValueError as error:
        raise click.BadParameter(f"not JSON ({error})", param_hint="--stop") from None
    if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
        raise click.BadParameter("not a JSON list of texts", param_hint="--stop")
    return value


def _changed_document(done: ChangedJob) -> dict[str, Any]:
    counts = ("waiting", "leased", "submitted", "done", "quarantined", "own_model")
    return {
        "job_id": done.job.id,
        "state": done.job.state,
        "changed": {
            name: {"before": _plain(name, before), "now": _plain(name, now)}
            for name, (before, now) in done.changed.items()
        },
        **{name: getattr(done, name) for name in counts},
    }


def _plain(name: str, value: Any) -> Any:
    return _priority(value) if name == "priority" else value


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _print(done: ChangedJob) -> None:
    """What was changed, and what it means for the items."""
    from ruie.worker.terminal import counted

    job = done.job
    if not done.changed:
        click.echo(f"{job.id} has these settings already; nothing was changed")
        return
    for name, values in done.changed.items():
        before, now = (_written(_plain(name, value)) for value in values)
        click.echo(f"{job.id}: {name} was {before or ANY_MODEL}, is now {now}")
    click.echo(f"still to be asked: {counted(done.waiting, 'item')}")
    click.echo(f"already answered: {counted(done.done, 'item')}, whose records stay")
    if done.leased:
        click.echo(f"in progress, with the former settings: {counted(done.leased, 'item')}")
    if done.submitted:
        items = counted(done.submitted, "item")
        click.echo(f"in batches at the provider, or waiting for one: {items}")
    if done.own_model and "model" in done.changed:
        click.echo(f"with the model of `ruie retry --model`: {counted(done.own_model, 'item')}")
    if done.quarantined:
        items = counted(done.quarantined, "item")
        click.echo(f"in quarantine: {items}; `ruie retry {job.id}` asks again")
    if job.state in ("paused", "failed"):
        click.echo(f"Nothing is sent before `ruie resume {job.id}`.", err=True)
