"""The `ruie` command as the tests of documents and of deploy/ look at it: parsed, never run."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from ruie.worker.cli import COMMANDS, PLUGINS, cli

ROOT = Path(__file__).parents[2]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def plugins() -> dict[str, str]:
    """The commands that pyproject.toml declares beside the built-in ones, whether or not the
    distribution is installed here."""
    return dict(PYPROJECT["project"]["entry-points"][PLUGINS])


def top_level(name: str) -> click.Command | None:
    """A command of `ruie` by its name, or None."""
    if name in plugins():
        module, _, attribute = plugins()[name].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command
    return cli.get_command(click.Context(cli), name)


def leaves() -> dict[str, click.Command]:
    """Every command that does something, by its full name: `db upgrade`, `status`."""
    found: dict[str, click.Command] = {}
    for name in sorted({*COMMANDS, *plugins()}):
        command = top_level(name)
        assert command is not None, name
        if isinstance(command, click.Group):
            found |= {f"{name} {sub}": made for sub, made in sorted(command.commands.items())}
        else:
            found[name] = command
    return found


def options(command: click.Command) -> Iterator[click.Option]:
    """The command's own options, without --help."""
    return (param for param in command.params if isinstance(param, click.Option))


def resolve(words: Sequence[str]) -> tuple[click.Command, list[str]]:
    """The command that the words begin with, and what follows it. Raises `click.UsageError`."""
    name, *rest = words
    command = top_level(name)
    if isinstance(command, click.Group):
        sub = rest.pop(0) if rest else ""
        command, name = command.commands.get(sub), f"{name} {sub}"
    if command is None:
        raise click.UsageError(f"there is no command `ruie {name}`")
    return command, rest


def parse(words: Sequence[str]) -> click.Context:
    """Parse a whole command line (without `ruie`) as the program would, and do nothing.

    Raises `click.UsageError` for a command, option or argument that it does not have.
    """
    command, rest = resolve(words)
    return command.make_context(" ".join(words[:2]), list(rest))
