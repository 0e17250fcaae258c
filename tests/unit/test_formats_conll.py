"""CoNLL columns: the tag schemes, what parts sentences, and what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruie.errors import UsageError
from ruie.formats import AnnotatedRow, Problem
from ruie.formats.conll import decode, read_conll
from ruie.records import Task


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def entities(row: AnnotatedRow | Problem) -> list[tuple[str, str]]:
    assert isinstance(row, AnnotatedRow), row
    for item in row.gold[Task.NER]:
        span = item.spans[0]
        assert row.text[span.start : span.end] == span.text
    return [(item.type, item.spans[0].text) for item in row.gold[Task.NER]]


SCHEMES = [
    ("BIO", "B-P I-P O B-L", ["P0:2", "L3:4"]),
    ("BIO, two that touch", "B-P B-P I-P", ["P0:1", "P1:3"]),
    ("IOB1", "I-P I-P O I-L B-L", ["P0:2", "L3:4", "L4:5"]),
    ("I after O begins", "O I-P O", ["P1:2"]),
    ("I of another type begins", "B-P I-L", ["P0:1", "L1:2"]),
    ("BIOES", "B-P I-P E-P S-L O", ["P0:3", "L3:4"]),
    ("BIOES, I after the end", "S-P I-P", ["P0:1", "P1:2"]),
    ("BIOES, E alone", "O E-P E-P", ["P1:2", "P2:3"]),
    ("BIOES, no end", "B-P I-P O", ["P0:2"]),
    ("BILOU", "B-P L-P U-L U-L", ["P0:2", "L2:3", "L3:4"]),
    ("a type with dashes", "B-a-b I-a-b", ["a-b0:2"]),
    ("nothing", "O O", []),
]


@pytest.mark.parametrize(
    ("tags", "mentions"), [s[1:] for s in SCHEMES], ids=[s[0] for s in SCHEMES]
)
def test_one_rule_reads_every_scheme(tags: str, mentions: list[str]) -> None:
    assert [f"{kind}{a}:{b}" for kind, a, b in decode(tags.split())] == mentions


MENTIONS = st.lists(
    st.tuples(st.sampled_from("OXY"), st.integers(1, 3)), max_size=8
)  # pieces of a sentence: a type (or O) and how many tokens


def encode(pieces: list[tuple[str, int]], scheme: str) -> list[str]:
    """The tags of pieces, as the scheme would have them."""
    tags: list[str] = []
    for kind, length in pieces:
        if kind == "O":
            tags += ["O"] * length
            continue
        before = tags[-1][2:] if tags else ""
        first = "I" if scheme == "IOB1" and before != kind else "B"
        made = [first, *["I"] * (length - 1)]
        if scheme in ("BIOES", "BILOU"):
            made[-1] = {"BIOES": "ES", "BILOU": "LU"}[scheme][length == 1]
        tags += [f"{prefix}-{kind}" for prefix in made]
    return tags


@given(MENTIONS, st.sampled_from(["BIO", "IOB1", "BIOES", "BILOU"]))
def test_what_a_scheme_writes_is_read_back(pieces: list[tuple[str, int]], scheme: str) -> None:
    expected, at = [], 0
    for kind, length in pieces:
        if kind != "O":
            expected.append((kind, at, at + length))
        at += length
    assert decode(encode(pieces, scheme)) == expected


@given(st.lists(st.sampled_from(["O", "B-X", "I-X", "E-X", "S-X", "L-Y", "U-Y", "I-Y"])))
def test_no_sequence_is_wrong_and_mentions_do_not_overlap(tags: list[str]) -> None:
    end = 0
    for kind, a, b in decode(tags):
        assert end <= a < b <= len(tags)
        assert all(tag.endswith(kind) for tag in tags[a:b])
        end = b


CONLL2003 = """\
-DOCSTART- -X- -X- O

EU NNP B-NP B-ORG
rejects VBZ B-VP O
German JJ B-NP B-MISC
call NN I-NP O

