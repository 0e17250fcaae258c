"""Annotated data in the formats that people have, read into one kind of row.

    from ruie.formats import read

    reading = read(Path("train.conll"))
    reading.rows, reading.problems

`detection.py` says how a format is told; each format has a module of its own, a function from a
path to rows and problems. What is wrong is reported with its place, and the rest is used.
"""

from ruie.formats.detection import Format, detect
from ruie.formats.reading import TOLERANCE, Options, Reading, collect, read
from ruie.formats.row import AnnotatedRow, Place, Problem

__all__ = [
    "TOLERANCE",
    "AnnotatedRow",
    "Format",
    "Options",
    "Place",
    "Problem",
    "Reading",
    "collect",
    "detect",
    "read",
]
