"""Annotated data in common formats, read into one kind of row.

    from ruie.formats import read

    reading = read(Path("train.conll"))
    reading.rows, reading.problems

`detection.py` detects the format; each format has a module of its own, with a function from a path
to rows and problems. What is wrong is reported with file and line, and the rest is used.
"""

from ruie.formats.detection import Format, detect
from ruie.formats.reading import TOLERANCE, FormatOptions, Reading, collect, read
from ruie.formats.row import AnnotatedRow, Place, Problem

__all__ = [
    "TOLERANCE",
    "AnnotatedRow",
    "Format",
    "FormatOptions",
    "Place",
    "Problem",
    "Reading",
    "collect",
    "detect",
    "read",
]