Peter NNP B-NP B-PER
Blackburn NNP I-NP I-PER
"""


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("gap", [" ", "\t", "   "])
def test_the_usual_file(tmp_path: Path, end: str, mark: str, gap: str) -> None:
    content = mark + CONLL2003.replace(" ", gap).replace("\n", end)
    first, second = read_conll(write(tmp_path / "a.conll", content))
    assert isinstance(first, AnnotatedRow)
    assert (first.id, first.text) == ("3", "EU rejects German call")
    assert str(first.place) == f"{tmp_path / 'a.conll'}, line 3"
    assert entities(first) == [("ORG", "EU"), ("MISC", "German")]
    assert entities(second) == [("PER", "Peter Blackburn")]


def test_the_columns_may_be_others(tmp_path: Path) -> None:
    file = write(tmp_path / "a.tsv", "1\tB-P\tAda\tx\n2\tO\twrote\tx\n")
    (row,) = read_conll(file, token=3, tag=2)
    assert entities(row) == [("P", "Ada")]
    (same,) = read_conll(file, token=-2, tag=-3)
    assert entities(same) == [("P", "Ada")]
    with pytest.raises(UsageError, match="no column 0"):
        list(read_conll(file, token=0))


def test_a_token_between_tabs_may_hold_a_space(tmp_path: Path) -> None:
    (row,) = read_conll(write(tmp_path / "a", "New York\tB-L\nfell\tO\n"))
    assert entities(row) == [("L", "New York")]


def test_a_comment_is_no_token_and_a_hash_is_one(tmp_path: Path) -> None:
    content = "# sent_id = 1\n# text\n#1 O\n# B-X\nAda B-P\n#\n\n# the end\n"
    (row,) = read_conll(write(tmp_path / "a", content))
    assert isinstance(row, AnnotatedRow)
    assert row.text == "#1 # Ada"
    assert entities(row) == [("X", "#"), ("P", "Ada")]


WRONG = {
    "too few columns": ("Ada\n", 1, "the line has 1 column, most lines have 2"),
    "too many columns": ("Ada NNP B-P\n", 1, "the line has 3 columns, most lines have 2"),
    "no tag": ("wrote O\nAda PERSON\n", 2, "'PERSON' is not a tag"),
    "a prefix alone": ("Ada B\n", 1, "'B' is not a tag"),
    "an empty token": ("\tO\n", 1, "the token is empty"),
    "a long type": (f"Ada B-{'x' * 101}\n", 1, "'tag' has 101 characters"),
    "not UTF-8": (b"\xff O\n", 1, "this is not UTF-8"),
    "only white space": ("\u00a0 O\n\n", 1, "'text' is empty"),
}


@pytest.mark.parametrize(("bad", "line", "what"), WRONG.values(), ids=list(WRONG))
def test_a_wrong_sentence_is_reported_once_and_the_rest_used(
    tmp_path: Path, bad: str | bytes, line: int, what: str
) -> None:
    good = b"Ada B-P\nwrote O\n\n"
    raw = bad if isinstance(bad, bytes) else bad.encode()
    file = write(tmp_path / "a.conll", good + raw + b"\n" + good)
    first, problem, last = read_conll(file)
    assert entities(first) == entities(last) == [("P", "Ada")]
    assert isinstance(problem, Problem)
    assert (problem.place.file, problem.place.line) == (str(file), 3 + line)
    assert problem.what.startswith(what)
    assert problem.hint
    assert problem.rows == 1


def test_a_file_of_one_column_says_what_is_needed(tmp_path: Path) -> None:
    (problem,) = read_conll(write(tmp_path / "a.conll", "Ada\nwrote\n"))
    assert "has 1 column, fewer than the 2 that are needed" in str(problem)


@pytest.mark.parametrize("content", ["", "\n\n", "-DOCSTART- O\n\n", "# nothing\n"])
def test_a_file_without_sentences(tmp_path: Path, content: str) -> None:
    assert list(read_conll(write(tmp_path / "a.conll", content))) == []


@given(st.binary(max_size=200))
def test_any_bytes_give_rows_or_problems(content: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        for found in read_conll(write(Path(folder) / "a", content)):
            assert isinstance(found, AnnotatedRow | Problem)
