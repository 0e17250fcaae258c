"""The schema file: what it may say, and what each mistake answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ruie.errors import ExitCode, SchemaError
from ruie.records import Span, Task, Trigger
from ruie.schema import Schema

FULL = """\
name: oil-news
entities: {COMMODITY: traded   goods, ORGANISATION: , PLACE: ~}
relations: [produces, owned by]
events:
  Rise: [Item, Attribute]
  Strike:
"""


def test_a_full_schema() -> None:
    schema = Schema.parse(FULL)
    assert schema.name == "oil-news"
    assert schema.entities == {"COMMODITY": "traded goods", "ORGANISATION": "", "PLACE": ""}
    assert schema.relations == {"produces": "", "owned by": ""}
    assert schema.events == {"Rise": ("Item", "Attribute"), "Strike": ()}
    assert schema.tasks == (Task.NER, Task.RE, Task.ED)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("name: a\nentities: [X]", (Task.NER,)),
        ("name: a\nrelations: {r: what it means}", (Task.RE,)),
        ("name: a\nevents: [E]", (Task.ED,)),
        ('{"name": "a", "entities": ["X"], "events": {"E": ["R"]}}', (Task.NER, Task.ED)),
        ("\ufeffname: a\nentities: [X]", (Task.NER,)),
    ],
    ids=["entities", "relations", "events", "JSON", "byte order mark"],
)
def test_tasks_follow_from_what_is_asked(source: str, expected: tuple[Task, ...]) -> None:
    assert Schema.parse(source).tasks == expected


def test_words_that_yaml_reads_as_other_things_stay_words() -> None:
    schema = Schema.parse("name: 2024\nentities: [yes, NO, 1.0, 2024-01-01, null]")
    assert list(schema.entities) == ["yes", "NO", "1.0", "2024-01-01", "null"]
    assert schema.name == "2024"


def test_a_type_may_have_examples() -> None:
    schema = Schema.parse(
        """name: jobs
entities:
  SKILL: {description: what one can   do, examples: [project management, "2 + 2"]}
  PAY: {examples: ["12 euros"]}
  PLACE: {description: }
relations: {needs: {description: who needs what, examples: ["Acme, a cook"]}}
"""
    )
    assert schema.entities == {
        "SKILL": "what one can do, such as project management, 2 + 2",
        "PAY": "such as 12 euros",
        "PLACE": "",
    }
    assert schema.relations == {"needs": "who needs what, such as Acme, a cook"}


def test_events_and_their_roles_may_be_described() -> None:
    schema = Schema.parse(
        """name: jobs
events:
  Hire:
    description: somebody gets a job
    examples: [hired, took on]
    roles: {Who: the new employee, When: }
  Leave: {roles: [Who]}
  Strike: {examples: [walk-out]}
  End: [Of]
