"""`ruie convert`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ruie.worker.cli.options import json_option, share

if TYPE_CHECKING:
    from ruie.annotations import Corpus

FORMATS = ("brat", "conll", "docbin", "instructions", "jsonl")
COLUMNS = ("source", "format", "rows", "entities", "relations", "events", "left out", "repaired")


@click.command()
@click.argument("sources", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--to", "output", required=True, type=click.Path(path_type=Path), help="JSONL to write."
)
@click.option(
    "--format", "form", type=click.Choice(FORMATS), help="Format of SOURCES; default: detected."
)
@click.option(
    "--schema",
    type=click.Path(path_type=Path),
    help="Schema of SOURCES; default: the file beside each, or the types that occur.",
)
@click.option(
    "--tolerance",
    default="5%",
    metavar="SHARE",
    callback=share,
    help="Share of a source's rows that may be wrong; default: 5%.",
)
@click.option(
    "--token-column",
    type=int,
    default=1,
    help="CoNLL: the column of the token, from 1; -1 is the last.",
)
@click.option(
    "--tag-column",
    type=int,
    default=-1,
    help="CoNLL: the column of the tag, from 1; -1 is the last.",
)
@click.option("--span-group", default="", help="DocBin: use this group of doc.spans.")
@click.option(
    "--whole-documents", is_flag=True, help="brat: a row for each document, not for each line."
)
@click.option("--overwrite", is_flag=True, help="Replace existing files.")
@json_option
def convert(
    sources: tuple[Path, ...],
    output: Path,
    form: str | None,
    schema: Path | None,
    tolerance: float,
    token_column: int,
    tag_column: int,
    span_group: str,
    whole_documents: bool,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Convert annotated SOURCES to JSONL: CoNLL columns, DocBin, brat, IE INSTRUCTIONS, JSONL.

    Rows that are wrong are reported with file and line and left out. Without --schema a schema is
    written beside the rows.
    """
    from ruie.annotations import load_corpus
    from ruie.errors import AnnotationError
    from ruie.formats import Format, FormatOptions
    from ruie.formats.writing import check_target, schema_path, union, with_unique_ids, write_corpus

    check_target(output, schema=schema is None, overwrite=overwrite)
    options = FormatOptions(token_column, tag_column, span_group, whole_documents)
    read = {
        source: load_corpus(
            source,
            schema,
            format=Format(form) if form else None,
            tolerance=tolerance,
            options=options,
        )
        for source in dict.fromkeys(sources)
    }
    merged = union(schema_path(output).stem, (corpus.schema for corpus in read.values()))
    if not merged.tasks:
        raise AnnotationError(
            "No row has an annotation, so that no schema can be made.", "Name one with --schema."
        )
    rows = with_unique_ids(row for corpus in read.values() for row in corpus.rows)
    write_corpus(output, rows, None if schema else merged, overwrite=overwrite)
    _print(read, output, schema or schema_path(output), as_json=as_json)


def _print(read: dict[Path, Corpus], output: Path, schema: Path, *, as_json: bool) -> None:
    from ruie.worker.terminal import console, print_json, table

    rows = [(str(source), str(corpus.format), *_counts(corpus)) for source, corpus in read.items()]
    if as_json:
        names = [column.replace(" ", "_") for column in COLUMNS]
        documents = [
            {
                **dict(zip(names, row, strict=True)),
                "problems": [asdict(problem) for problem in corpus.problems],
            }
            for row, corpus in zip(rows, read.values(), strict=True)
        ]
        print_json({"output": str(output), "schema": str(schema), "sources": documents})
        return
    if len(rows) > 1:
        sums = [sum(column) for column in zip(*(_counts(c) for c in read.values()), strict=True)]
        rows.append(("all", "", *sums))
    console.print(table(COLUMNS, rows))
    console.print(f"\n{output}, schema {schema}", soft_wrap=True, markup=False)


def _counts(corpus: Corpus) -> tuple[int, ...]:
    """The numbers of `COLUMNS`."""
    from ruie.records import Task

    records = [
        sum(len(row.gold.get(task, ())) for row in corpus.rows)
        for task in (Task.NER, Task.RE, Task.ED)
    ]
    left_out = sum(problem.rows for problem in corpus.problems)
    repaired = sum(1 for problem in corpus.problems if not problem.rows)
    return (len(corpus.rows), *records, left_out, repaired)
