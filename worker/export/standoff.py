"""brat: a `.txt` and an `.ann` file for each document, in folders of a thousand."""

from __future__ import annotations

import re
from pathlib import Path

from ruie.db.record_pages import DocumentRecords, SpanRecord
from ruie.worker.export.rows import Counts

FOLDER = 1000
_LINE = re.compile(r"[^\r\n]+")


def write_document(folder: Path, document: DocumentRecords, counts: Counts) -> None:
    """Write both files. Records without offsets are left out and counted."""
    inside = folder / f"{document.id // FOLDER:06d}"
    inside.mkdir(exist_ok=True)
    safe = re.sub(r"[^\w.-]+", "_", document.external_id)[:60].strip("._")
    name = f"{document.id}-{safe}" if safe else str(document.id)
    (inside / f"{name}.txt").write_bytes(document.text.encode())
    (inside / f"{name}.ann").write_bytes(standoff(document, counts).encode())
    counts.documents += 1


def standoff(document: DocumentRecords, counts: Counts) -> str:
    """A document's annotations: each span and type once, referred to by relations and events."""
    lines: list[str] = []
    names: dict[tuple[str, str, int, int], str] = {}
    numbers = {"R": 0, "E": 0}

    def mention(type_: str, span: SpanRecord, kind: str = "entity") -> str | None:
        if span.start is None or span.end is None:
            return None
        key = (kind, type_, span.start, span.end)
        if key not in names:
            names[key] = f"T{len(names) + 1}"
            lines.append(f"{names[key]}\t{_word(type_)} {_pieces(document.text, span)}")
        return names[key]

    for entity in document.entities:
        counts.ungrounded += mention(entity.type, entity.span) is None
    entities = {(start, end): name for (_, _, start, end), name in names.items()}

    def side(span: SpanRecord, type_: str) -> str | None:
        """The entity with the same offsets, if there is one, or a mention."""
        if span.start is not None and span.end is not None:
            known = entities.get((span.start, span.end))
            return known or mention(type_, span)
        return mention(type_, span)

    for relation in document.relations:
        head, tail = side(relation.head, "Mention"), side(relation.tail, "Mention")
        if head is None or tail is None:
            counts.ungrounded += 1
            continue
        numbers["R"] += 1
        lines.append(f"R{numbers['R']}\t{_word(relation.type)} Arg1:{head} Arg2:{tail}")
    for event in document.events:
        # a trigger is not an entity, though one may have the same offsets
        trigger = mention(event.type, event.trigger, "trigger")
        if trigger is None:
            counts.ungrounded += 1
            continue
        parts = [f"{_word(event.type)}:{trigger}"]
        for argument in event.arguments:
            name = side(argument.span, "Mention")
            counts.ungrounded += name is None
            if name:
                parts.append(f"{_word(argument.role)}:{name}")
        numbers["E"] += 1
        lines.append(f"E{numbers['E']}\t{' '.join(parts)}")
    return "".join(f"{line}\n" for line in lines)


def _word(label: str) -> str:
    """A type in brat has no white space, and no character of its syntax."""
    return re.sub(r"[^\w.-]+", "_", label)


def _pieces(text: str, span: SpanRecord) -> str:
    """The offsets and the words. A span over several lines is in pieces, as an annotation is one
    line."""
    start = span.start or 0
    pieces = [(start + m.start(), start + m.end()) for m in _LINE.finditer(text[start : span.end])]
    offsets = ";".join(f"{a} {b}" for a, b in pieces)
    return f"{offsets}\t{' '.join(text[a:b] for a, b in pieces)}"
