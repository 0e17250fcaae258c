"""spaCy's DocBin (`.spacy`): each document is a row, its entities are `doc.ents`, or one group of
`doc.spans`.

spaCy itself reads it, because of its string table, hashes and versions; spaCy is not a dependency
of the project but the extra `spacy`. A DocBin is msgpack in zlib, not pickle; user data in it is
not unpacked.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruie.errors import AnnotationError, UnavailableError
from ruie.formats import checks
from ruie.formats.files import content
from ruie.formats.row import AnnotatedRow, Place, RowError, RowOrProblem
from ruie.records import Item, Task


def read_docbin(path: Path, span_group: str = "") -> Iterator[RowOrProblem]:
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
        except RowError as error:
            yield error.at(place)
        except Exception as error:  # of a damaged document, when its texts are looked up
            yield RowError(f"it cannot be read: {type(error).__name__}: {error}").at(place)


def _documents(path: Path) -> Iterator[Any]:
    raw = content(path)
    try:
        from spacy.tokens import DocBin
        from spacy.vocab import Vocab
    except ImportError:
        raise UnavailableError(
            f"{path} needs spaCy, which is not installed.", 'Run: pip install "ruie[spacy]"'
        ) from None
    if not raw:
        return
    try:
        yield from DocBin(store_user_data=False).from_bytes(raw).get_docs(Vocab())
    # on a damaged file spaCy, numpy and msgpack raise errors without a common base
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise AnnotationError(
            f"{path} cannot be read as a DocBin: {reason}.",
            "Write it with spaCy 3, DocBin.to_disk.",
        ) from None


def _spans(doc: Any, group: str) -> Any:
    if group:
        if group not in doc.spans:
            raise RowError(f"there is no span group {checks.short(group)}", "Name another group.")
        return doc.spans[group]
    missing = [token.i for token in doc if not token.ent_iob]  # 0: neither in, out nor begin
    if len(missing) == len(doc):
        raise RowError(
            "the document is not annotated for entities",
            "Set doc.ents, to [] if there are none, or name a group of doc.spans.",
        )
    if missing:
        raise RowError(
            f"{len(missing)} of its {len(doc)} tokens have no annotation, the first is number"
            f" {missing[0] + 1}, {checks.short(doc[missing[0]].text)}",
            "An entity that does not fit spaCy's tokens is missing; or set the others to 'O'.",
        )
    return doc.ents
