"""Where words end: one rule for grounding, full-text search and the ranking of demonstrations."""

from __future__ import annotations

import unicodedata

import pytest
import regex

from ruie.bundle.rerank_scores import occurs
from ruie.grounding import Grounder
from ruie.scripts import is_unspaced, same_word
from ruie.words import words

# a word, and a text that has it between others without a space
UNSPACED = {
    "Han": ("原油", "国际原油价格"),
    "Hiragana": ("さくら", "これはさくらです"),
    "Katakana": ("オーパー", "オーパーが"),
    "half-width Katakana": ("ﾎﾞｰﾙ", "ﾎﾞｰﾙが"),
    "Bopomofo": ("ㄅㄛ", "ㄅㄛㄆㄛ"),
    "Yi": ("ꊿꂷ", "ꊿꂷꃅꄿꐨꐥ"),
    "Thai": ("ไทย", "ประเทศไทยสวยงาม"),
    "Lao": ("ລາວ", "ປະເທດລາວງາມ"),
    "Khmer": ("កម្ពុជា", "ប្រទេសកម្ពុជាស្អាត"),
    "Myanmar": ("မြန်မာ", "ကျွန်တော်မြန်မာစကားပြော"),
    "Tai Le": ("ᥖᥭᥰ", "ᥘᥤᥐᥖᥭᥰᥘᥫᥰ"),
    "New Tai Lue": ("ᦑᦟᦹ", "ᦅᧄᦑᦟᦹᦙᦲ"),
    "Tai Tham": ("ᨾᩮᩬᩥᨦ", "ᨤᩣᩴᨾᩮᩬᩥᨦᨣᩤᩴ"),
    "Javanese": ("ꦗꦮ", "ꦧꦱꦗꦮꦲ"),
    "Balinese": ("ᬩᬮᬶ", "ᬩᬲᬩᬮᬶᬓ"),
    "Batak": ("ᯅᯖᯂ᯲", "ᯘᯒᯅᯖᯂ᯲ᯂ"),
    "Cham": ("ꨌꩌ", "ꨀꨇꩉꨌꩌꨆ"),
}
# a word, a text that has it, and a longer word that it is a part of
SPACED = {
    "Latin": ("oil", "the oil fell", "soil"),
    "Latin with marks of their own": ("cafe", "cafe x", "cafe\u0301"),
    "Greek": ("λαδ", "το λαδ x", "ελλαδα"),
    "Cyrillic": ("нефть", "о нефть .", "нефтью"),
    "Arabic": ("نفط", "في نفط .", "النفط"),
    "Hebrew": ("נפט", "על נפט .", "הנפט"),
    "Devanagari": ("हिन्द", "यह हिन्द .", "हिन्दी"),
    "Tamil": ("தமிழ", "இது தமிழ .", "தமிழில்"),
    "Ethiopic": ("ነዳጅ", "ነዳጅ።", "ነዳጅም"),
    "Tibetan": ("བོད", "བོད་ཡིག", "བོདས"),
    "numbers": ("20", "in 20 .", "2020"),
    "Thai numbers": ("๒๐", "ปี๒๐ปี", "๒๐๒๐"),
}


def whole(piece: str, text: str) -> bool:
    """Whether grounding takes the piece in `text` for whole words: it does not prefer another
    place, where the piece stands alone."""
    found = Grounder(f"{text} . {piece}").occurrences(piece)
    return found[0].start < len(text)


@pytest.mark.parametrize(("word", "text"), UNSPACED.values(), ids=UNSPACED)
def test_scripts_without_spaces(word: str, text: str) -> None:
    assert occurs(word, text)
    assert whole(word, text)
    assert " ".join(words(word)) in " ".join(words(text))
    assert len(words(text)) > len(words(word)) >= 1


@pytest.mark.parametrize(("word", "text", "longer"), SPACED.values(), ids=SPACED)
def test_scripts_with_spaces(word: str, text: str, longer: str) -> None:
    assert occurs(word, text)
    assert not occurs(word, longer)
    assert whole(word, text)
    assert not whole(word, longer)


@pytest.mark.parametrize(("word", "text"), [("한국", "한국은 넓다"), ("opec", "opec의 결정")])
def test_korean_particles_stand_on_a_word(word: str, text: str) -> None:
    assert occurs(word, text)
    assert words(text)[0] != word


def test_a_mark_belongs_to_the_letter_before_it() -> None:
    assert same_word("ท", "ี")
    assert not same_word("ี", "ท")
    assert not occurs("ท", "ที่")


def test_no_living_script_that_unicode_breaks_between_letters_is_missing() -> None:
    # ideographs, small kana, and the South-East Asian and Brahmic classes of UAX 14
    classes = "".join(
        rf"\p{{lb={name}}}" for name in ["ID", "CJ", "SA", "AK", "AP", "AS", "VF", "VI"]
    )
    breakable = regex.compile(rf"[\p{{L}}&&[{classes}]]", regex.VERSION1)
    spaced = regex.compile(r"[\p{Script=Hangul}\p{Script=Latin}]")  # of full width, these
    for char in map(chr, range(0x11000)):
        if breakable.match(char) and not spaced.match(char):
            assert is_unspaced(char), unicodedata.name(char)
