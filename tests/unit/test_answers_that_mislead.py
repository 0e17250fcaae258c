"""Answers of which a part was lost, or became a record that nobody meant, without a word."""

from __future__ import annotations

import pytest

from ruie.grounding import Grounder
from ruie.llm.answer_text import read_text
from ruie.output.labels import Labels
from ruie.parsing import OutputForm, Parsed, parse
from ruie.records import Query, RejectReason, Task

TEXT = (
    "T. Smith of Marks & Spencer left Tom & Jerry Ltd for AT&T and Jerry. Ada Byron, Mara Quill "
    "and John Reed joined Orvane in R&D, paid 12 000 euros, of Johnson & Johnson and Acme."
)
LABELS = {"PERSON": "", "ORG": "", "NUM": ""}


def read(output: str, form: OutputForm = OutputForm.LINEAR) -> Parsed:
    return parse(output, Query(Task.NER, TEXT, "news", LABELS), form=form)


def spans(parsed: Parsed) -> list[str]:
    return [span.text for item in parsed.items for span in item.spans]


@pytest.mark.parametrize("form", [OutputForm.LINEAR, OutputForm.JSON])
@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ('{"PERSON": "Mara Quill", "PERSON": "John Reed"}', ["Mara Quill", "John Reed"]),
        ('{"PERSON": ["Ada Byron"], "ORG": "Orvane", "PERSON": ["John Reed"]}',
         ["Ada Byron", "John Reed", "Orvane"]),
        ('{"items": [{"type": "PERSON", "span": "Mara Quill", "type": "ORG", "span": "Orvane"}]}',
         ["Mara Quill", "Orvane"]),
        ('{"items": [{"type": "PERSON", "span": "Ada Byron"}], "items": []}', ["Ada Byron"]),
        # and that is to be repaired
        ("{'PERSON': 'Mara Quill', 'PERSON': 'John Reed'}", ["Mara Quill", "John Reed"]),
        ('{"PERSON": ["Ada Byron"], "ORG": "Orvane", "PERSON": ["John Reed"],}',
         ["Ada Byron", "John Reed", "Orvane"]),
        ('{"items": [{"type": "PERSON", "span": "Mara Quill", "type": "ORG", "span": "Orvane",}]}',
         ["Mara Quill", "Orvane"]),
        ("{'items': [{'type': 'PERSON', 'span': 'Ada Byron'}], 'items': []}", ["Ada Byron"]),
        ('{"PERSON": "Mara Quill", "PERSON": "John Reed", "ORG": "Or', ["Mara Quill", "John Reed"]),
    ],
)  # fmt: skip  # a table
def test_a_name_that_json_repeats(output: str, expected: list[str], form: OutputForm) -> None:
    assert sorted(spans(read(output, form))) == sorted(expected)


@pytest.mark.parametrize(
    "output",
    [
        "None, except Orvane",
        "None (apart from Orvane)",
        "None. However, Orvane is an organisation.",
        "none, PERSON is Ada Byron",
    ],
)
def test_what_is_taken_back_is_no_statement_that_there_is_nothing(output: str) -> None:
    assert not read(output).readable


@pytest.mark.parametrize(
    "output",
    [
        "None. The sentence names no one.",
        "None (no entities are mentioned)",
        "None - there is nobody.",
        "None. PERSON is not mentioned.",
    ],
)
def test_an_explanation_is(output: str) -> None:
    parsed = read(output)
    assert (parsed.readable, parsed.items, parsed.rejects) == (True, (), ())


@pytest.mark.parametrize(
    "output",
    ["NUM: 12,000 euros", "NUM: 3/4", "ORG: S and P", "ORG: Acme and Acme", "ORG: T and T"],
)
def test_no_part_of_a_name_or_number_is_a_record(output: str) -> None:
    parsed = read(output)
    assert spans(parsed) == []
    assert [reject.reason for reject in parsed.rejects] == [RejectReason.NOT_IN_TEXT]


def test_spans_that_are_listed_are_several() -> None:
    assert spans(read("PERSON: Ada Byron, John Reed")) == ["Ada Byron", "John Reed"]
    assert spans(read("PERSON: Ada Byron and John Reed")) == ["Ada Byron", "John Reed"]


@pytest.mark.parametrize("form", [OutputForm.LINEAR, OutputForm.JSON])
@pytest.mark.parametrize(
    "listed",
    [
        '"spans": ["Ada Byron", "John Reed"], "count": 2',
        '"entities": [{"text": "Ada Byron"}, {"text": "John Reed"}]',
    ],
)
def test_spans_listed_in_one_object_are_several(listed: str, form: OutputForm) -> None:
    items = f'{{"type": "PERSON", {listed}}}, {{"type": "ORG", "span": "Orvane"}}'
    parsed = read(f'{{"items": [{items}]}}', form)
    assert (spans(parsed), parsed.rejects) == (["Ada Byron", "John Reed", "Orvane"], ())


def test_the_arguments_of_an_event_are_no_triggers() -> None:
    query = Query(Task.ED, TEXT, "s", {"Join": "", "Pay": ""})
    output = '{"items": [{"type": "Join", "arguments": [{"role": "who", "text": "John Reed"}]}]}'
    assert parse(output, query, form=OutputForm.JSON).items == ()


def test_spans_between_bars_are_several() -> None:
    assert spans(read("PERSON: Ada Byron | John Reed")) == ["Ada Byron", "John Reed"]


