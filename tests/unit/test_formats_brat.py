"""brat standoff: what becomes a row, what is put right, and which rows a mistake costs."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruie.errors import AnnotationError
from ruie.formats import AnnotatedRow, Problem
from ruie.formats.brat import read_brat
from ruie.formats.jsonl import to_line
from ruie.records import Task

TEXT = "OPEC cut output.\n\nBrent rose 2 % as Iran sold.\nNobody came.\n"
ANN = """\
T1\tOrg 0 4\tOPEC
T2\tCut 5 8\tcut
T3\tThing 9 15\toutput
T4\tOil 18 23\tBrent
T5\tRise 24 28\trose
T6\tOrg 36 40\tIran
T7\tSell 41 45\tsold
R1\tlowers Arg1:T1 Arg2:T3\t
E1\tCut:T2 Who:T1 What:T3
E2\tRise:T5 Item:T4 Why:E3
E3\tSell:T7 Who:T6 Who2:T4
A1\tNegation E1
#1\tAnnotatorNotes T1\tsure?
N1\tReference T1 Wikipedia:7795\tOPEC
*\tEquiv T1 T6
"""


def pair(folder: Path, ann: str | bytes = ANN, text: str | bytes = TEXT, name: str = "d") -> Path:
    for suffix, content in ((".ann", ann), (".txt", text)):
        raw = content if isinstance(content, bytes) else content.encode()
        (folder / f"{name}{suffix}").write_bytes(raw)
    return folder / f"{name}.ann"


def split(file: Path, whole: bool = False) -> tuple[list[AnnotatedRow], list[Problem]]:
    found = list(read_brat(file, whole))
    rows = [one for one in found if isinstance(one, AnnotatedRow)]
    for row in rows:
        spans = [
            s for items in (*row.gold.values(), *row.arguments) for i in items for s in i.spans
        ]
        assert all(row.text[s.start : s.end] == s.text for s in spans)
    return rows, [one for one in found if isinstance(one, Problem)]


def gold(row: AnnotatedRow, task: Task) -> list[tuple[str, ...]]:
    return [(i.type, *(s.text for s in i.spans)) for i in row.gold[task]]


def test_a_row_is_a_line(tmp_path: Path) -> None:
    rows, problems = split(pair(tmp_path))
    assert problems == []
    assert [(row.id, row.text) for row in rows] == [
        ("d:1", "OPEC cut output."),
        ("d:3", "Brent rose 2 % as Iran sold."),
        ("d:4", "Nobody came."),
    ]
    first, second, third = rows
    assert gold(first, Task.NER) == [
        ("Org", "OPEC"),
        ("Thing", "output"),
    ]  # no triggers
    assert gold(first, Task.RE) == [("lowers", "OPEC", "output")]
    assert gold(first, Task.ED) == [("Cut", "cut")]
    assert str(second.place) == f"{tmp_path / 'd.txt'}, line 3"
    assert gold(second, Task.ED) == [("Rise", "rose"), ("Sell", "sold")]
    roles = [[(a.type, a.spans[0].text) for a in found] for found in second.arguments]
    # an event as an argument is its trigger; brat's number behind a role that comes again is none
    assert roles == [[("Item", "Brent"), ("Why", "sold")], [("Who", "Iran"), ("Who", "Brent")]]
    assert third.gold == {Task.NER: (), Task.RE: (), Task.ED: ()}


def test_a_row_is_a_document(tmp_path: Path) -> None:
    (row,), problems = split(pair(tmp_path), whole=True)
    assert problems == []
    assert (row.id, row.text) == ("d", TEXT.rstrip("\n"))
    assert len(row.gold[Task.ED]) == 3
    assert row.place is not None
    assert row.place.line is None


def test_a_folder_has_its_documents_and_one_set_of_tasks(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    pair(tmp_path, "T1\tOrg 0 4\tOPEC\n", "OPEC met.", "one")
    pair(tmp_path / "b", "T1\tRise 6 10\trose\nE1\tRise:T1\n", "Brent rose.", "two")
    (tmp_path / "README.txt").write_text("not annotated")
    rows, problems = split(tmp_path)
    assert problems == []
    assert [row.id for row in rows] == ["b/two:1", "one:1"]
    assert all(set(row.gold) == {Task.NER, Task.ED} for row in rows)


def test_the_text_may_be_named_instead(tmp_path: Path) -> None:
    assert len(split(pair(tmp_path).with_suffix(".txt"))[0]) == 3


@pytest.mark.parametrize("mark", [0, 1])
@pytest.mark.parametrize("ends", [0, 1])
def test_marks_and_line_ends_may_be_counted_or_not(tmp_path: Path, mark: int, ends: int) -> None:
    """The file has a byte order mark and Windows' line ends; programs count them or do not."""
    text = "\ufeffOPEC met.\r\nIran came.\r\n"
    at = mark + 10 + ends
    ann = f"T1\tOrg {mark} {mark + 4}\tOPEC\r\nT2\tOrg {at} {at + 4}\tIran\r\n"
    rows, problems = split(pair(tmp_path, ann, text))
    assert problems == []
    assert [row.text for row in rows] == ["OPEC met.", "Iran came."]
    assert [gold(row, Task.NER) for row in rows] == [[("Org", "OPEC")], [("Org", "Iran")]]


