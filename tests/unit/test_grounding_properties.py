"""Grounding holds for any Unicode text and any string from a model."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable
from typing import Literal, get_args

from hypothesis import example, given
from hypothesis import strategies as st

from ruie.grounding import FUZZY_MIN_CHARS, Grounder, normalise
from ruie.records import Grounding
from ruie.scripts import is_word_char

SAMPLES = (
    "aA1 \t\n.,;'’“-–éÉßſİıﬁﬃ½Ａｶﾞガ한하국\u1112\u1161\u11ab中国ไทยกำहिन्दी"
    "\u0301\u0323\u0345\u200b\u00ad👍🏽\ud800&#;\\"
)
REFERENCES = (
    "&amp;",
    "&amp;amp;",
    "&lt;",
    "&nbsp;",
    "&shy;",
    "&#39;",
    "&#769;",
    "&eacute;",
    "amp;",
)
PIECES = st.one_of(st.sampled_from(SAMPLES), st.characters(codec=None), st.sampled_from(REFERENCES))
TEXTS = st.lists(PIECES, max_size=30).map("".join)
WORDS = st.sampled_from(
    [
        "the",
        "of",
        "Mr",
        "Dr",
        "'s",
        "bank",
        "government",
        "Governments",
        "goverment",
        "Aristotle",
        "Aristotel",
        "café",
        "cafe",
        "colour",
        "color",
        "13",
        "18",
        "1.5",
        "-1.5",
        "15",
        "$",
        "%",
        "&",
        "-",
        ",",
        ".",
        "non",
        "un",
        "hypotension",
        "hypertension",
        "中",
        "国",
        "three",
        "thirteen",
        "thirty",
    ]
)
SENTENCES = st.lists(WORDS, max_size=12).map(" ".join)


@st.composite
def texts_and_slices(draw: st.DrawFn) -> tuple[str, str]:
    text = draw(TEXTS.filter(lambda text: bool(text.strip())))
    start = draw(st.integers(0, len(text) - 1))
    return text, text[start : draw(st.integers(start + 1, len(text)))]


@given(TEXTS, TEXTS)
def test_any_text_and_any_piece(text: str, piece: str) -> None:
    spans = Grounder(text).occurrences(piece)
    end = 0
    for span in spans:
        assert 0 <= span.start < span.end <= len(text)
        assert text[span.start : span.end] == span.text
        assert span.start >= end, "occurrences overlap or are out of order"
        end = span.end
        if span.grounding is Grounding.EXACT:
            assert span.text == piece.strip()
        elif span.grounding is Grounding.FUZZY:
            assert len(normalise(piece)) >= FUZZY_MIN_CHARS
    assert len({span.grounding for span in spans}) <= 1


def within_a_word(text: str, at: int) -> bool:
    """Whether a position may be within a word or number, in whatever script."""
    if not 0 < at < len(text):
        return False
    near = text[max(0, at - 2) : at + 2]
    if any(char in ".," for char in near) and any(char.isdecimal() for char in near):
        return True
    return all(is_word_char(char) for char in text[at - 1 : at + 1])


@given(texts_and_slices())
@example(("ba a a", "a a"))
def test_what_is_in_the_text_is_found_exactly(case: tuple[str, str]) -> None:
    text, piece = case
    spans = Grounder(text).occurrences(piece)
    piece = piece.strip()
    assert piece or not spans
    places = [(at, at + len(piece)) for at in range(len(text)) if text.startswith(piece, at)]
    if piece and any(not within_a_word(text, a) and not within_a_word(text, b) for a, b in places):
        assert spans
        assert all(span.grounding is Grounding.EXACT for span in spans)
        assert Grounder(text).contains(piece)


@given(st.one_of(texts_and_slices(), st.tuples(SENTENCES, SENTENCES)))
def test_nothing_begins_or_ends_inside_a_word_or_number(case: tuple[str, str]) -> None:
    text, piece = case
    for span in Grounder(text).occurrences(piece):
        for at in (span.start, span.end):
            beside = text[max(0, at - 1) : at + 1]
            assert not re.fullmatch("[A-Za-z0-9]{2}", beside), "inside a word"
            assert not re.search(r"[0-9][.,]$", text[:at]) or not re.match("[0-9]", text[at:])
            assert not re.search(r"[0-9]$", text[:at]) or not re.match("[.,][0-9]", text[at:])


Form = Literal["NFC", "NFD", "NFKC", "NFKD"]
FORMS: tuple[Form, ...] = get_args(Form)


@given(TEXTS, st.sampled_from(FORMS), st.sampled_from([str.lower, str.upper, str.title, str]))
@example("ŉ x", "NFKD", str.upper)
def test_the_whole_text_is_found_in_any_form_and_case(
    text: str, form: Form, case: Callable[[str], str]
) -> None:
    """Up to what `str` itself does not give back: `'ı'.upper().lower()` is `i`."""
    written = unicodedata.normalize(form, text)
    if not normalise(text) or normalise(case(written)) != normalise(text):
        return
    (span, *_) = Grounder(text).occurrences(case(written))
    assert span.grounding in (Grounding.EXACT, Grounding.NORMALISED)


def raises_a_digit(text: str) -> bool:
    """Whether a digit or fraction that is no plain one may follow a digit: NFKC makes `102` of
    `10²`."""
    form = unicodedata.normalize("NFC", html.unescape(text))
    return any(char.isnumeric() and not char.isdecimal() for char in form)


@given(TEXTS)
@example("10²")
def test_unicode_forms_are_one(text: str) -> None:
    forms: tuple[Form, ...] = ("NFC", "NFD") if raises_a_digit(text) else FORMS
    assert len({normalise(unicodedata.normalize(form, text)) for form in forms}) == 1


RAISED = st.text(st.sampled_from("01²³₂½①a ^"), max_size=6)


@given(RAISED, RAISED)
@example("1", "①")
@example("1①", "11")
@example("11", "1①")
def test_a_raised_digit_is_no_digit_of_the_number_before_it(text: str, piece: str) -> None:
    for span in Grounder(text).occurrences(piece):
        assert zeros_and_ones(span.text) == zeros_and_ones(piece)


def zeros_and_ones(text: str) -> list[str]:
    """A circled digit by itself is the digit, but none of the number before it."""
    return [found.replace("①", "1") for found in re.findall("[01]+|①", text)]


@given(TEXTS)
def test_normalising_again_changes_nothing(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once


@given(TEXTS, TEXTS)
def test_contains_agrees_with_occurrences(text: str, piece: str) -> None:
    steps = {span.grounding for span in Grounder(text).occurrences(piece)}
    contained = Grounder(text).contains(piece)
    assert contained is bool(steps & {Grounding.EXACT, Grounding.NORMALISED})


def numbers(text: str) -> list[str]:
    return re.findall(r"[0-9]+", text)


@given(SENTENCES, SENTENCES)
def test_numbers_and_symbols_of_what_is_found_are_those_of_the_piece(text: str, piece: str) -> None:
    for span in Grounder(text).occurrences(piece):
        assert text[span.start : span.end] == span.text
        if span.grounding is Grounding.FUZZY:
            assert numbers(span.text) == numbers(piece)
            assert [c for c in span.text if c in "$%&中国"] == [c for c in piece if c in "$%&中国"]


@given(st.one_of(st.tuples(TEXTS, TEXTS), st.tuples(SENTENCES, SENTENCES)))
def test_what_was_found_is_found_again(case: tuple[str, str]) -> None:
    text, piece = case
    for span in Grounder(text).occurrences(piece):
        again = Grounder(text).occurrences(span.text)
        assert {found.grounding for found in again} == {Grounding.EXACT}
        assert {found.text for found in again} == {span.text.strip()}


@given(SENTENCES, st.lists(SENTENCES, max_size=4))
def test_what_was_looked_for_before_changes_nothing(text: str, pieces: list[str]) -> None:
    grounder = Grounder(text)
    for piece in (*pieces, *pieces):
        assert grounder.occurrences(piece) == Grounder(text).occurrences(piece)
