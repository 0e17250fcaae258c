"""Words, queries and snippets of full-text search."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruie.errors import UsageError
from ruie.search_query import MOST_TERMS, Alternative, Term, parse_query, required_terms
from ruie.snippets import WIDTH, matches, snippet
from ruie.words import LONGEST, located_words, words


class TestWords:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("Crude-oil fell 3.5%, OPEC's", "crude oil fell 3 5 opec s"),
            ("foo_bar\tx/y a@b.com", "foo bar x y a b com"),
            ("Müller naïve Straße ÉCOLE", "muller naive strasse ecole"),
            ("re\u0301sume\u0301 Ελλάδα Йод", "resume ελλαδα иод"),
            ("ﬁn ２０２４ ℌ m²", "fin 2024 h m2"),
            ("原油价格ABC下跌。", "原 油 价 格 abc 下 跌"),
            ("オーパー が", "オ ー パ ー が"),
            ("हिन्दी 한국어", "हिन्दी 한국어"),
            ("مُحَمَّد שָׁלוֹם", "محمد שלום"),
            ("-- & … 😀 \x00", ""),
            ("x" * 300, "x" * LONGEST),
            ("é" * 300, "e" * LONGEST),
        ],
    )
    def test_what_a_word_is(self, text: str, expected: str) -> None:
        assert words(text) == expected.split()

    @given(st.text())
    def test_located_they_are_the_same_and_apart_by_nothing_that_counts(self, text: str) -> None:
        located = list(located_words(text))
        assert [word for word, _, _ in located] == words(text)
        ends = [0]
        for _, start, end in located:
            assert ends[-1] <= start < end <= len(text)
            ends.append(end)

    @given(st.text())
    def test_nothing_in_a_word_needs_quoting(self, text: str) -> None:
        for word in words(text):
            assert word
            assert not set(word) & set(" '\"\\:*&|!<>()-+^,\n\t\x00")


def terms(*texts: str) -> tuple[Term, ...]:
    """`terms("crude oil", "fell*")`"""
    return tuple(Term(tuple(t.rstrip("*").split()), t.endswith("*")) for t in texts)


class TestQuery:
    @pytest.mark.parametrize(
        ("query", "required", "excluded"),
        [
            ("crude oil", ["crude", "oil"], []),
            ('"Crude oil" fell', ["crude oil", "fell"], []),
            ("crude -opec", ["crude"], ["opec"]),
            ('crude -"opec met"', ["crude"], ["opec met"]),
            ("cru*", ["cru*"], []),
            ('"crude oi"*', ["crude oi*"], []),
            ("crude-oil", ["crude oil"], []),
            ("原油", ["原 油"], []),
            ("crude AND oil", ["crude", "oil"], []),
            ('"AND"', ["and"], []),
            ("and or", ["and", "or"], []),
            ('crude "oil fell', ["crude", "oil fell"], []),
            ('foo"bar baz', ["foo", "bar baz"], []),
            ("“crude oil”", ["crude oil"], []),
            ("crude crude CRUDE", ["crude"], []),
            ("crude & | ! ( ) ' : * - -- \\", ["crude"], []),
            ("NEAR(a b, 3)", ["near a", "b", "3"], []),
            ("words:crude", ["words crude"], []),
            ("OR crude OR OR", ["crude"], []),
            (" ".join(["a"] * 3 + ["OR"]), ["a"], []),
        ],
    )
    def test_one_alternative(self, query: str, required: list[str], excluded: list[str]) -> None:
        assert parse_query(query) == (Alternative(terms(*required), terms(*excluded)),)

    def test_or_stands_between_alternatives(self) -> None:
        assert parse_query('crude -opec OR "gas price" fell') == (
            Alternative(terms("crude"), terms("opec")),
            Alternative(terms("gas price", "fell")),
        )
        assert required_terms(parse_query("a b OR b -c")) == terms("a", "b")

    def test_a_long_phrase_is_cut(self) -> None:
        (alternative,) = parse_query(f'"{" ".join(map(str, range(40)))}"*')
        assert alternative.required == terms(" ".join(map(str, range(32))))

    @pytest.mark.parametrize(
        ("query", "message"),
        [
            ("", "no word in it"),
            ('"" * -', "no word in it"),
            ("-crude", "not only words to exclude"),
            ("oil OR -crude", "not only words to exclude"),
            (" ".join(map(str, range(MOST_TERMS + 1))), f"at most {MOST_TERMS}"),
        ],
    )
    def test_what_is_refused(self, query: str, message: str) -> None:
        with pytest.raises(UsageError, match=message):
            parse_query(query)

    @given(st.text(alphabet=st.sampled_from("ab \"*-OR&|():'\\é原")))
    def test_any_other_text_is_a_query(self, query: str) -> None:
        try:
            alternatives = parse_query(query)
        except UsageError:
            return
        assert all(alternative.required for alternative in alternatives)


class TestSnippet:
    TEXT = f"Prices. {'x ' * 300}Crude oil fell\nas OPEC met. {'y ' * 300}The oil."

    def test_it_has_the_place_with_the_most_terms(self) -> None:
        made = snippet(self.TEXT, terms("prices", "oil", "opec met", "cru*"), offset=1000)
        assert [made.text[s:e] for s, e in made.marks] == ["Crude", "oil", "OPEC met"]
        assert "fell as OPEC" in made.text
        assert len(made.text) <= WIDTH
        start, end = made.char_start - 1000, made.char_end - 1000
        assert self.TEXT[start:end].replace("\n", " ") == made.text

    def test_marks_that_overlap_are_one(self) -> None:
        made = snippet("Crude oil fell", terms("oil", "crude oil", "oil fell"))
        assert made.marks == ((0, 14),)

    def test_a_short_text_is_all_of_it(self) -> None:
        assert snippet("Crude.", terms("crude")).text == "Crude."

    def test_one_match_longer_than_the_width(self) -> None:
        phrase = " ".join(["word" * 10] * 10)
        made = snippet(f"a {phrase} b", terms(phrase), width=100)
        assert made.text[slice(*made.marks[0])] == phrase

    def test_without_a_match_it_is_the_beginning(self) -> None:
        assert snippet(self.TEXT, terms("zebra")).char_start == 0

    @given(st.lists(st.sampled_from(["a", "b", "ab", "abc", "原", "é"]), max_size=30))
    def test_matches_are_those_of_a_naive_search(self, every: list[str]) -> None:
        text = " ".join(every)
        folded = words(text)
        for term in terms("a", "a b", "ab*", "原 e", "b b ab*"):
            many = 0
            for i in range(len(folded) - len(term.words) + 1):
                *middle, last = folded[i : i + len(term.words)]
                fits = last.startswith(term.words[-1]) if term.prefix else last == term.words[-1]
                many += fits and middle == list(term.words[:-1])
            assert len(matches(text, [term])) == many


def test_alternatives_are_taken_once_and_are_few() -> None:
    assert parse_query(" OR ".join(["crude"] * 5000)) == parse_query("crude")
    words = [f"word{number}" for number in range(9)]
    pairs = " OR ".join(f"{one} {other}" for one in words for other in words if one < other)
    with pytest.raises(UsageError, match="alternatives"):
        parse_query(pairs)
