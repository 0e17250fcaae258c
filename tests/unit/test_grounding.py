"""Grounding: from a string to offsets, step by step and script by script."""

from __future__ import annotations

import pytest
from rapidfuzz import fuzz

from ruie.grounding import (
    FUZZY_MIN_CHARS,
    FUZZY_THRESHOLD,
    MAX_OCCURRENCES,
    Grounder,
    normalise,
)


def found(text: str, piece: str) -> list[tuple[str, int, str]]:
    spans = Grounder(text).occurrences(piece)
    for span in spans:
        assert text[span.start : span.end] == span.text
    return [(span.text, span.start, str(span.grounding)) for span in spans]


STEPS = {
    "exact": ("Ada met Ada", "Ada", [("Ada", 0, "exact"), ("Ada", 8, "exact")]),
    "exact beats normalised": ("ADA and Ada", "Ada", [("Ada", 8, "exact")]),
    "space around the piece": ("Ada", "  Ada\n", [("Ada", 0, "exact")]),
    "case": ("met ADA there", "Ada", [("ADA", 4, "normalised")]),
    "case that changes length": ("GROSSE Straße", "große strasse",
                                 [("GROSSE Straße", 0, "normalised")]),
    "space inside": ("New\n  York", "New York", [("New\n  York", 0, "normalised")]),
    "tokenised apostrophe": ("OPEC 's cut", "OPEC's", [("OPEC 's", 0, "normalised")]),
    "tokenised brackets": ("the ( EU ) said", "(EU)", [("( EU )", 4, "normalised")]),
    "typographic quotes": ("the “Times”", '"Times"', [("“Times”", 4, "normalised")]),
    "typographic apostrophe": ("O’Hara left", "O'Hara", [("O’Hara", 0, "normalised")]),
    "dashes": ("1939–1945", "1939-1945", [("1939–1945", 0, "normalised")]),
    "composed in decomposed": ("in Cafe\u0301 X", "Café", [("Cafe\u0301", 3, "normalised")]),
    "decomposed in composed": ("in Café X", "Cafe\u0301", [("Café", 3, "normalised")]),
    "order of marks": ("q\u0307\u0323 x", "q\u0323\u0307", [("q\u0307\u0323", 0, "normalised")]),
    "ligature": ("an oﬃce here", "office", [("oﬃce", 3, "normalised")]),
    "full width": ("ＡＢＣ株", "ABC", [("ＡＢＣ", 0, "normalised")]),
    "half-width kana": ("ｶﾞｽ", "ガス", [("ｶﾞｽ", 0, "normalised")]),
    "superscript": ("10 m² big", "m2", [("m²", 3, "normalised")]),
    "soft hyphen": ("co\u00adoperate now", "cooperate", [("co\u00adoperate", 0, "normalised")]),
    "zero width": ("data\u200bbase", "database", [("data\u200bbase", 0, "normalised")]),
    "no-break space": ("10\u00a0km", "10 km", [("10\u00a0km", 0, "normalised")]),
    "Turkish İ": ("in İzmir now", "i\u0307zmir", [("İzmir", 3, "normalised")]),
    "final sigma": ("ΟΔΟΣ", "οδος", [("ΟΔΟΣ", 0, "normalised")]),
    "misspelt": ("met Aristotle there", "Aristotel", [("Aristotle", 4, "fuzzy")]),
    "a letter more": ("live in towers. There", "tower", [("towers", 8, "fuzzy")]),
    "a letter more of a name": ("live in Paris. There", "Pariss", []),
    "a word missing": ("the Bank of the England", "Bank of England",
                       [("Bank of the England", 4, "fuzzy")]),
    "accent missing": ("the café there", "cafes", []),
    "not there": ("Ada met Grace", "Alan", []),
    "empty": ("Ada", "", []),
    "only space": ("A d a", " \n", []),
    "only invisible": ("Ada", "\u200b\u00ad", []),
    "longer than the text": ("Ada", "Ada Lovelace", []),
    "in an empty text": ("", "Ada", []),
}  # fmt: skip


@pytest.mark.parametrize(("text", "piece", "expected"), STEPS.values(), ids=list(STEPS))
def test_steps(text: str, piece: str, expected: list[tuple[str, int, str]]) -> None:
    assert found(text, piece) == expected


SCRIPTS = {
    "Chinese": ("他在北京，北京很大", "北京", [2, 5]),
    "Chinese, beside punctuation and inside": ("中国，在中国的", "中国", [0, 4]),
    "Japanese": ("東京タワーは東京にある", "東京", [0, 6]),
    "Arabic": ("زار محمد القاهرة", "القاهرة", [9]),
    "Arabic with vowel signs": ("مُحَمَّد هنا", "مُحَمَّد", [0]),
    "Hindi": ("राम दिल्ली में है", "दिल्ली", [4]),
    "Hindi: no word ends before a vowel sign": ("काम का क", "क", [7]),
    "Thai": ("เขาอยู่ที่กรุงเทพ", "กรุงเทพ", [10]),
    "Korean": ("나는 서울에 산다", "서울", [3]),
    "Korean Jamo": ("나는 서울에 산다", "\u1109\u1165\u110b\u116e\u11af", [3]),
    "Hangul in Jamo": ("\u1109\u1165\u110b\u116e\u11af 안", "서울", [0]),
    "emoji": ("ok 👍🏽 and 👍", "👍🏽", [3]),
    "emoji family": ("the 👨‍👩‍👧 here", "👨‍👩‍👧", [4]),
    "flags": ("🇩🇪 and 🇫🇷", "🇫🇷", [7]),
    "mathematical letters": ("so 𝐀𝐝𝐚 said", "Ada", [3]),
}