"""
    )
    assert schema.events == {
        "Hire": ("Who", "When"),
        "Leave": ("Who",),
        "Strike": (),
        "End": ("Of",),
    }
    assert schema.labels(Task.ED) == {
        "Hire": "somebody gets a job, such as hired, took on",
        "Leave": "",
        "Strike": "such as walk-out",
        "End": "",
    }
    assert schema.labels(Task.EAE, "Hire") == {"Who": "the new employee", "When": ""}
    assert schema.labels(Task.EAE, "Leave") == {"Who": ""}
    body = schema.body()
    assert body["events"]["Leave"] == ["Who"]
    assert Schema.from_body(body) == schema == Schema.parse(json.dumps(body))


MISTAKES = {
    "unknown key of an event": (
        "name: a\nevents:\n  E: {role: [R]}",
        3,
        "'role' of 'E' is not understood",
        "description, examples and roles",
    ),
    "an event that is described by a list": (
        "name: a\nevents: {E: {description: [R]}}",
        2,
        "the description of 'E' must be text",
        "Write text",
    ),
    "unknown key of a type": (
        "name: a\nentities:\n  X: {description: d,\n    exmples: [y]}",
        4,
        "'exmples' of 'X'",
        "examples",
    ),
    "examples that are no list": (
        "name: a\nentities: {X: {examples: y}}",
        2,
        "the examples of 'X' must be a list",
        "[Ada",
    ),
    "description twice": (
        "name: a\nentities: {X: {description: y, description: z}}",
        2,
        "twice",
        "Keep one",
    ),
    "a type that is a list": ("name: a\nentities: {X: [y]}", 2, "must be text", "examples"),
    "empty": ("", 1, "the file is empty", "name, entities"),
    "only a comment": ("# nothing\n", 1, "the file is empty", "name, entities"),
    "not a mapping": ("- a\n- b", 1, "not a mapping", "name, entities"),
    "unknown key": ("name: a\nentitys: [X]", 2, "unknown key 'entitys'", "The keys are"),
    "merge key": ("name: a\n<<: {entities: [X]}", 2, "unknown key '<<'", "The keys are"),
    "key twice": ("name: a\nentities: [X]\nname: b", 3, "'name' is written twice", "Keep one"),
    "no name": ("entities: [X]", 1, "'name' is missing", "name: my-schema"),
    "empty name": ("entities: [X]\nname: ''", 2, "a name is empty", "Write a name"),
    "edge of a name": ("name: s\nentities: [a;b, a;]", 2, "ends with ';': 'a;'", "without"),
    "name is a list": ("name: [a]\nentities: [X]", 1, "a name must be text", "one word"),
    "no types": ("name: a", 1, "nothing to extract", "at least one"),
    "empty lists": ("name: a\nentities: []\nevents: {}", 1, "nothing to extract", "at least one"),
    "entities are text": ("name: a\n\nentities: X", 3, "'entities' must be a list", "[PERSON"),
    "type is a list": ("name: a\nentities:\n- [X]", 3, "a type in entities must be text", "word"),
    "type twice": ("name: a\nentities:\n- X\n- Y\n- X", 5, "'X' is written twice", "Keep one"),
    "type twice, mapped": ("name: a\nrelations:\n  r: x\n  r: y", 4, "'r' is written", "Keep one"),
    "type twice but for space": ("name: a\nentities: ['X  Y', 'X Y']", 2, "'X Y' is", "Keep one"),
    "long type": (f"name: a\nentities:\n- {'x' * 101}", 3, "101 characters is too", "description"),
    "description is a list": ("name: a\nentities:\n  X: [y]", 3, "description of 'X'", "phrase"),
    "events are text": ("name: a\nevents: X", 2, "'events' must map", "Attacker"),
    "roles are text": ("name: a\nevents:\n  E: R", 3, "roles of 'E' must be a list", "[Role"),
    "role twice": ("name: a\nevents:\n  E: [R, R]", 3, "'R' is written twice", "Keep one"),
    "event twice": ("name: a\nevents:\n  E: [R]\n  E: [S]", 4, "'E' is written", "Keep one"),
    "no such demonstrations": ("name: a\nentities: [X]\ndemonstrations: d", 3, "no demons", "rela"),
    "bad YAML": ("name: a\nentities: [X", 2, "expected ',' or ']'", "Correct the YAML"),
    "a tab": ("name: a\nentities:\n\t- X", 3, "cannot start any token", "Correct the YAML"),
    "two documents": ("name: a\n---\nname: b", 2, "but found another", "Correct the YAML"),
    "control character": ("name: a\nentities: [X\x07]", 2, "YAML does not allow", "Remove it"),
    "unknown alias": ("name: a\nentities: *x", 2, "found undefined alias", "Correct the YAML"),
    "contains itself": ("name: a\nentities: &x [*x]", 2, "must be text", "one word"),
    "nested without end": ("[" * 100_000, 1, "nested too deeply", "docs/data.md"),
}


@pytest.mark.parametrize(("source", "line", "what", "hint"), MISTAKES.values(), ids=list(MISTAKES))
def test_a_mistake_names_file_and_line_and_says_what_to_do(
    tmp_path: Path, source: str, line: int, what: str, hint: str
) -> None:
    file = tmp_path / "oil.yaml"
    file.write_text(source, encoding="utf-8")
    with pytest.raises(SchemaError) as caught:
        Schema.load(file)
    assert caught.value.message.startswith(f"{file}, line {line}: ")
    assert what in caught.value.message
    assert hint in caught.value.hint
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code is ExitCode.USAGE


@pytest.mark.parametrize(
    "source",
    [
        r'{"name": "a", "entities": ["A\ud800"]}',
        r'{"name": "a\udfff", "entities": ["A"]}',
        r'{"name": "a", "entities": {"A": "x\ud800"}}',
        r'{"name": "a", "events": {"A": ["x\ud800"]}}',
    ],
)
def test_half_a_surrogate_pair_is_a_mistake(source: str) -> None:
    with pytest.raises(SchemaError, match=r"line 1: a .* has half of a surrogate pair"):
        Schema.parse(source)


@pytest.mark.parametrize("escape", [r"\Uffffffff", r"\U00110000", r"\x8", r"\ud8"])
def test_an_escape_of_no_character_is_a_mistake(escape: str) -> None:
    with pytest.raises(SchemaError, match="<schema>"):
        Schema.parse(f'{{"name": "a", "entities": ["{escape}"]}}')


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"There is no schema file .*none\.yaml"):
        Schema.load(tmp_path / "none.yaml")


def test_a_folder_is_no_schema(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="cannot be read: Is a directory"):
        Schema.load(tmp_path)


def test_a_file_that_is_not_utf8_names_the_line(tmp_path: Path) -> None:
    file = tmp_path / "latin.yaml"
    file.write_bytes("name: a\nentities: [Größe]".encode("latin-1"))
    with pytest.raises(SchemaError, match=r"latin\.yaml, line 2: this is not UTF-8\."):
        Schema.load(file)


def test_demonstrations_are_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "demos.jsonl").touch()
    (tmp_path / "a.yaml").write_text("name: a\nentities: [X]\ndemonstrations: demos.jsonl")
    assert Schema.load(tmp_path / "a.yaml").demonstrations == tmp_path / "demos.jsonl"


def test_a_stored_schema_comes_back_with_the_same_digest() -> None:
    schema = Schema.parse(FULL)
    again = Schema.from_body(schema.body())
    assert again == schema
    assert again.digest == schema.digest
    assert len(schema.digest) == 64


@pytest.mark.parametrize(
    "change",
    [("oil-news", "oil"), ("traded", "bought"), ("[produces, owned by]", "[owned by, produces]")],
)
def test_the_digest_tells_schemas_apart(change: tuple[str, str]) -> None:
    assert Schema.parse(FULL.replace(*change)).digest != Schema.parse(FULL).digest


def test_queries() -> None:
    schema = Schema.parse(FULL)
    first = list(schema.queries("Oil rose."))
    assert [(q.task, list(q.labels), q.trigger) for q in first] == [
        (Task.NER, ["COMMODITY", "ORGANISATION", "PLACE"], None),
        (Task.RE, ["produces", "owned by"], None),
        (Task.ED, ["Rise", "Strike"], None),
    ]
    assert {(q.text, q.schema) for q in first} == {("Oil rose.", "oil-news")}


def test_arguments_are_asked_only_of_events_with_roles() -> None:
    schema = Schema.parse(FULL)
    trigger = Span("rose", 4, 8)
    query = schema.argument_query("Oil rose.", "Rise", trigger)
    assert query is not None
    assert (query.task, query.trigger) == (Task.EAE, Trigger("Rise", trigger))
    assert list(query.labels) == ["Item", "Attribute"]
    assert schema.argument_query("Oil rose.", "Strike", trigger) is None
    assert schema.argument_query("Oil rose.", "No such event", trigger) is None
