"""Which format a file has: by its name, or else by its first lines."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path

from ruie.errors import AnnotationError
from ruie.formats.conll import BOUNDARY, TAG, columns
from ruie.formats.files import beside, gzipped, opened


class Format(StrEnum):
    """The formats that are read."""

    JSONL = "jsonl"
    CONLL = "conll"
    DOCBIN = "docbin"
    BRAT = "brat"
    INSTRUCTIONS = "instructions"


SUFFIXES = {
    ".spacy": Format.DOCBIN,
    ".ann": Format.BRAT,
    ".conll": Format.CONLL,
    ".bio": Format.CONLL,
    ".iob": Format.CONLL,
    ".iob2": Format.CONLL,
    ".bioes": Format.CONLL,
    ".bilou": Format.CONLL,
}
"""Suffixes that determine the format, in any case; a `.gz` after them is ignored."""

JSON_LINES = (".jsonl", ".ndjson")
HEAD_BYTES = 65_536
"""How much of a file is read to detect its format."""


def detect(path: Path, tag: int = -1) -> Format:
    """The format of a file or a folder.

    A folder is brat, and so is a `.txt` with an `.ann` beside it. `SUFFIXES` come next, then the
    file's beginning: JSON whose objects have `sentence` is IE INSTRUCTIONS, other JSON is JSONL;
    lines of columns, at least half with a tag in the column `tag`, are CoNLL. Raises
    `AnnotationError` for anything else, and if the file cannot be read.
    """
    if path.is_dir() or (path.suffix.lower() == ".txt" and beside(path, ".ann")):
        return Format.BRAT
    suffix = (Path(path.stem) if gzipped(path) else path).suffix.lower()
    if known := SUFFIXES.get(suffix):
        return known
    if path.is_fifo():  # what is read of it to tell its format would be lost
        raise AnnotationError(
            f"{path} is a pipe, whose format is not known.",
            "Name it with `ruie convert --format`, or give a file.",
        )
    with opened(path) as stream:
        head = stream.read(HEAD_BYTES).decode(errors="replace").removeprefix("\ufeff")
    named = re.search(r'"(sentence|text)"\s*:', head)
    if named and named[1] == "sentence" and re.match(r"\s*[\[{]", head):
        return Format.INSTRUCTIONS
    if suffix in JSON_LINES or re.match(r"\s*(\{|$)", head):
        return Format.JSONL
    if re.match(r"\s*\[\s*[\]{]", head):
        return Format.INSTRUCTIONS
    if _tagged(head, tag):
        return Format.CONLL
    raise AnnotationError(
        f"{path} has no known format.",
        f"Known are {', '.join(Format)}; name one with `ruie convert --format`.",
    )


def _tagged(head: str, tag: int) -> bool:
    """Whether at least half of the lines are columns with a tag."""
    at = tag - 1 if tag > 0 else tag
    cells = [
        columns(line.removesuffix("\r"))
        for line in head.split("\n")[:200]
        if line.strip() and not line.startswith(("#", BOUNDARY))
    ]
    fits = [c for c in cells if len(c) >= max(2, abs(tag)) and TAG.fullmatch(c[at])]
    return bool(cells) and 2 * len(fits) >= len(cells)