@pytest.mark.parametrize(("text", "piece", "starts"), SCRIPTS.values(), ids=list(SCRIPTS))
def test_scripts(text: str, piece: str, starts: list[int]) -> None:
    assert [start for _, start, _ in found(text, piece)] == starts


@pytest.mark.parametrize(
    ("text", "piece"),
    [("한국", "하"), ("ﬁ", "f"), ("½", "1"), ("é", "e"), ("…", ".")],
    ids=["Hangul", "ligature", "fraction", "accent", "ellipsis"],
)
def test_a_character_is_taken_whole_or_not_at_all(text: str, piece: str) -> None:
    assert found(text, piece) == []
    assert not Grounder(text).contains(piece)


WORDS = {
    "inside and alone": ("PAIR and AI", "AI", [9]),
    "only inside": ("PAIR", "AI", []),
    "only inside, twice": ("PAIR HAIR", "AI", []),
    "at the beginning of a word": ("Adams left", "Ada", []),
    "at the end of a word": ("the party", "arty", []),
    "a number in a longer one": ("in 2010", "10", []),
    "a number before a unit": ("given 150 mg", "50 mg", []),
    "a number in an amount": ("paid 1,500 for it", "500", []),
    "a number in a decimal": ("rose by 1.5", "5", []),
    "a letter beside a digit": ("H2O and COVID19", "H", []),
    "before a full stop and a number": ("in 2019.5 files", "2019", []),
    "at a full stop": ("in 2019.", "2019", [3]),
    "a hyphen ends a word": ("COVID-19 came", "COVID", [0]),
    "an apostrophe ends a word": ("l'eau d'Ada", "Ada", [8]),
    "a possessive": ("Orvane's firm", "Orvane", [0]),
    "an underscore ends a word": ("the max_len here", "max", [4]),
    "a slash ends a word": ("the and/or here", "or", [8]),
    "overlapping one inside a word": ("110, 10, 10 x", "10, 10", [5]),
    "overlapping another": ("aa aa aa", "aa aa", [0]),
    "capitals": ("the ARTs PARTY", "art", []),
    "Cyrillic": ("Ивановский", "Иван", []),
    "Greek": ("Αθηναίος", "Αθην", []),
    "Devanagari": ("रामायण", "राम", []),
    "a German compound": ("Donaudampfschiff", "Dampf", []),
    "Korean particle": ("그는 서울에서 산다", "서울", [3]),
    "Korean particle, word elsewhere": ("서울에서 서울 산다", "서울", [5]),
    "Korean particle after Latin": ("OPEC은 말했다", "OPEC", [0]),
    "Arabic conjunction": ("في وبيروت اليوم", "بيروت", [4]),
    "Arabic, but a number": ("عام 2010", "10", []),
    "Hebrew preposition": ("גר בירושלים", "ירושלים", [4]),
    "Chinese": ("我住在北京市", "北京", [3]),
    "Japanese": ("私は東京都に住む", "東京", [2]),
    "Thai": ("ฉันอยู่กรุงเทพ", "กรุงเทพ", [7]),
    "Chinese beside Latin": ("在OPEC说", "OPEC", [1]),
    "Chinese beside a digit": ("共5人", "5", [1]),
    "beside punctuation": ("(AI), AIs", "AI", [1]),
    "with a digit": ("A1 and A", "A", [7]),
    "normalised": ("pair and ai", "AI", [9]),
    "punctuation cuts no word": ("U.S. and U.S.A", "U.S.", [0, 9]),
}


@pytest.mark.parametrize(("text", "piece", "starts"), WORDS.values(), ids=list(WORDS))
def test_whole_words_come_first(text: str, piece: str, starts: list[int]) -> None:
    assert [start for _, start, _ in found(text, piece)] == starts


@pytest.mark.parametrize("size", range(FUZZY_MIN_CHARS - 1, 16))
def test_the_fuzzy_threshold(size: int) -> None:
    """Two accents are missing: found exactly where the similarity reaches the threshold."""
    bare = "abcdefghijklmnopqrstuvwxyz"[:size]
    word = f"{bare[0]}\u0301{bare[1]}\u0301{bare[2:]}"
    similar = fuzz.ratio(bare, word) / 100 >= FUZZY_THRESHOLD
    expected = similar and size >= FUZZY_MIN_CHARS
    assert found(f"so {word} it is", bare) == ([(word, 3, "fuzzy")] if expected else [])


def test_the_threshold_lies_within_the_sizes_above() -> None:
    assert fuzz.ratio("abcde", "abcde__") / 100 < FUZZY_THRESHOLD
    assert fuzz.ratio("abcdefghijklmno", "abcdefghijklmno__") / 100 >= FUZZY_THRESHOLD


def test_contains_is_exact_or_normalised_never_fuzzy() -> None:
    grounder = Grounder("Aristotle met O’Hara")
    assert grounder.contains("Aristotle")
    assert grounder.contains("o'hara")
    assert not grounder.contains("Aristotel")
    assert not grounder.contains(" ")


def test_occurrences_are_bounded() -> None:
    assert len(Grounder("Ada " * 1000).occurrences("Ada")) == MAX_OCCURRENCES


@pytest.mark.parametrize(
    ("piece", "form"),
    [("Ada", "ada"), (" A  b ", "a b"), ("Straße", "strasse"), ("a - b", "a-b"), ("", ""),
     ("का घर", "का घर")],
)  # fmt: skip
def test_normalise(piece: str, form: str) -> None:
    assert normalise(piece) == form
