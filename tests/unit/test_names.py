"""The rule of ruie/names.py: what is one name, and what is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruie.names import LONGEST, name_key

SAME = [
    ("opec", ["OPEC", "Opec", " opec ", "O.P.E.C.", "ＯＰＥＣ", "OPEC's",
              "OPEC’s", "“OPEC”", "opec,"]),
    ("crude oil", ["crude oil", "Crude Oil", "crude-oil", "crude  oils", "Crude\noil",
                   "crude oil's"]),
    ("us", ["US", "U.S.", "u.s"]),
    ("company", ["company", "Companies", "companies'"]),
    ("united state", ["United States", "United States'", "UNITED STATES."]),
    ("loss", ["loss", "losses"]),
    ("box", ["box", "boxes"]),
    ("johnson and johnson", ["Johnson & Johnson", "Johnson and Johnson"]),
    ("strasse", ["Straße", "STRASSE", "strasse"]),
    ("café", ["Café", "CAFE\u0301", "café"]),
    ("fine art", ["ﬁne arts", "Fine Art"]),
    ("東京", ["東京", "「東京」", "東京。"]),
    ("москва", ["Москва", "МОСКВА", "«Москва»"]),
    ("3.5 %", ["3.5 %", "3.5  %"]),
    ("c++", ["C++", "c++"]),
    ("!!!", ["!!!"]),
]  # fmt: skip  # one name a line
APART = [
    ("C++", "C"), ("C++", "C#"), ("3.5", "35"), ("1,000", "1.000"), ("Paris", "Pari"),
    ("Bonus", "Bonu"), ("gas", "ga"), ("news", "new"), ("class", "clas"), ("AT&T", "ATT"),
    ("resume", "résumé"), ("crude oil", "oil crude"),
]  # fmt: skip  # pairs


@pytest.mark.parametrize(("key", "spellings"), SAME, ids=[key for key, _ in SAME])
def test_spellings_of_one_name(key: str, spellings: list[str]) -> None:
    assert {name_key(spelling) for spelling in spellings} == {key}


@pytest.mark.parametrize(("one", "other"), APART)
def test_two_names(one: str, other: str) -> None:
    assert name_key(one) != name_key(other)


@given(st.text(max_size=60))
def test_the_key_of_a_key_is_the_key(text: str) -> None:
    assert name_key(name_key(text)) == name_key(text)


@given(st.text(max_size=60))
def test_case_and_spaces_around_never_matter(text: str) -> None:
    assert name_key(f"  {text.casefold()}\n") == name_key(text)
    assert bool(name_key(text)) == bool(text.strip())


def test_a_key_fits_into_an_index() -> None:
    assert len(name_key("word " * 1000)) <= LONGEST
    assert not name_key("a " * 1000).endswith(" ")
