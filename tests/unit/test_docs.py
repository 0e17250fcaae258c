"""The documents say what the code does: settings, commands, layouts, tables, and every example."""

from __future__ import annotations

import ast
import inspect
import io
import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import click
import pytest
from pydantic import SecretStr
from support.commands import ROOT, leaves, options, parse, resolve

from db import migrate
from db.engine import open_engine
from db.models import ITEM_STATES, JOB_STATES, metadata
from db.query import run_readonly
from db.views import VIEWS
from ruie import Extractor, Result
from ruie.annotations import read_rows
from ruie.errors import ExitCode
from ruie.schema import KEYS, Schema
from ruie.settings import Settings
from worker.ingest import NewDocument, NewInputError, document_of, find_sources, read_jsonl
from worker.ingest import read_sources as read_files

DOCUMENTS = [ROOT / "README.md", ROOT / "deploy/README.md", *sorted((ROOT / "docs").glob("*.md"))]
Row = tuple[str, ...]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def table_rows(text: str) -> list[Row]:
    """The rows of all tables in a text, in order, without heads."""
    rows: list[Row] = []
    lines = [line.strip() for line in text.splitlines()]
    for before, line in zip(["", *lines], lines, strict=False):
        if line.startswith("|---"):
            rows.pop()  # what was taken for a row was the head
        elif line.startswith("|"):
            cells = re.split(r"(?<!\\)\|", line.strip("|"))
            rows.append(tuple(cell.strip() for cell in cells))
        elif before.startswith("|") and line:
            raise AssertionError(f"a table is not followed by an empty line: {line}")
    return rows


def shown(rows: list[Row]) -> str:
    """Rows as they belong into the document: what to paste where a test fails."""
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def sections(text: str) -> dict[str, str]:
    """The second-level sections of a text by their headings."""
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@dataclass(frozen=True)
class Block:
    """A fenced block: its language and its text."""

    language: str
    text: str