def test_pieces_with_white_space_between_are_one_mention(tmp_path: Path) -> None:
    file = pair(tmp_path, "T1\tLoc 0 3;4 8\tNew York\n", "New York fell.")
    (row,), problems = split(file)
    assert problems == []
    assert gold(row, Task.NER) == [("Loc", "New York")]


def test_an_offset_that_is_wrong_is_mended_where_the_text_stands_once(tmp_path: Path) -> None:
    rows, (problem,) = split(pair(tmp_path, "T1\tOrg 5 9\tIran\n"))
    assert gold(rows[1], Task.NER) == [("Org", "Iran")]
    assert (problem.rows, problem.place.line) == (0, 1)
    assert "T1 is annotated as 'Iran' at 5:9, but that is at 36:40" in str(problem)


LOST = {
    # what is wrong, its line in the .ann, the lines of the text that it costs
    "in pieces": ("T1\tOrg 0 4;9 15\tOPEC output\n", 1, "T1 is discontinuous", {1}),
    "over a line's end": ("T1\tOrg 9 23\toutput.  Brent\n", 1, "T1 extends over the end", {1, 3}),
    "a relation across lines": (
        "T1\tOrg 0 4\tOPEC\nT2\tOil 18 23\tBrent\nR1\tr Arg1:T1 Arg2:T2\n",
        3, "its parts T1, T2 are on different lines", {1, 3}),
    "an event across lines": (
        "T1\tOrg 0 4\tOPEC\nT2\tRise 24 28\trose\nE1\tRise:T2 Who:T1\n",
        3, "its parts T1, T2 are on different lines", {1, 3}),
    "a relation without an end": (
        "T1\tOrg 0 4\tOPEC\nR1\tr Arg1:T1 Arg2:T9\n", 2, "it needs T9, which is wrong", {1}),
    "an event of itself": ("E1\tRise:E1\n", 1, "it needs E1", {1, 3, 4}),
    "text that does not occur": ("T1\tOrg 18 22\tShell\n", 1,
                                 "T1 is annotated as 'Shell' at 18:22, but that does not occur",
                                 {3}),
    "text that occurs twice": ("T1\tOrg 18 20\to\n", 1, "but that occurs", {1, 3, 4}),
    "offsets outside": ("T1\tOrg 900 904\n", 1, "T1 is at 900:904, which is outside", {1, 3, 4}),
    "offsets without end": (f"T1\tOrg 0 {'9' * 5000}\tOPEC\n", 1, "outside the text", {1, 3, 4}),
    "offsets reversed": ("T1\tOrg 4 0\n", 1, "T1 is at 4:0, which is outside", {1, 3, 4}),
    "no annotation": ("T1 Org 0 4 OPEC\n", 1, "is not an annotation of brat", {1, 3, 4}),
    "an id twice": ("T1\tOrg 0 4\tOPEC\nT1\tOrg 9 15\toutput\n", 2, "T1 is written twice",
                    {1, 3, 4}),
}  # fmt: skip


@pytest.mark.parametrize(("ann", "line", "what", "lines"), LOST.values(), ids=list(LOST))
def test_a_mistake_costs_the_rows_that_it_may_concern(
    tmp_path: Path, ann: str, line: int, what: str, lines: set[int]
) -> None:
    file = pair(tmp_path, ann)
    rows, (problem,) = split(file)
    assert {row.place.line for row in rows if row.place} == {1, 3, 4} - lines
    assert (problem.place.file, problem.place.line) == (str(file), line)
    assert what in problem.what
    assert len(str(problem)) < 300
    assert problem.rows == len(lines)


def test_a_row_is_lost_once(tmp_path: Path) -> None:
    wrong = "T1\tOrg 0 4;9 15\tOPEC output\nT2\tOrg 0 4;9 15\tOPEC output\n"
    _, problems = split(pair(tmp_path, wrong))
    assert [problem.rows for problem in problems] == [1]


def test_pairs_that_are_not_whole(tmp_path: Path) -> None:
    pair(tmp_path, "", "Nothing here.", "0-nothing")
    pair(tmp_path, "T1\tOrg 0 4\tOPEC\n", "", "1-empty")
    pair(tmp_path, b"T1\tOrg 0 4\tOPEC\n\xff\n", "OPEC met.", "2-ann")
    pair(tmp_path, "T1\tOrg 0 4\tOPEC\n", b"OPEC\nmet\xff.", "3-txt")
    pair(tmp_path, name="4-alone").with_suffix(".txt").unlink()
    rows, problems = split(tmp_path)
    assert [row.id for row in rows] == ["0-nothing:1"]
    assert [str(problem).removeprefix(f"{tmp_path}/") for problem in problems] == [
        "1-empty.txt: the file is empty",
        "2-ann.ann, line 2: this is not UTF-8",
        "3-txt.txt, line 2: this is not UTF-8",
        "4-alone.ann: there is no 4-alone.txt beside it",
    ]


def test_a_folder_without_documents(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match=r"contains no \.ann file"):
        list(read_brat(tmp_path))


PIECES = st.sampled_from(["T1", "T2", "R1", "E1", "\t", " ", ":", ";", "0", "4", "17", "Org", "\n"])


@given(st.lists(PIECES, max_size=40).map("".join))
def test_any_annotation_gives_rows_or_problems(ann: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        rows, problems = split(pair(Path(folder), ann))
    assert len(rows) + sum(problem.rows for problem in problems) == 3
    assert all(to_line(row) for row in rows)
