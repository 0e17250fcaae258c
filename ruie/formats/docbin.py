"""spaCy's DocBin (`.spacy`): a row a document, its entities those of `doc.ents`, or the spans of
one group of `doc.spans`.

spaCy reads it, so that its string table, its hashes and its versions are its own business; it is
not a dependency of the project but the extra `spacy`. A DocBin is msgpack in zlib, no pickle; the
user data that it may hold is not unpacked.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruie.errors import AnnotationError, UnavailableError
from ruie.formats import checks
from ruie.formats.files import content
from ruie.formats.row import AnnotatedRow, Found, Place, Wrong
from ruie.records import Item, Task


def read_docbin(path: Path, span_group: str = "") -> Iterator[Found]:
    """The documents of a DocBin, and a problem for each that is wrong.

    span_group: the group of `doc.spans` (spaCy's own default is "sc"); "" for `doc.ents`. Raises
    `AnnotationError` if the file cannot be read, `UnavailableError` without spaCy.
    """
    for number, doc in enumerate(_documents(path), start=1):
        place = Place(str(path), part=f"document {number}")
        try:
            text = checks.checked_text(doc.text, "text")
            items = tuple(
                Item(
                    checks.label(span.label_, "label"),
                    (checks.span(text, span.start_char, span.end_char),),
                )
                for span in _spans(doc, span_group)
            )
            yield AnnotatedRow(str(number), text, {Task.NER: items}, (), place)
        except Wrong as wrong:
            yield wrong.at(place)


def _documents(path: Path) -> Iterator[Any]:
    raw = content(path)
    try:
        from spacy.tokens import DocBin
        from spacy.vocab import Vocab
    except ImportError:
        raise UnavailableError(
            f"{path} is spaCy's, and spaCy is not installed.", 'Run: pip install "ruie[spacy]"'
        ) from None
    if not raw:
        return
    try:
        yield from DocBin(store_user_data=False).from_bytes(raw).get_docs(Vocab())
    # whatever a damaged file makes spaCy, numpy and msgpack raise: their errors have no base
    except Exception as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise AnnotationError(
            f"{path} cannot be read as a DocBin: {said}.", "Write it with spaCy 3, DocBin.to_disk."
        ) from None


def _spans(doc: Any, group: str) -> Any:
    if group:
        if group not in doc.spans:
            raise Wrong(f"there is no span group {checks.short(group)}", "Name another group.")
        return doc.spans[group]
    if not doc.has_annotation("ENT_IOB"):
        raise Wrong(
            "the document is not annotated for entities",
            "Set doc.ents, to [] where there are none, or name a group of doc.spans.",
        )
    return doc.ents