@pytest.mark.parametrize("none", ["N/A", "n/a.", "none mentioned", "No persons found", "nothing"])
def test_a_type_of_which_there_is_nothing_is_no_reject(none: str) -> None:
    parsed = read(f"PERSON: {none}; ORG: Orvane")
    assert (spans(parsed), parsed.rejects) == (["Orvane"], ())
    assert read(f"PERSON: {none}\nORG: {none}").readable


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("ORG: Marks &amp; Spencer; Tom &amp; Jerry Ltd; AT&amp;T",
         ["Marks & Spencer", "Tom & Jerry Ltd", "AT&T"]),
        ('ORG: "Marks &amp; Spencer", "AT&#38;T"', ["Marks & Spencer", "AT&T"]),
        ("Marks &amp; Spencer: ORG; AT&amp;T: ORG", ["Marks & Spencer", "AT&T"]),
    ],
)  # fmt: skip  # a table
def test_an_entitys_semicolon_divides_nothing(output: str, expected: list[str]) -> None:
    assert spans(read(output)) == expected


@pytest.mark.parametrize(
    ("labels", "written", "found"),
    [
        (["HIV-"], "HIV+", None),
        (["HIV-"], "HIV-", "HIV-"),
        (["A", "C"], "A-", None),
        (["A", "C"], "C++", None),
        (["A", "C"], "C#", None),
        (["C", "C++"], "c++", "C++"),
        (["A", "C"], "- **A**", "A"),
        (["org_name"], "Org-Name", "org_name"),
    ],
)
def test_a_sign_at_the_end_of_a_label_is_part_of_it(
    labels: list[str], written: str, found: str | None
) -> None:
    assert Labels(labels).find(written) == found


@pytest.mark.parametrize(
    "end", ["<|im_end|>", "</s>", "<|eot_id|>", "<end_of_turn>\n", "\n<|endoftext|>", "</s></s>"]
)
def test_the_end_of_a_turn_is_no_part_of_the_answer(end: str) -> None:
    said = read_text({"content": f"PERSON: Mara Quill{end}"})
    assert said is not None
    assert (said.text, said.reasoned) == ("PERSON: Mara Quill", False)


@pytest.mark.parametrize(
    "after",
    [
        "<|im_end|>\n<|im_start|>assistant\nORG: Orvane",
        "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nORG: Orvane",
        "</s> ORG: Orvane</s>",
        "<end_of_turn>\n<start_of_turn>user\nSentence: Orvane",
    ],
)
def test_what_a_model_writes_after_its_turn_is_no_answer(after: str) -> None:
    said = read_text({"content": f"PERSON: Mara Quill{after}"})
    assert said is not None
    assert said.text == "PERSON: Mara Quill"
    assert "Orvane" in said.everything


@pytest.mark.parametrize("mark", ["</s>", "<|im_end|>"])
def test_a_mark_that_the_prompt_has_ends_no_turn(mark: str) -> None:
    prompt = ({"role": "user", "content": f"Sentence: On the mark {mark} of models"},)
    said = read_text({"content": f"ORG: {mark}; PERSON: Mara Quill"}, prompt)
    assert said is not None
    assert said.text == f"ORG: {mark}; PERSON: Mara Quill"
    struck = read_text({"content": "ORG: <s>Tessin</s>; PERSON: Mara Quill"})
    assert struck is not None
    assert struck.text.endswith("Mara Quill")


def test_a_part_that_refuses_is_a_refusal() -> None:
    said = read_text({"content": [{"type": "refusal", "refusal": "I will not."}]})
    assert said is not None
    assert (said.text, said.refusal) == ("", "I will not.")


def test_json_that_ends_where_more_must_come_is_no_answer_that_there_is_nothing() -> None:
    assert read('{"PERSON": [], "ORG": [', OutputForm.JSON).rejects
    cut = read('{"items":[{"type":"PERSON","span":"Ada Byron"},', OutputForm.JSON)
    assert spans(cut) == ["Ada Byron"]
    assert [reject.reason for reject in cut.rejects] == [RejectReason.MALFORMED]


def test_nor_is_an_empty_list_that_is_taken_back() -> None:
    assert not read('{"items":[]} Hmm, actually Orvane is an ORG.', OutputForm.JSON).readable
    assert read('{"items":[]} There are no entities.', OutputForm.JSON).readable


@pytest.mark.parametrize(
    "answer",
    [
        '{"items": [], "error": "I cannot process this"}',
        '{"refusal": "I cannot help with that.", "entities": []}',
        '{"result": {"error": "too long", "items": []}}',
    ],
)
def test_nor_is_one_beside_an_error(answer: str) -> None:
    found = read(answer, OutputForm.JSON)
    assert not found.readable
    assert found.rejects


@pytest.mark.parametrize(
    ("text", "piece"),
    [
        ("We met at 3. 5 left.", "3.5"),
        ("Of items 1, 5 and 7.", "1,5"),
        ("In 2019, 5 came.", "2019,5"),
    ],
)
def test_two_numbers_are_not_one(text: str, piece: str) -> None:
    assert Grounder(text).occurrences(piece) == ()
    assert not Grounder(text).contains(piece)


def test_two_numbers_are_found_as_two() -> None:
    assert [s.text for s in Grounder("In 2019, 5 came.").occurrences("2019,  5")] == ["2019, 5"]
    assert [s.text for s in Grounder("It rose 3.5 %.").occurrences("3.5%")] == ["3.5 %"]


def test_long_ones_are_read_as_well() -> None:
    """In a time that grows with the square, this would take longer than a test may."""
    many = 400_000
    assert read("None. " + "a" * many).readable
    assert not read("PERSON: Ada Byron" + "&amp;" * many).items
    for content in (" " * many + "x", "PERSON: Ada" + " " * many + "</s> " * many):
        said = read_text({"content": content})
        assert said is not None
        assert said.text == content.split("<")[0].rstrip()
