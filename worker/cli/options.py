"""The options of every command that reads sources."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ruie.worker.ingest.sources.mapping import Mapping

KINDS = ("jsonl", "csv", "tsv", "parquet", "text", "markdown", "html")


def source_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --text, --id, --meta and --input-format."""
    for option in (
        click.option(
            "--input-format",
            type=click.Choice(KINDS),
            help="Of standard input (default: jsonl) and of files whose name tells none.",
        ),
        click.option("--meta", help="Columns kept as metadata, comma between; default: the rest."),
        click.option("--id", "id_column", default="id", help="Column of the id; default: id."),
        click.option(
            "--text", "text_column", default="text", help="Column of the text; default: text."
        ),
    ):
        command = option(command)
    return command


def mapping_of(text_column: str, id_column: str, meta: str | None) -> Mapping:
    """What --text, --id and --meta say."""
    from ruie.worker.ingest.sources.mapping import Mapping

    kept = None if meta is None else tuple(name.strip() for name in meta.split(","))
    return Mapping(text_column, id_column, kept)
