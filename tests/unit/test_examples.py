"""Every `--help` ends with examples, and each is a command line that ruie takes."""

from __future__ import annotations

import shlex

import click
import pytest
from click.testing import CliRunner
from support.commands import leaves, parse

from ruie.worker.cli import FIRST, cli
from ruie.worker.cli.examples import EXAMPLES

LINES = [*(line for several in EXAMPLES.values() for line in several), *FIRST]


def test_every_command_has_examples_and_no_other() -> None:
    assert sorted(EXAMPLES) == sorted(leaves())


@pytest.mark.parametrize("line", LINES)
def test_an_example_is_a_command_line_that_ruie_takes(line: str) -> None:
    words = shlex.split(line.replace("\\\n", " "))
    if ">" in words:
        words = words[: words.index(">")]
    try:
        parse(words)
    except click.UsageError as error:
        pytest.fail(f"ruie {line}: {error.format_message()}")


def test_an_example_is_one_of_its_command() -> None:
    for name, lines in EXAMPLES.items():
        assert all(line == name or line.startswith(f"{name} ") for line in lines), name


@pytest.mark.parametrize("name", ["", *EXAMPLES])
def test_help_ends_with_them_as_they_are(name: str) -> None:
    done = CliRunner().invoke(cli, [*name.split(), "--help"], terminal_width=80)
    assert done.exit_code == 0, done.output
    lines = [line.strip() for line in done.output.splitlines()]
    wanted = EXAMPLES[name] if name else FIRST
    title = "Examples:" if len(wanted) > 1 else "Example:"
    shown = [part.strip() for line in wanted for part in f"ruie {line}".splitlines()]
    assert lines[-len(shown) - 1 :] == [title, *shown]
    assert max(map(len, done.output.splitlines())) <= 80
