"""Options that several commands share, gathered into what the client takes."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

import click

from ruie.modes import FALLBACKS, MODES, Fallback, Mode

if TYPE_CHECKING:
    from ruie.worker.client import Options
    from ruie.worker.ingest.sources.mapping import ColumnMapping

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

FORMATS = ("jsonl", "csv", "tsv", "parquet", "text", "markdown", "html", "pdf", "docx")


class Reading(TypedDict):
    """How sources are read: arguments of `Client.enqueue_files` and the like."""

    mapping: ColumnMapping
    input_format: str


def source_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --text, --id, --meta and --input-format; the command takes `reading`."""
    options = (
        click.option(
            "--text", "text_column", default="text", help="Column of the text; default: text."
        ),
        click.option("--id", "id_column", default="id", help="Column of the id; default: id."),
        click.option(
            "--meta",
            help="Columns kept as metadata, separated by commas; default: all others.",
        ),
        click.option(
            "--input-format",
            type=click.Choice(FORMATS),
            help="Format of standard input (default: jsonl) and of files whose names do not tell.",
        ),
    )
    return _gathered("reading", options, _reading)(command)


def _reading(
    text_column: str, id_column: str, meta: str | None, input_format: str | None
) -> Reading:
    from ruie.worker.ingest.sources.mapping import ColumnMapping

    metadata = None if meta is None else tuple(name.strip() for name in meta.split(","))
    mapping = ColumnMapping(text_column, id_column, metadata)
    return {"mapping": mapping, "input_format": input_format or ""}


schema_option = click.option(
    "--schema", required=True, type=click.Path(path_type=Path), help="Schema file."
)
context_option = click.option(
    "--context",
    default="",
    help="Metadata key, such as title, whose value is added to each chunk's prompt.",
)
mode_option = click.option(
    "--mode",
    type=click.Choice(MODES),
    help="flex, batch: slower, at half the price; default: RUIE_LLM_MODE.",
)
fallback_option = click.option(
    "--fallback",
    type=click.Choice(FALLBACKS),
    help="Where a batch is late, with standard: the rest is asked one by one; default: none.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def share(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """A share, `5%` or `0.05`, as a number from 0 to 1. Above 1 without % it is refused: `5` may be
    meant as either."""
    if value is None:
        return None
    written = value.strip()
    try:
        number = float(written.rstrip("% ")) / (100 if written.endswith("%") else 1)
    except ValueError:
        number = -1
    if not 0 <= number <= 1:
        raise click.BadParameter(f"{value!r} is not a share; write for example 5% or 0.05.")
    return number


def model_option(default: str = "RUIE_LLM_MODEL") -> Decorator:
    """--model. default: where it comes from if it is not given."""
    return click.option("--model", default="", help=f"Model; default: {default}.")


def job_options(default_model: str = "RUIE_LLM_MODEL") -> Decorator:
    """Adds --model, --cap, --priority, --context, --parameters, --mode and --fallback, as
    `options`."""
    options = (
        model_option(default_model),
        click.option(
            "--cap", type=float, help="The most that a job may cost, USD; there it pauses."
        ),
        click.option(
            "--priority",
            type=click.Choice(["live", "normal", "backfill"]),
            default="normal",
            help="Its share of a quota that other jobs wait for too: 16, 4 or 1.",
        ),
        context_option,
        click.option(
            "--parameters",
            metavar="JSON",
            help='Parameters of each request: \'{"reasoning_effort": "low"}\'.',
        ),
        mode_option,
        fallback_option,
    )
    return _gathered("options", options, _options)


def _options(
    model: str,
    cap: float | None,
    priority: Literal["live", "normal", "backfill"],
    context: str,
    parameters: str | None,
    mode: Mode | None,
    fallback: Fallback | None,
) -> Options:
    """Only what was given: a schedule stores it."""
    options: Options = {"priority": priority}
    if model:
        options["model"] = model
    if cap is not None:
        options["cap_usd"] = cap
    if context:
        options["context"] = context
    if parameters is not None:
        options["parameters"] = json_object(parameters)
    if mode is not None:
        options["mode"] = mode
    if fallback is not None:
        options["fallback"] = fallback
    return options


def json_object(written: str) -> dict[str, Any]:
    from ruie.worker.client import checked

    try:
        value = json.loads(written)
    except ValueError as error:
        raise click.BadParameter(f"not JSON ({error})", param_hint="--parameters") from None
    if not isinstance(value, dict):
        raise click.BadParameter("not a JSON object", param_hint="--parameters")
    checked(value)
    return value


def _gathered(name: str, options: Sequence[Decorator], gather: Callable[..., Any]) -> Decorator:
    """A decorator that adds options and passes what `gather` makes of their values as `name`."""
    parameters = list(inspect.signature(gather).parameters)

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def gathering(**values: Any) -> Any:
            gathered = gather(**{parameter: values.pop(parameter) for parameter in parameters})
            return command(**values, **{name: gathered})

        decorated: Callable[..., Any] = gathering
        for option in reversed(options):
            decorated = option(decorated)
        return decorated

    return decorate
