"""One HTML page that opens offline: texts with their spans marked, records listed beside them.

Kinds differ in shape (filled, dotted, boxed, dashed) and in the range of their colours; types of a
kind in the colour within it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import starmap
from pathlib import Path

from ruie import marked_html
from ruie.db.record_pages import DocumentRecords, EventRecord, SpanRecord
from ruie.records import Argument, Entity, Event, Grounding, Relation, Span, Task
from ruie.schema import Schema
from ruie.worker.export.document_notes import notes
from ruie.worker.export.rows import Counts

_HERE = Path(__file__).parent
_KINDS = {"entity": "Entities", "relation": "Relations", "event": "Events"}


def page(
    documents: Iterable[DocumentRecords],
    schema: Schema,
    title: str,
    more: str,
    counts: Counts,
    least: float | None = None,
) -> Iterator[str]:
    """The page in pieces. It works without JavaScript, which adds the filter, the search and the
    keys. more: a note that not all documents are on it. least: the confidence that the model's
    records on it have."""
    bound = "" if least is None else f"confidence {least:g} or more"
    style = (_HERE / "page.css").read_text(encoding="utf-8")
    script = (_HERE / "page.js").read_text(encoding="utf-8")
    types = {"entity": schema.entities, "relation": schema.relations, "event": schema.events}
    styles = f"{style}{marked_html.style()}{marked_html.colours(types)}"
    yield (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{styles}</style></head><body>"
        f'<header><h1>{escape(title)}</h1><p id="count" role="status"></p>'
        f"{bound and f'<p>{bound}</p>'}"
        '<label hidden>Search <input id="search" type="search" placeholder="id, text or record">'
        "</label></header>"
        f'<nav aria-label="Types">{"".join(starmap(_types, types.items()))}</nav><main>'
    )
    for document in documents:
        counts.documents += 1
        nothing = f"Nothing of {bound}." if bound else "Nothing found."
        yield _document(document, schema.tasks, nothing)
    yield f'<p class="more">{escape(more)}</p>' if more else ""
    yield f"</main><script>{script}</script></body></html>\n"


def _document(document: DocumentRecords, tasks: Sequence[Task], nothing: str) -> str:
    body = marked_html.body(
        document.text,
        ((Entity(e.type, _span(e.span), e.confidence), _by(e.source)) for e in document.entities),
        (
            (Relation(r.type, _span(r.head), _span(r.tail), r.confidence), _by(r.source))
            for r in document.relations
        ),
        ((_event(v), _by(v.source)) for v in document.events),
        nothing,
    )
    return (
        f'<article id="d{document.id}" tabindex="-1"><h2><a href="#d{document.id}">'
        f"{escape(document.external_id)}</a></h2>{notes(document, tasks)}{body}</article>\n"
    )


def _event(event: EventRecord) -> Event:
    arguments = (Argument(a.role, _span(a.span), a.confidence) for a in event.arguments)
    return Event(event.type, _span(event.trigger), tuple(arguments), event.confidence)


def _by(source: str) -> str:
    """Who said it, where that is no model."""
    return "" if source == "model" else source


def _span(span: SpanRecord) -> Span:
    start, end = (-1, -1) if span.start is None or span.end is None else (span.start, span.end)
    return Span(span.text, start, end, Grounding(span.grounding))


def _types(kind: str, names: Iterable[str]) -> str:
    """The legend of a kind's colours; empty if the schema has no type of it."""
    labels = "".join(
        f'<label class="{marked_html.key(kind, name)} {kind}">'
        f'<span class="type">{escape(name)}</span></label>'
        for name in marked_html.ordered(names)
    )
    sample = '<span class="sample">their arguments</span>' if kind == "event" else ""
    return f"<fieldset><legend>{_KINDS[kind]}</legend>{labels}{sample}</fieldset>" if labels else ""
