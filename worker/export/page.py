"""One HTML page that opens offline: texts with their spans marked, records listed beside them.

Kinds differ in shape (filled, dotted, boxed, dashed) and in the range of their colours; types of a
kind in the colour within it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import pairwise, starmap
from pathlib import Path

from ruie.db.record_pages import DocumentRecords, SpanRecord
from ruie.records import Task
from ruie.schema import Schema
from ruie.worker.export.document_notes import notes
from ruie.worker.export.rows import Counts

_HERE = Path(__file__).parent
DOCUMENTS = 500
"""The default limit: browsers scroll a page of so many easily."""

_KINDS = {"entity": "Entities", "relation": "Relations", "event": "Events"}
_HUES = {"entity": (190, 275), "relation": (85, 160), "event": (-35, 50)}
"""The first and the last hue of each kind, degrees: blue, green, red and orange."""
_ARGUMENT = "argument:"
Mark = tuple[int, int, str, str]
"""Start, end, kind (entity, relation, event, `argument:` and the event's type), type or role."""


def page(
    documents: Iterable[DocumentRecords], schema: Schema, title: str, more: str, counts: Counts
) -> Iterator[str]:
    """The page in pieces. It works without JavaScript, which adds the filter, the search and the
    keys. more: a note that not all documents are on it."""
    style = (_HERE / "page.css").read_text(encoding="utf-8")
    script = (_HERE / "page.js").read_text(encoding="utf-8")
    types = {"entity": schema.entities, "relation": schema.relations, "event": schema.events}
    colours = "".join(
        f".{_key(kind, name)}{{--h:{hue(kind, place, len(names))}}}"
        for kind, names in types.items()
        for place, name in enumerate(_ordered(names))
    )
    yield (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style}{colours}</style></head><body>"
        f'<header><h1>{escape(title)}</h1><p id="count" role="status"></p>'
        '<label hidden>Search <input id="search" type="search" placeholder="id, text or record">'
        "</label></header>"
        f'<nav aria-label="Types">{"".join(starmap(_types, types.items()))}</nav><main>'
    )
    for document in documents:
        counts.documents += 1
        yield _document(document, schema.tasks)
    yield f'<p class="more">{escape(more)}</p>' if more else ""
    yield f"</main><script>{script}</script></body></html>\n"


def _document(document: DocumentRecords, tasks: Sequence[Task]) -> str:
    noted = notes(document, tasks)
    records = "".join(_records(document)) or '<li class="none">Nothing found.</li>'
    return (
        f'<article id="d{document.id}" tabindex="-1"><h2><a href="#d{document.id}">'
        f"{escape(document.external_id)}</a></h2>{noted}"
        f'<div class="both"><div class="text">{marked(document.text, _marks(document))}</div>'
        f'<ul class="records">{records}</ul></div></article>\n'
    )


def _marks(document: DocumentRecords) -> list[Mark]:
    """The spans of all records that have a place in the text."""
    spans: list[tuple[SpanRecord, str, str]] = [
        *((e.span, "entity", e.type) for e in document.entities),
        *((side, "relation", r.type) for r in document.relations for side in (r.head, r.tail)),
        *((v.trigger, "event", v.type) for v in document.events),
        *((a.span, _ARGUMENT + v.type, a.role) for v in document.events for a in v.arguments),
    ]
    return [
        (span.start, span.end, kind, type_)
        for span, kind, type_ in spans
        if span.start is not None and span.end is not None and span.start < span.end
    ]


def _records(document: DocumentRecords) -> Iterator[str]:
    """A line for each record."""
    for e in document.entities:
        yield _record("entity", e.type, _quoted(e.span), e.source)
    for r in document.relations:
        yield _record("relation", r.type, f"{_quoted(r.head)} → {_quoted(r.tail)}", r.source)
    for v in document.events:
        arguments = "".join(
            f"<dt>{escape(a.role)}</dt><dd>{_quoted(a.span)}</dd>" for a in v.arguments
        )
        said = _quoted(v.trigger) + (arguments and f"<dl>{arguments}</dl>")
        yield _record("event", v.type, said, v.source)


def marked(text: str, marks: Iterable[Mark]) -> str:
    """The text, escaped, cut where any span begins or ends. A piece names every span that covers
    it, shortest first, so that spans may nest and overlap."""
    known = sorted(set(marks), key=lambda m: (m[1] - m[0], m))
    cuts = sorted({0, len(text), *(m[0] for m in known), *(m[1] for m in known)})
    starting = sorted(known, key=lambda m: m[0])
    open_: list[Mark] = []
    pieces, at = [], 0
    for start, end in pairwise(cuts):
        open_ = [m for m in open_ if m[1] > start]
        while at < len(starting) and starting[at][0] <= start:
            open_.append(starting[at])
            at += 1
        piece = escape(text[start:end])
        if open_:
            cover = sorted(open_, key=lambda m: (m[1] - m[0], m))
            names = escape("\n".join(f"{kind}:{type_}" for _, _, kind, type_ in cover))
            # the shortest is innermost; each one's line under the text is a step lower
            for depth, (_, _, kind, type_) in enumerate(cover):
                title = f' title="{names}"' if not depth else ""
                step = f" d{depth}" if depth else ""
                classes = f"{_key(kind, type_)} {_shape(kind)}{step}"
                piece = f'<mark class="{classes}"{title}>{piece}</mark>'
            # the label stands once, where its span ends
            labels = [m for m in cover if m[1] == end]
            piece += "".join(
                f'<sup class="{_key(k, t)} {_shape(k)}">{escape(t)}</sup>' for _, _, k, t in labels
            )
        pieces.append(piece)
    return "".join(pieces)


def _types(kind: str, names: Iterable[str]) -> str:
    """The legend of a kind's colours; empty if the schema has no type of it."""
    labels = "".join(
        f'<label class="{_key(kind, name)} {kind}"><span class="type">{escape(name)}</span></label>'
        for name in _ordered(names)
    )
    sample = '<span class="sample">their arguments</span>' if kind == "event" else ""
    return f"<fieldset><legend>{_KINDS[kind]}</legend>{labels}{sample}</fieldset>" if labels else ""


def _ordered(names: Iterable[str]) -> list[str]:
    return sorted(names, key=str.casefold)


def hue(kind: str, place: int, count: int) -> int:
    """The hue of a type, degrees: of `count` types of a kind, spread over the kind's range, the one
    at `place`, from 0."""
    first, last = _HUES[kind]
    return round(first + (last - first) * (place + 0.5) / count) % 360


def _key(kind: str, type_: str) -> str:
    """The CSS class of a type: a valid name, whatever the type is called. An argument has that of
    its event."""
    if kind.startswith(_ARGUMENT):
        kind, type_ = "v", kind.removeprefix(_ARGUMENT)
    elif kind == "event":
        kind = "v"
    return f"{kind[0]}{hashlib.sha256(type_.encode()).hexdigest()[:10]}"


def _shape(kind: str) -> str:
    """The CSS class of a kind."""
    return kind.partition(":")[0]


def _record(kind: str, type_: str, content: str, source: str) -> str:
    by = "" if source == "model" else f' <small class="source">{escape(source)}</small>'
    return (
        f'<li class="{_key(kind, type_)} {kind}"><span class="type">{escape(type_)}</span> '
        f'<span class="said">{content}{by}</span></li>'
    )


def _quoted(span: SpanRecord) -> str:
    if span.start is not None:
        return f"<q>{escape(span.text)}</q>"
    return f'<q class="lost">{escape(span.text)}</q> <small>not in the text</small>'
