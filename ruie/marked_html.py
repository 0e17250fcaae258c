"""A text with its records as HTML: spans marked in it, records listed beside it.

Kinds differ in shape (filled, dotted, boxed, dashed) and in the range of their colours; types of a
kind in the colour within it.
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
"""Start, end, kind (entity, relation, event, `argument:` and the event's type), type or role."""

_HUES = {"entity": (190, 275), "relation": (85, 160), "event": (-35, 50)}
"""The first and the last hue of each kind, degrees: blue, green, red and orange."""
_ARGUMENT = "argument:"

# Half-transparent: they are read on a light page and on a dark one, whichever a notebook has.
_NOTEBOOK = "--soft:#808791;--line:#80879155;--box:#80879122;--l:50% / .28;--edge:50%"


def style() -> str:
    """The rules for what `body` makes. They use the variables --soft, --box, --l and --edge."""
    return (Path(__file__).parent / "marked.css").read_text(encoding="utf-8")


def colours(types: Mapping[str, Iterable[str]]) -> str:
    """The colour of each type. types: by kind."""
    return "".join(
        f".{key(kind, name)}{{--h:{hue(kind, place, len(listed))}}}"
        for kind, listed in ((kind, ordered(names)) for kind, names in types.items())
        for place, name in enumerate(listed)
    )


def ordered(names: Iterable[str]) -> list[str]:
    """Types as they are listed."""
    return sorted(names, key=str.casefold)


def fragment(bodies: Iterable[str], types: Mapping[str, Iterable[str]]) -> str:
    """What a notebook shows, with styles that reach nothing else of it."""
    articles = "".join(f"<article>{body}</article>" for body in bodies)
    html = (
        f"<style>.ruie{{{_NOTEBOOK};{style()}{colours(types)}"
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
    entities: Iterable[tuple[Entity, str]],
    relations: Iterable[tuple[Relation, str]],
    events: Iterable[tuple[Event, str]],
    nothing: str = "Nothing found.",
) -> str:
    """The text with its spans marked, and the list of its records, each with a remark or "".
    nothing: what is said where there is none."""
    marks: list[Mark] = []

    def mark(span: Span, kind: str, type_: str) -> None:
        if span.grounded and span.start < span.end:
            marks.append((span.start, span.end, kind, type_))

    rows: list[str] = []
    for e, remark in entities:
        mark(e.span, "entity", e.type)
        rows.append(_record("entity", e.type, _quoted(e.span) + _sure(e.confidence), remark))
    for r, remark in relations:
        mark(r.head, "relation", r.type)
        mark(r.tail, "relation", r.type)
        said = f"{_quoted(r.head)} → {_quoted(r.tail)}{_sure(r.confidence)}"
        rows.append(_record("relation", r.type, said, remark))
    for v, remark in events:
        mark(v.trigger, "event", v.type)
        for a in v.arguments:
            mark(a.span, _ARGUMENT + v.type, a.role)
        arguments = "".join(
            f"<dt>{escape(a.role)}</dt><dd>{_quoted(a.span)}{_sure(a.confidence)}</dd>"
            for a in v.arguments
        )
        said = _quoted(v.trigger) + _sure(v.confidence) + (arguments and f"<dl>{arguments}</dl>")
        rows.append(_record("event", v.type, said, remark))
    records = "".join(rows) or f'<li class="none">{escape(nothing)}</li>'
    return (
        f'<div class="both"><div class="text">{marked(text, marks)}</div>'
        f'<ul class="records">{records}</ul></div>'
    )


def marked(text: str, marks: Iterable[Mark], *, located: bool = False) -> str:
    """The text, escaped, cut where any span begins or ends. A piece names every span that covers
    it, shortest first, so that spans may nest and overlap. located: each mark has its span's start
    and end as `data-span`, for a script."""
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
            for depth, (first, last, kind, type_) in enumerate(cover):
                where = f' data-span="{first}-{last}"' if located else ""
                title = f' title="{names}"' if not depth else ""
                step = f" d{depth}" if depth else ""
                classes = f"{key(kind, type_)} {_shape(kind)}{step}"
                piece = f'<mark class="{classes}"{title}{where}>{piece}</mark>'
            # the label stands once, where its span ends
            labels = [m for m in cover if m[1] == end]
            piece += "".join(
                f'<sup class="{key(k, t)} {_shape(k)}">{escape(t)}</sup>' for _, _, k, t in labels
            )
        pieces.append(piece)
    return "".join(pieces)


def hue(kind: str, place: int, count: int) -> int:
    """The hue of a type, degrees: of `count` types of a kind, spread over the kind's range, the one
    at `place`, from 0."""
    first, last = _HUES[kind]
    return round(first + (last - first) * (place + 0.5) / count) % 360


def key(kind: str, type_: str) -> str:
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


def _record(kind: str, type_: str, content: str, remark: str) -> str:
    by = f' <small class="source">{escape(remark)}</small>' if remark else ""
    return (
        f'<li class="{key(kind, type_)} {kind}"><span class="type">{escape(type_)}</span> '
        f'<span class="said">{content}{by}</span></li>'
    )


def _sure(confidence: float | None) -> str:
    """How probable it is that a record is right."""
    if confidence is None:
        return ""
    return f' <small class="sure" title="confidence">{confidence:.2f}</small>'


def _quoted(span: Span) -> str:
    if span.grounded:
        return f"<q>{escape(span.text)}</q>"
    return f'<q class="lost">{escape(span.text)}</q> <small>not in the text</small>'
