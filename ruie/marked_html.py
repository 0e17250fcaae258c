"""A text with its records as HTML: spans marked in it, records listed beside it.

Shared by the page of an export and by what a notebook shows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import pairwise
from pathlib import Path

from ruie.records import Entity, Event, Relation, Span

Mark = tuple[int, int, str, str]
"""Start, end, kind (entity, relation, event), type."""

# Half-transparent: they are read on a light page and on a dark one, whichever a notebook has.
_NOTEBOOK = "--soft:#808791;--line:#80879155;--box:#80879122;--l:50% / .28;--edge:50%"


def style() -> str:
    """The rules for what `body` makes. They use the variables --soft, --box, --l and --edge."""
    return (Path(__file__).parent / "marked.css").read_text(encoding="utf-8")


def colours(types: Mapping[str, Iterable[str]]) -> str:
    """The colour of each type. types: by kind."""
    return "".join(
        f".{key(kind, name)}{{--h:{hue(name)}}}" for kind, names in types.items() for name in names
    )


def fragment(bodies: Iterable[str], types: Mapping[str, Iterable[str]]) -> str:
    """What a notebook shows, with styles that reach nothing else of it."""
    articles = "".join(f"<article>{body}</article>" for body in bodies)
    sorted_types = {kind: sorted(names) for kind, names in types.items()}
    html = (
        f"<style>.ruie{{{_NOTEBOOK};{style()}{colours(sorted_types)}"
        "article{padding:.4rem 0;border-bottom:1px solid var(--line)}"
        "article:last-child{border:0}}</style>"
        f'<div class="ruie">{articles}</div>'
    )
    # half a pair of surrogates cannot be sent to a browser
    return html.encode("utf-8", "replace").decode("utf-8")


def failed(calls: Sequence[str]) -> str:
    """A warning that records are missing; empty without calls."""
    if not calls:
        return ""
    listed = "".join(f"<li>{escape(call)}</li>" for call in calls)
    return f'<div class="failed">Calls failed, records are missing:<ul>{listed}</ul></div>'


def note(text: str) -> str:
    """A remark below the records."""
    return f'<p class="more">{escape(text)}</p>'


def body(
    text: str,
    entities: Iterable[Entity],
    relations: Iterable[Relation],
    events: Iterable[Event],
) -> str:
    """The text with its spans marked, and the list of its records."""
    marks: list[Mark] = []

    def mark(span: Span, kind: str, type_: str) -> None:
        if span.grounded and span.start < span.end:
            marks.append((span.start, span.end, kind, type_))

    rows: list[str] = []
    for e in entities:
        mark(e.span, "entity", e.type)
        rows.append(_record("entity", e.type, _quoted(e.span)))
    for r in relations:
        mark(r.head, "relation", r.type)
        mark(r.tail, "relation", r.type)
        rows.append(_record("relation", r.type, f"{_quoted(r.head)} → {_quoted(r.tail)}"))
    for v in events:
        mark(v.trigger, "event", v.type)
        arguments = "".join(
            f"<dt>{escape(a.role)}</dt><dd>{_quoted(a.span)}</dd>" for a in v.arguments
        )
        rows.append(
            _record("event", v.type, _quoted(v.trigger) + (arguments and f"<dl>{arguments}</dl>"))
        )
    records = "".join(rows) or '<li class="none">Nothing found.</li>'
    return (
        f'<div class="both"><div class="text">{marked(text, marks)}</div>'
        f'<ul class="records">{records}</ul></div>'
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
                piece = f'<mark class="{key(kind, type_)}{step}"{title}>{piece}</mark>'
            # the label stands once, where its span ends
            labels = [m for m in cover if m[1] == end]
            piece += "".join(f'<sup class="{key(k, t)}">{escape(t)}</sup>' for _, _, k, t in labels)
        pieces.append(piece)
    return "".join(pieces)


def hue(type_: str) -> int:
    """The hue of a type's colour, degrees: the same on every page."""
    return int(hashlib.sha256(type_.encode()).hexdigest()[:6], 16) % 360


def key(kind: str, type_: str) -> str:
    """The CSS class of a type: a valid name, whatever the type is called."""
    return f"{kind[0]}{hashlib.sha256(type_.encode()).hexdigest()[:10]}"


def _record(kind: str, type_: str, content: str) -> str:
    return (
        f'<li class="{key(kind, type_)}"><span class="type">{escape(type_)}</span> '
        f'<span class="said">{content}</span></li>'
    )


def _quoted(span: Span) -> str:
    if span.grounded:
        return f"<q>{escape(span.text)}</q>"
    return f'<q class="lost">{escape(span.text)}</q> <small>not in the text</small>'
