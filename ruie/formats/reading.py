"""A file or folder of annotated data: its rows and its problems."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ruie.closest import closest_first, listed
from ruie.errors import AnnotationError, RuieError
from ruie.formats.brat import read_brat
from ruie.formats.conll import read_conll
from ruie.formats.detection import Format, detect
from ruie.formats.docbin import read_docbin
from ruie.formats.instructions import read_instructions
from ruie.formats.jsonl import read_jsonl
from ruie.formats.row import AnnotatedRow, Place, Problem, RowOrProblem
from ruie.records import Task
from ruie.schema import Schema

logger = logging.getLogger("ruie")

TOLERANCE = 0.05
"""The share of a file's rows that may be wrong: with more, the file is refused as a whole."""


@dataclass(frozen=True, slots=True)
class FormatOptions:
    """How to read formats that allow several readings."""

    token_column: int = 1
    """CoNLL: from 1 at the left, or from -1 at the right."""
    tag_column: int = -1
    span_group: str = ""
    """DocBin: the group of `doc.spans` to take; "" for `doc.ents`."""
    whole_documents: bool = False
    """brat: each document is a row; else each line is."""
    nulls: bool = False
    """JSONL: null in the place of a list says that it was not annotated; else it is a mistake."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The usable rows, and the problems of the others."""

    path: Path
    format: Format
    rows: tuple[AnnotatedRow, ...]
    problems: tuple[Problem, ...]

    @property
    def left_out(self) -> int:
        """How many rows are not used."""
        return sum(problem.rows for problem in self.problems)

    @property
    def repaired(self) -> int:
        """How many rows are used after something in them was corrected."""
        return sum(1 for problem in self.problems if not problem.rows)

    def against(self, schema: Schema) -> Reading:
        """Without the rows that have a type or a role which the schema lacks. Tasks without any
        type in the schema are ignored."""
        rows: list[AnnotatedRow] = []
        problems = list(self.problems)
        for row in self.rows:
            if unknown := _unknown(row, schema):
                name, near = unknown
                what = f"{name} is not in the schema {schema.name}"
                hint = f"It has {listed(near)}: add it to the schema, or correct it."
                problems.append(Problem(row.place or Place(str(self.path)), what, hint))
            else:
                rows.append(row)
        problems.sort(key=lambda problem: (problem.place.file, problem.place.line or 0))
        return replace(self, rows=tuple(rows), problems=tuple(problems))

    def check(self, tolerance: float = TOLERANCE) -> Reading:
        """This reading. Raises `AnnotationError`, naming the first problem, if more than the share
        `tolerance` (0 to 1) of the rows is left out, or if none is left."""
        rows = len(self.rows) + self.left_out
        if not rows:
            raise AnnotationError(
                f"{self.path} is empty: it has no annotated row.",
                "See docs/data.md for the layout.",
            )
        if self.rows and self.left_out <= round(tolerance * rows, 6):
            return self
        first = next(problem for problem in self.problems if problem.rows)
        verb = "is" if self.left_out == 1 else "are"
        more = f", more than {100 * tolerance:.3g} %" if self.rows else ""
        raise AnnotationError(
            f"{first}; {self.left_out:,} of {rows:,} rows {verb} wrong{more}.", first.hint
        )


def collect(
    path: Path, format: Format | None = None, options: FormatOptions | None = None
) -> Reading:
    """Read all of a file or folder, however many rows are wrong.

    format: None to detect it (`detect`). Raises `AnnotationError` if it cannot be read,
    `UnavailableError` without the library that a format needs.
    """
    options = options or FormatOptions()
    format = format or detect(path, options.tag_column)
    try:
        read = list(_reader(path, format, options))
    except RuieError:
        raise
    except Exception as error:  # a mistake of a reader must not look like one of Python
        logger.info("%s: %s", path, type(error).__name__, exc_info=error)
        raise AnnotationError(
            f"{path} cannot be read: {type(error).__name__}: {error}.",
            "The file may be damaged; if it is not, report this.",
        ) from error
    rows = tuple(one for one in read if isinstance(one, AnnotatedRow))
    return Reading(path, format, rows, tuple(one for one in read if isinstance(one, Problem)))


def read(
    path: Path,
    format: Format | None = None,
    schema: Schema | None = None,
    tolerance: float = TOLERANCE,
    options: FormatOptions | None = None,
) -> Reading:
    """Read a file or folder: `collect`, then `against` the schema if there is one, then `check`."""
    reading = collect(path, format, options)
    return (reading.against(schema) if schema else reading).check(tolerance)


def _reader(path: Path, format: Format, options: FormatOptions) -> Iterator[RowOrProblem]:
    match format:
        case Format.JSONL:
            return read_jsonl(path, options.nulls)
        case Format.CONLL:
            return read_conll(path, options.token_column, options.tag_column)
        case Format.DOCBIN:
            return read_docbin(path, options.span_group)
        case Format.BRAT:
            return read_brat(path, options.whole_documents)
        case Format.INSTRUCTIONS:
            return read_instructions(path)


def _unknown(row: AnnotatedRow, schema: Schema) -> tuple[str, list[str]] | None:
    """The first type or role of a row that is missing in the schema, and those that it has."""
    for task, items in row.gold.items():
        if labels := schema.labels(task):
            for item in items:
                if item.type not in labels:
                    return f"the type '{item.type}' ({task})", closest_first(item.type, labels)
    for event, arguments in zip(row.gold.get(Task.ED, ()), row.arguments, strict=True):
        if roles := schema.labels(Task.EAE, event.type):
            for item in arguments:
                if item.type not in roles:
                    what = f"the role '{item.type}' of '{event.type}'"
                    return what, closest_first(item.type, roles)
    return None
