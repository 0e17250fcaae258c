"""The documents say what the code does: settings, commands, every example, every link."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from pydantic import SecretStr
from support.commands import ROOT, leaves, options, parse, resolve
from support.documents import (
    DOCUMENTS,
    Row,
    blocks,
    name_of,
    sections,
    shown,
    table_rows,
    text_of,
)

from ruie.db import migrate
from ruie.db.engine import open_engine
from ruie.db.query import run_readonly
from ruie.errors import ExitCode
from ruie.packaged import packaged_bundle, packaged_calibration
from ruie.settings import Settings

# docs/settings.md


SECRETS = ("llm_api_key", "web_token")


def setting_rows() -> list[Row]:
    """A row for each setting: its variable, its default as the environment would have it, and its
    description."""
    rows: list[Row] = []
    for name, field in Settings.model_fields.items():
        value = field.default.get_secret_value() if name in SECRETS else field.default
        written = json.dumps(value) if isinstance(value, list) else str(value)
        if value in (None, packaged_bundle(), packaged_calibration()):  # wherever ruie is installed
            written = ""
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


def test_secrets_are_the_api_key_and_the_token_of_the_pages() -> None:
    """`setting_rows` and docs/settings.md treat it by name."""
    secrets = [n for n, f in Settings.model_fields.items() if f.annotation is SecretStr]
    assert secrets == list(SECRETS)


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_a_document_names_only_settings_that_exist(path: Path) -> None:
    known = {f"RUIE_{name.upper()}" for name in Settings.model_fields}
    named = set(re.findall(r"(?<!_)RUIE_[A-Z0-9_]*[A-Z0-9]", path.read_text(encoding="utf-8")))
    assert named <= known, sorted(named - known)


# docs/command.md


def option_rows(command: click.Command) -> list[Row]:
    """A row for each option: how it is written, and its help."""
    context = click.Context(command)
    rows: list[Row] = []
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