def blocks(text: str) -> list[Block]:
    found = re.findall(r"^```(\w+)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return [Block(language, body) for language, body in found]


# docs/settings.md


def setting_rows() -> list[Row]:
    """A row for each setting: its variable, its default as the environment would have it, and its
    description."""
    rows = []
    for name, field in Settings.model_fields.items():
        value = field.default.get_secret_value() if name == "llm_api_key" else field.default
        written = json.dumps(value) if isinstance(value, list) else str(value)
        if isinstance(value, float):
            written = f"{value:g}"
        assert field.description, name
        rows.append(
            (f"`RUIE_{name.upper()}`", f"`{written}`" if written else "", field.description)
        )
    return rows


def test_the_settings_are_those_of_the_code() -> None:
    expected = setting_rows()
    assert table_rows(text_of("docs/settings.md")) == expected, shown(expected)


def test_a_secret_is_the_api_key_alone() -> None:
    """`setting_rows` and docs/settings.md treat it by name."""
    secrets = [n for n, f in Settings.model_fields.items() if f.annotation is SecretStr]
    assert secrets == ["llm_api_key"]


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_a_document_names_only_settings_that_exist(path: Path) -> None:
    known = {f"RUIE_{name.upper()}" for name in Settings.model_fields}
    named = set(re.findall(r"RUIE_[A-Z0-9_]*[A-Z0-9]", path.read_text(encoding="utf-8")))
    assert named <= known, sorted(named - known)


# docs/command.md


def option_rows(command: click.Command) -> list[Row]:
    """A row for each option: how it is written, and its help."""
    context = click.Context(command)
    rows = []
    for option in options(command):
        written = ", ".join(option.opts)
        if not option.is_flag:
            written += f" {option.make_metavar(context)}"
        help_ = " ".join((option.help or "").split())
        rows.append((f"`{written}`".replace("|", r"\|"), help_.replace("|", r"\|")))
    return rows


def usage(name: str, command: click.Command) -> str:
    """`ruie status [OPTIONS] [JOB]`"""
    pieces = command.collect_usage_pieces(click.Context(command))
    return " ".join(["ruie", name, *pieces]).strip()


def command_sections() -> dict[str, str]:
    """The sections of docs/command.md that describe a command."""
    every = sections(text_of("docs/command.md"))
    return {
        title.strip("`").removeprefix("ruie "): body
        for title, body in every.items()
        if title.startswith("`ruie ")
    }


def test_every_command_is_described_and_no_other() -> None:
    assert sorted(command_sections()) == sorted(leaves())


def test_every_option_is_described_as_its_help_says_and_no_other() -> None:
    described = command_sections()
    for name, command in leaves().items():
        expected = option_rows(command)
        assert all(help_ for _, help_ in expected), f"an option of `ruie {name}` has no help"
        assert table_rows(described[name]) == expected, f"ruie {name}:\n{shown(expected)}"


def test_every_command_is_shown_with_its_arguments() -> None:
    described = command_sections()
    for name, command in leaves().items():
        assert f"`{usage(name, command)}`" in described[name], usage(name, command)


def test_an_option_that_is_named_in_the_text_is_the_commands() -> None:
    for name, body in command_sections().items():
        own = {opt for option in options(leaves()[name]) for opt in option.opts}
        prose = "\n".join(line for line in body.splitlines() if not line.startswith("|"))
        prose = re.sub(r"^```.*?^```$", "", prose, flags=re.MULTILINE | re.DOTALL)
        assert set(re.findall(r"(?<![\w-])--[a-z-]+", prose)) <= own, name


def test_the_exit_codes_are_those_of_the_code() -> None:
    rows = table_rows(sections(text_of("docs/command.md"))["Exit codes"])
    assert [int(row[0].strip("`")) for row in rows] == [int(code) for code in ExitCode]


# Every example of a command


def command_lines(text: str) -> Iterator[list[str]]:
    """The arguments of each `ruie` in the shell blocks of a text, in a container or not."""
    for block in blocks(text):
        if block.language != "sh":
            continue
        for line in block.text.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            for end, word in enumerate(words):
                if word in ("|", ">", "&&", ";", "&"):
                    words = words[:end]
                    break
            while words and re.match(r"\w+=", words[0]):
                words.pop(0)
            if words[:3] == ["docker", "compose", "run"]:
                yield words[words.index("worker") + 1 :]
            elif words and Path(words[0]).name == "ruie":
                yield words[1:]


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_example_is_a_command_line_that_ruie_takes(path: Path) -> None:
    for words in command_lines(path.read_text(encoding="utf-8")):
        try:
            parse(words)
        except click.UsageError as error:
            pytest.fail(f"{name_of(path)}: ruie {shlex.join(words)}: {error.format_message()}")


def test_the_examples_are_found() -> None:
    """Otherwise the test above would pass by finding nothing."""
    for name, least in (("README.md", 5), ("deploy/README.md", 4), ("docs/command.md", 10)):
        assert len(list(command_lines(text_of(name)))) >= least, name


@pytest.mark.parametrize(
    "words",
    ["enqueue news.jsonl", "enqueue --schema s.yaml", "status a b", "query", "worker --queue x",
     "query x --format xml", "db", "db migrate", "start"],
)  # fmt: skip  # one line reads better
def test_an_example_that_ruie_does_not_take_is_noticed(words: str) -> None:
    with pytest.raises(click.UsageError):
        parse(words.split())


@pytest.mark.parametrize("path", [*DOCUMENTS, ROOT / "CHANGELOG.md"], ids=name_of)
def test_a_command_named_in_passing_exists(path: Path) -> None:
    prose = re.sub(
        r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    for said in re.findall(r"`ruie ([^`]+)`", prose):
        if said.startswith("-"):
            continue
        command, rest = resolve(said.split()) if said not in ("db", "bundle") else (None, [])
        own = {opt for option in options(command) for opt in option.opts} if command else set()
        assert {word for word in rest if word.startswith("-")} <= own, said


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_query_of_the_examples_runs(path: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ruie.db"
    engine = open_engine(url)
    migrate.upgrade(engine)
    engine.dispose()
    text = path.read_text(encoding="utf-8")
    asked = [parse(words).params["sql"] for words in command_lines(text) if words[0] == "query"]
    asked += [block.text for block in blocks(text) if block.language == "sql"]
    for sql in asked:
        assert run_readonly(url, sql).columns


@pytest.mark.parametrize("path", [*DOCUMENTS, ROOT / "CHANGELOG.md"], ids=name_of)
def test_every_link_to_a_file_leads_to_one(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), target


def test_every_document_that_the_code_speaks_of_exists() -> None:
    spoken = {
        name
        for half in ("ruie", "db", "worker", "exporter")
        for file in (ROOT / half).rglob("*.py")
        for name in re.findall(r"\bdocs/\w+\.md\b", file.read_text(encoding="utf-8"))
    }
    assert "docs/settings.md" in spoken
    for name in spoken:
        assert (ROOT / name).exists(), name


# README.md


def test_the_readme_links_every_document() -> None:
    readme = text_of("README.md")
    for path in DOCUMENTS[1:]:
        assert f"({name_of(path)})" in readme, name_of(path)


def test_the_two_commands_of_the_readme_are_targets_of_the_makefile() -> None:
    targets = re.findall(r"^(\w+):", text_of("Makefile"), flags=re.MULTILINE)
    said = set(re.findall(r"^`?make (\w+)", text_of("README.md"), flags=re.MULTILINE))
    assert {"demo", "test"} <= said <= set(targets)


def test_the_python_of_the_readme_fits_the_library() -> None:
    found = [block.text for block in blocks(text_of("README.md")) if block.language == "python"]
    assert found
    tree = ast.parse(found[0])
    assert len([line for line in found[0].splitlines() if line.strip()]) <= 10
    calls = {ast.unparse(n.func): n for n in ast.walk(tree) if isinstance(n, ast.Call)}
    for name, function in (
        ("Extractor.open", Extractor.open),
        ("extractor.extract", Extractor.extract),
        ("Schema.load", Schema.load),
    ):
        call = calls[name]
        before = [None] if name == "extractor.extract" else []
        named = {keyword.arg or "": None for keyword in call.keywords}
        inspect.signature(function).bind(*before, *call.args, **named)
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "result"
    }
    assert used
    assert used <= {field.name for field in fields(Result)}


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_schema_file_that_is_shown_can_be_read(path: Path) -> None:
    for block in blocks(path.read_text(encoding="utf-8")):
        if block.language == "yaml":
            source = re.sub(r"^demonstrations:.*$", "", block.text, flags=re.MULTILINE)
            assert Schema.parse(source).tasks


# docs/data.md


def data_blocks(title: str, language: str) -> list[str]:
    body = sections(text_of("docs/data.md"))[title]
    found = [block.text for block in blocks(body) if block.language == language]
    assert found, title
    return found


def test_the_documents_that_are_shown_are_taken() -> None:
    for shown_lines in data_blocks("Documents", "json"):
        read = list(read_jsonl(io.BytesIO(shown_lines.encode()), "news.jsonl", 1000))
        assert read
        assert all(isinstance(row, NewDocument) for row in read), read


def test_the_annotated_rows_that_are_shown_are_taken(tmp_path: Path) -> None:
    for shown_lines in data_blocks("Annotated rows", "json"):
        file = tmp_path / "gold.jsonl"
        file.write_text(shown_lines, encoding="utf-8")
        rows = list(read_rows(file))
        assert len(rows) == len(shown_lines.splitlines())
        assert all(row.gold for row in rows)


REFUSED: list[tuple[bytes, str]] = [
    (b"\n", "is empty"),
    (b'{"text": "\xff"}', "is not UTF-8 (byte 11)"),
    (b"{text}", "is not JSON ("),
    (b'{"text": NaN}', "is not JSON ("),
    (b"[1]", "is not a JSON object"),
    (b'{"id": 1}', "lacks 'text'"),
    (b'{"text": 1}', "'text' is not a string"),
    (b'{"text": " "}', "'text' is empty"),
    (b'{"text": "a", "id": [1]}', "'id' is neither a string nor a number"),
    (b'{"text": "' + b"a" * 101 + b'"}', "has 101 characters, more than 100"),
    (b'{"text": "' + b"a" * 70_000 + b'"}', "is longer than 100 characters"),
]


@pytest.mark.parametrize(("line", "reason"), REFUSED, ids=[reason for _, reason in REFUSED])
def test_every_reason_is_listed(line: bytes, reason: str) -> None:
    (read,) = read_jsonl(io.BytesIO(line), "news.jsonl", 100)
    assert isinstance(read, NewInputError)
    assert read.reason.startswith(reason)
    assert general(reason) in listed_reasons()


def test_no_reason_is_listed_that_nothing_gives() -> None:
    # the last two are of a whole file and of a whole job, not of a line
    given = {general(reason) for _, reason in REFUSED} | {"cannot be read", "repeats the id"}
    assert set(listed_reasons()) == given


def test_a_file_that_cannot_be_read_is_reported_and_not_raised(tmp_path: Path) -> None:
    (read,) = read_files([tmp_path / "gone.jsonl"], 100)
    assert isinstance(read, NewInputError)
    assert general(read.reason) == "cannot be read"


def test_the_kinds_of_files_are_those_of_the_code(tmp_path: Path) -> None:
    kinds = re.findall(r"`(\.\w+)`", sections(text_of("docs/data.md"))["Documents"])
    for kind in kinds:
        (tmp_path / f"a{kind}").touch()
    (tmp_path / "a.csv").touch()
    assert len(find_sources([tmp_path])) == len(set(kinds)) == 4


def listed_reasons() -> list[str]:
    rows = table_rows(sections(text_of("docs/data.md"))["What is refused"])
    return [row[0].strip("`") for row in rows]


def general(reason: str) -> str:
    """A reason without what differs from line to line."""
    told = re.split(r" \(|: |(?<=id) '", reason)[0]
    return re.sub(r"(?<![-\d])\d+", "N", told)


def test_the_keys_of_a_schema_file_are_those_of_the_code() -> None:
    rows = table_rows(sections(text_of("docs/data.md"))["Schema files"])
    assert [row[0].strip("`") for row in rows] == list(KEYS)


def test_a_document_of_a_python_call_is_held_to_the_same_rules() -> None:
    row: dict[str, Any] = {"id": "1", "text": ""}
    assert isinstance(document_of(row, None, 1, 100), NewInputError)


# docs/architecture.md and docs/sql.md


def first_cells(name: str, title: str) -> list[str]:
    return [row[0].strip("`") for row in table_rows(sections(text_of(name))[title])]


def test_the_tables_and_views_are_those_of_the_code() -> None:
    assert sorted(first_cells("docs/architecture.md", "Tables")) == sorted(metadata.tables)
    assert sorted(first_cells("docs/architecture.md", "Views")) == sorted(VIEWS)


def test_the_states_are_those_of_the_code() -> None:
    for title, states in (("Jobs", JOB_STATES), ("Work items", ITEM_STATES)):
        assert first_cells("docs/architecture.md", title) == list(states)


def test_every_column_of_every_table_is_listed() -> None:
    every = sections(text_of("docs/sql.md"))
    for name, table in metadata.tables.items():
        listed = re.findall(r"`(\w+)`", every[f"`{name}`"].split("\n\n")[1])
        assert listed == [column.name for column in table.columns], name


def test_every_column_of_every_view_is_listed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ruie.db"
    engine = open_engine(url)
    migrate.upgrade(engine)
    engine.dispose()
    every = sections(text_of("docs/sql.md"))
    for name in VIEWS:
        listed = re.findall(r"`(\w+)`", every[f"`{name}`"].split("\n\n")[1])
        assert listed == list(run_readonly(url, f"SELECT * FROM {name}").columns), name
    titles = {title.strip("`") for title in every if title.startswith("`")}
    assert titles == {*metadata.tables, *VIEWS}
