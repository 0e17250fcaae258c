"""spaCy's DocBin, with the real library where it is installed; and without it."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from ruie.errors import AnnotationError, ExitCode, UnavailableError
from ruie.formats import AnnotatedRow, Problem
from ruie.formats.docbin import read_docbin
from ruie.records import Task


@pytest.fixture
def spacy() -> Any:
    return pytest.importorskip("spacy", reason="the extra spacy is not installed")


@pytest.fixture
def file(spacy: Any, tmp_path: Path) -> Path:
    """Documents as people make them: annotated, with nothing in it, forgotten, empty."""
    from spacy.tokens import DocBin, Span

    nlp = spacy.blank("en")
    annotated = nlp("Größe: OPEC 🛢 cut output.")
    tokens = [token.text for token in annotated]
    at = tokens.index("OPEC")
    annotated.ents = [Span(annotated, at, at + 1, "ORG")]
    annotated.spans["sc"] = [
        Span(annotated, at, at + 2, "ACTOR"),
        Span(annotated, at + 1, at + 2, "SIGN"),
    ]
    annotated.user_data["kept"] = "anything"
    nothing = nlp("Nobody came.")
    nothing.ents = []
    bin_ = DocBin(docs=[annotated, nothing, nlp("Not annotated."), nlp("")], store_user_data=True)
    bin_.to_disk(tmp_path / "train.spacy")
    return tmp_path / "train.spacy"


def entities(row: AnnotatedRow | Problem) -> list[tuple[str, str, int]]:
    assert isinstance(row, AnnotatedRow), row
    return [(i.type, i.spans[0].text, i.spans[0].start) for i in row.gold[Task.NER]]


def test_the_entities_of_each_document(file: Path) -> None:
    first, second, forgotten, empty = read_docbin(file)
    assert isinstance(first, AnnotatedRow)
    assert (first.id, first.text) == ("1", "Größe: OPEC 🛢 cut output.")
    assert str(first.place) == f"{file}, document 1"
    assert entities(first) == [("ORG", "OPEC", 7)]
    assert entities(second) == []
    assert str(forgotten) == f"{file}, document 3: the document is not annotated for entities"
    assert str(empty) == f"{file}, document 4: 'text' is empty"


def test_an_entity_that_does_not_fit_the_tokens_is_a_mistake(spacy: Any, tmp_path: Path) -> None:
    from spacy.tokens import DocBin
    from spacy.training import Example

    def made(text: str, *entities: tuple[int, int, str]) -> Any:
        given = {"entities": list(entities)}
        with pytest.warns(UserWarning, match="W030") if len(entities) > 1 else nullcontext():
            return Example.from_dict(spacy.blank("en")(text), given).reference

    fits = made("Shell owns it.", (0, 5, "ORG"))
    missing = made("Shell left Pernis yesterday.", (0, 5, "ORG"), (13, 17, "LOC"))
    DocBin(docs=[fits, missing]).to_disk(tmp_path / "a.spacy")
    first, second = read_docbin(tmp_path / "a.spacy")
    assert entities(first) == [("ORG", "Shell", 0)]
    assert isinstance(second, Problem)
    assert second.what == ("1 of its 5 tokens have no annotation, the first is number 3, 'Pernis'")


def test_a_span_group_instead(file: Path) -> None:
    first, *rest = read_docbin(file, "sc")
    assert entities(first) == [("ACTOR", "OPEC 🛢", 7), ("SIGN", "🛢", 12)]
    assert "document 2: there is no span group 'sc'" in str(rest[0])
    assert all(isinstance(problem, Problem) for problem in rest)


@pytest.mark.parametrize(
    "damage",
    [lambda b: b[:-20], lambda b: b"no DocBin", lambda b: b[:40] + b"\xff" * 20 + b[60:]],
    ids=["cut off", "another file", "overwritten"],
)
def test_a_damaged_file_is_one_sentence(file: Path, damage: Any) -> None:
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(AnnotationError, match=r"train\.spacy cannot be read as a DocBin"):
        list(read_docbin(file))


def test_an_empty_file(spacy: Any, tmp_path: Path) -> None:
    (tmp_path / "a.spacy").touch()
    assert list(read_docbin(tmp_path / "a.spacy")) == []


def test_without_spacy_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "spacy.tokens", None)
    (tmp_path / "a.spacy").write_bytes(b"x")
    with pytest.raises(UnavailableError, match=r'pip install "ruie\[spacy\]"') as caught:
        list(read_docbin(tmp_path / "a.spacy"))
    assert caught.value.exit_code == ExitCode.UNAVAILABLE
