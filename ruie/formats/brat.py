"""brat standoff: an `.ann` file with its `.txt` beside it, or a folder of such pairs.

A row is a line of the `.txt` that is not blank, or the whole document. An annotation that does not
fit into one row is reported, and its rows are left out: a row without one of its annotations would
be a wrong negative.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ruie.errors import AnnotationError
from ruie.formats.document import BratDocument
from ruie.formats.files import NOT_UTF8, beside, content
from ruie.formats.row import Place, Problem, RowOrProblem
from ruie.formats.standoff import parse
from ruie.records import Task


def read_brat(path: Path, whole_documents: bool = False) -> Iterator[RowOrProblem]:
    """The rows of a document, or of all documents in a folder and the folders in it.

    A task counts as annotated if any of these documents has an annotation of it (entities, if
    none has any): rows without one are negatives. Raises `AnnotationError` if there
    is no document, or a file cannot be read.
    """
    opened = [_open(file, _name(path, file), whole_documents) for file in _files(path)]
    documents = [document for document in opened if isinstance(document, BratDocument)]
    tasks = [task for task in Task if any(document.annotates(task) for document in documents)]
    for document in opened:
        if isinstance(document, BratDocument):
            yield from document.rows(tasks or [Task.NER])
        else:
            yield document


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        if path.suffix.lower() == ".ann":
            return [path]
        return [beside(path, ".ann") or path.with_suffix(".ann")]
    files = sorted(
        file for file in path.rglob("*") if file.suffix.lower() == ".ann" and file.is_file()
    )
    if not files:
        raise AnnotationError(
            f"The folder {path} contains no .ann file.",
            "Folders are read as brat; name the files of other formats.",
        )
    return files


def _name(path: Path, file: Path) -> str:
    return str(file.relative_to(path).with_suffix("")) if path.is_dir() else file.stem


def _open(ann: Path, name: str, whole: bool) -> BratDocument | Problem:
    txt = beside(ann, ".txt")
    if txt is None:
        name = ann.with_suffix(".txt").name
        return Problem(Place(str(ann)), f"there is no {name} beside it", "Add the text.")
    contents: list[str] = []
    for file in (ann, txt):
        try:
            contents.append(content(file).decode())
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            return Problem(Place(str(file), line), *NOT_UTF8)
    annotations, text = contents
    if not text.strip("\ufeff \t\r\n"):
        return Problem(Place(str(txt)), "the file is empty", "Add the text.")
    return BratDocument(ann, name, parse(annotations.removeprefix("\ufeff")), text, whole)
