"""One HTML page that opens offline: texts with their spans marked, records listed beside them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from html import escape
from itertools import pairwise, starmap
from pathlib import Path

from ruie.db.record_pages import DocumentRecords, SpanRecord
from ruie.schema import Schema
from ruie.worker.export.rows import Counts

_HERE = Path(__file__).parent
DOCUMENTS = 500
"""The default limit: browsers scroll a page of so many easily."""

_KINDS = {"entity": "Entities", "relation": "Relations", "event": "Events"}
Mark = tuple[int, int, str, str]
"""Start, end, kind (entity, relation, event), type."""


def page(
    documents: Iterable[DocumentRecords], schema: Schema, title: str, more: str, counts: Counts
) -> Iterator[str]:
    """The page in pieces. It works without JavaScript, which adds the filter, the search and the
    keys. more: a note that not all documents are on it."""
    style = (_HERE / "page.css").read_text(encoding="utf-8")
    script = (_HERE / "page.js").read_text(encoding="utf-8")
    types = {"entity": schema.entities, "relation": schema.relations, "event": schema.events}
    colours = "".join(
        f".{_key(kind, name)}{{--h:{hue(name)}}}" for kind, names in types.items() for name in names
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
        yield _document(document)
    yield f'<p class="more">{escape(more)}</p>' if more else ""
    yield f"</main><script>{script}</script></body></html>\n"


def _document(document: DocumentRecords) -> str:
    marks: list[Mark] = []

    def mark(span: SpanRecord, kind: str, type_: str) -> None:
        if span.start is not None and span.end is not None and span.start < span.end:
            marks.append((span.start, span.end, kind, type_))

    rows: list[str] = []
    for e in document.entities:
        mark(e.span, "entity", e.type)
        rows.append(_record("entity", e.type, _quoted(e.span), e.source))
    for r in document.relations:
        mark(r.head, "relation", r.type)
        mark(r.tail, "relation", r.type)
        said = f"{_quoted(r.head)} → {_quoted(r.tail)}"
        rows.append(_record("relation", r.type, said, r.source))
    for v in document.events:
        mark(v.trigger, "event", v.type)
        arguments = "".join(
            f"<dt>{escape(a.role)}</dt><dd>{_quoted(a.span)}</dd>" for a in v.arguments
        )
        said = _quoted(v.trigger) + (arguments and f"<dl>{arguments}</dl>")
        rows.append(_record("event", v.type, said, v.source))
    records = "".join(rows) or '<li class="none">Nothing found.</li>'
    return (
        f'<article id="d{document.id}" tabindex="-1"><h2><a href="#d{document.id}">'
        f"{escape(document.external_id)}</a></h2>"
        f'<div class="both"><div class="text">{marked(document.text, marks)}</div>'
        f'<ul class="records">{records}</ul></div></article>\n'
    )


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
                piece = f'<mark class="{_key(kind, type_)}{step}"{title}>{piece}</mark>'
            # the label stands once, where its span ends
            labels = [m for m in cover if m[1] == end]
            piece += "".join(
                f'<sup class="{_key(k, t)}">{escape(t)}</sup>' for _, _, k, t in labels
            )
        pieces.append(piece)
    return "".join(pieces)


def _types(kind: str, names: Iterable[str]) -> str:
    """The legend of a kind's colours; empty if the schema has no type of it."""
    labels = "".join(
        f'<label class="{_key(kind, name)}"><span class="type">{escape(name)}</span></label>'
        for name in sorted(names, key=str.casefold)
    )
    return f"<fieldset><legend>{_KINDS[kind]}</legend>{labels}</fieldset>" if labels else ""


def hue(type_: str) -> int:
    """The hue of a type's colour, degrees: the same on every page."""
    return int(hashlib.sha256(type_.encode()).hexdigest()[:6], 16) % 360


def _key(kind: str, type_: str) -> str:
    """The CSS class of a type: a valid name, whatever the type is called."""
    return f"{kind[0]}{hashlib.sha256(type_.encode()).hexdigest()[:10]}"


def _record(kind: str, type_: str, content: str, source: str) -> str:
    by = "" if source == "model" else f' <small class="source">{escape(source)}</small>'
    return (
        f'<li class="{_key(kind, type_)}"><span class="type">{escape(type_)}</span> '
        f'<span class="said">{content}{by}</span></li>'
    )


def _quoted(span: SpanRecord) -> str:
    if span.start is not None:
        return f"<q>{escape(span.text)}</q>"
    return f'<q class="lost">{escape(span.text)}</q> <small>not in the text</small>'
