"""Answers that are given twice: a draft and the answer, a correction, an explanation; and answers
of which a part stands beside the JSON."""

from __future__ import annotations

import json

import pytest

from ruie.output.revision import Kind, kind
from ruie.parsing import OutputForm, Parsed, parse
from ruie.records import Query, Task

TEXT = (
    "Mara Quill left Orvane for Tessin in 2019. Later she and John Reed founded Zeltan Labs in "
    "Oslo, and Orvane sued Mara Quill."
)
LABELS = {"PERSON": "", "ORG": "", "PLACE": ""}
FIRST = ["PERSON: Mara Quill", "ORG: Tessin", "ORG: Orvane"]
SECOND = ["PERSON: Mara Quill", "PLACE: Tessin", "ORG: Orvane"]
RIGHT = {("PERSON", "Mara Quill", 0), ("PLACE", "Tessin", 27), ("ORG", "Orvane", 16)}


def read(output: str, form: OutputForm = OutputForm.LINEAR) -> Parsed:
    return parse(output, Query(Task.NER, TEXT, "s", LABELS), form=form)


def found(parsed: Parsed) -> set[tuple[str, str, int]]:
    return {(item.type, item.spans[0].text, item.spans[0].start) for item in parsed.items}


def written(items: list[str], how: str) -> str:
    if how != "json":
        return how.join(items)
    pairs = [item.split(": ") for item in items]
    return json.dumps({"items": [{"type": label, "span": span} for label, span in pairs]})


@pytest.mark.parametrize("how", ["; ", "\n", "json"])
@pytest.mark.parametrize(
    "between",
    [
        "Final answer:",
        "**Final Answer:**",
        "## Final Answer",
        "Corrected:",
        "Here is the corrected list.",
        "Wait, Tessin is a place, not an organization.",
        "Wait, Tessin is a place.\n\nRevised answer:",
        "Actually, let me fix that:",
        "Hmm, let me double-check that.",
        "I made a mistake. Tessin is a place.",
        "Answer:",
    ],
)
def test_what_is_given_anew_takes_the_place_of_what_was_said(between: str, how: str) -> None:
    parsed = read(f"{written(FIRST, how)}\n\n{between}\n\n{written(SECOND, how)}")
    assert found(parsed) == RIGHT
    assert any("ORG" in reject.raw and "Tessin" in reject.raw for reject in parsed.rejects)


@pytest.mark.parametrize("how", ["; ", "\n", "json"])
def test_a_correction_of_one_item_leaves_the_others(how: str) -> None:
    parsed = read(f"{written(FIRST, how)}\n\nWait, a city.\n{written(['PLACE: Tessin'], how)}")
    assert found(parsed) == RIGHT
    assert len(parsed.rejects) == (1 if how == "json" else 2)


@pytest.mark.parametrize("how", ["; ", "\n", "json"])
@pytest.mark.parametrize(
    "between", ["Actually, I missed one:", "Updated, with one more:", "Also:", "I also found:"]
)
def test_what_is_added_takes_nothing_away(between: str, how: str) -> None:
    parsed = read(f"{written(SECOND, how)}\n\n{between}\n{written(['PLACE: Oslo'], how)}")
    assert found(parsed) == {*RIGHT, ("PLACE", "Oslo", TEXT.index("Oslo"))}


@pytest.mark.parametrize("heading", ["Explanation:", "**Notes:**", "Reasoning:", "Why:"])
def test_an_explanation_names_no_second_mention(heading: str) -> None:
    parsed = read(f"{'; '.join(SECOND)}\n\n{heading}\n- ORG: Orvane (a firm)\n- PERSON: Mara Quill")
    assert (found(parsed), parsed.rejects) == (RIGHT, ())
    again = read(f"{'; '.join(SECOND)}; ORG: Orvane\n{heading}\n- ORG: Orvane\n- ORG: Orvane")
    assert found(again) == {*RIGHT, ("ORG", "Orvane", TEXT.rindex("Orvane"))}


def test_that_there_is_nothing_after_all() -> None:
    for output in ("ORG: Tessin\n\nFinal answer: None", "ORG: Tessin\nWait, no.\nNone"):
        parsed = read(output)
        assert (parsed.items, parsed.readable) == ((), True)
        assert [r.raw for r in parsed.rejects if ":" in r.raw] == ["ORG: Tessin"]
    withdrawn = read("None\n\nFinal answer: ORG: Orvane")
    assert found(withdrawn) == {("ORG", "Orvane", 16)}


def test_a_heading_before_all_items_or_without_any_after_it_changes_nothing() -> None:
    for output in (f"Final answer:\n{SECOND[0]}", f"{SECOND[0]}\nThe final answer is above:"):
        assert found(read(output)) == {("PERSON", "Mara Quill", 0)}
    answers = "Answer: PERSON: Mara Quill\nAnswer: ORG: Orvane"
    assert len(read(answers).items) == 2


def test_relations_the_other_way_round() -> None:
    query = Query(Task.RE, TEXT, "s", {"left": "", "sued": ""})
    parsed = parse("sued: Mara Quill, Orvane\nWait, reversed:\nsued: Orvane, Mara Quill", query)
    assert [[s.text for s in item.spans] for item in parsed.items] == [["Orvane", "Mara Quill"]]


ONE = '{"items": [{"type": "PERSON", "span": "Mara Quill"}]}'


@pytest.mark.parametrize("form", [OutputForm.LINEAR, OutputForm.JSON])
@pytest.mark.parametrize(
    "output",
    [
        f"{ONE}\n\nORG: Orvane",
        f"{ONE}\n\nI found as well ORG: Orvane.",
        f"{ONE[:-1]},}}\n\nORG: Orvane",
        f"ORG: Orvane\n```json\n{ONE}\n```",
    ],
)
def test_an_item_beside_json_is_not_lost_in_silence(output: str, form: OutputForm) -> None:
    parsed = read(output, form)
    told = [span.text for item in parsed.items for span in item.spans]
    told += [reject.raw for reject in parsed.rejects]
    assert any("Orvane" in each for each in told)
    assert any("Mara Quill" in each for each in told)


def test_prose_beside_json_is_no_reject() -> None:
    for around in (
        "Note: Mara Quill is a person.",
        "Explanation: she is a PERSON.",
        f"Sentence: {TEXT}",
    ):
        assert read(f"{around}\n{ONE}", OutputForm.JSON).rejects == ()
        assert read(f"{ONE}\n{around}", OutputForm.JSON).rejects == ()


def test_long_ones_take_no_time_that_grows_with_the_square() -> None:
    for piece in ("wait ", "final ", "- ", "hmm, ", "here is a ", "\n", "*" * 9):
        assert kind(piece * 100_000) in (*Kind, None)
    many = "\n".join(["PERSON: Mara Quill", "Wait, no.", "Final answer:"] * 10_000)
    assert found(read(f"{many}\nPERSON: Mara Quill")) == {("PERSON", "Mara Quill", 0)}
    others = "\n".join(f"ORG: {n}\nNote: Wait\nWait, no.\nORG: a{n}" for n in range(10_000))
    assert len(read(others).rejects) >= 20_000
