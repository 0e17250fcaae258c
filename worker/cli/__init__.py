"""The `ruie` command. Each subcommand is imported when it is called: `--help` must be quick."""

from __future__ import annotations

import importlib
import sys
from importlib.metadata import entry_points
from typing import Any

import click

from ruie import __version__
from ruie.errors import ExitCode, RuieError

PLUGINS = "ruie.commands"
"""Entry points: commands of halves that this one may not import (`bundle`, of the exporter)."""

COMMANDS = {  # name: module of this package and command in it, short help
    "demo": ("demo:demo", "The main job on this machine: sentences in, tables out."),
    "up": ("serve:up", "Redis, local LLM, coordinator and worker, one process."),
    "enqueue": ("enqueue:enqueue", "Add documents as a job; prints the job's id."),
    "schedule": ("schedule:schedule", "Ingest by the clock: what, when, how it went."),
    "estimate": ("estimate:estimate", "Calls, tokens and cost, before anything is sent."),
    "worker": ("serve:worker", "Work off batches until stopped."),
    "coordinator": ("serve:coordinator", "Hand out work until stopped."),
    "status": ("status:status", "How far the jobs are."),
    "pause": ("jobs:pause", "Stop a job for now."),
    "resume": ("jobs:resume", "Let a paused job go on."),
    "cancel": ("jobs:cancel", "End a job for good; it keeps what it has."),
    "retry": ("retry:retry", "Ask again what is in quarantine."),
    "quarantine": ("quarantine:quarantine", "Look at the items that were given up."),
    "cap": ("jobs:cap", "The most a job may cost."),
    "query": ("query:query", "Ask the records in SQL, read-only."),
    "search": ("search:search", "Find documents by their words, the best first."),
    "canonical": ("canonical:canonical", "What names are called."),
    "export": ("export:export", "What a job found, as JSONL, Parquet, brat or HTML."),
    "review": ("review:review", "People's corrections, stored beside the records."),
    "evaluate": ("evaluate:evaluate", "Precision, recall and F1 on annotated rows."),
    "convert": ("convert:convert", "Annotated data of other formats as JSONL."),
    "db": ("database:database", "Bring the database up to date, or check it."),
    "doctor": ("doctor:doctor", "Check everything, and say how to mend it."),
}


class LazyGroup(click.Group):
    """A group whose commands are named here and imported when they run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*COMMANDS, *(point.name for point in entry_points(group=PLUGINS))])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in COMMANDS:
            module, _, name = COMMANDS[cmd_name][0].partition(":")
            command: Any = getattr(importlib.import_module(f"{__name__}.{module}"), name)
        else:
            points = entry_points(group=PLUGINS, name=cmd_name)
            command = next((point.load() for point in points), None)
        if command is not None and not isinstance(command, click.Command):
            raise TypeError(f"{cmd_name} is not a command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = []
        for name in self.list_commands(ctx):
            if name in COMMANDS:
                rows.append((name, COMMANDS[name][1]))
            elif command := self.get_command(ctx, name):
                rows.append((name, command.get_short_help_str(100)))
        with formatter.section("Commands"):
            formatter.write_dl(rows)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="ruie")
def cli() -> None:
    """Turn large corpora into SQL tables of entities, relations and events.

    Settings come from RUIE_* variables and ruie.toml. Exit codes: 0 done, 1 done but something
    failed, 2 wrong use, 3 a server or an installed part is missing, 4 a bundle or database is
    missing, damaged or of another version.
    """


def main() -> None:
    """Run the command; every foreseen error is one sentence and an exit code."""
    try:
        # where click does not end the process itself it gives the code of `ctx.exit` back
        code = cli(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else int(ExitCode.OK))
    except RuieError as error:
        _complain(error.message, error.hint)
        sys.exit(int(error.exit_code))
    except click.ClickException as error:
        error.show()
        sys.exit(int(ExitCode.USAGE))
    except (click.Abort, KeyboardInterrupt):
        sys.exit(int(ExitCode.INTERRUPTED))
    except BrokenPipeError:
        # the reader of our output went away (`| head`): nothing is wrong
        sys.stderr.close()
        sys.exit(int(ExitCode.OK))


def _complain(message: str, hint: str) -> None:
    click.echo(f"ruie: {message}", err=True)
    if hint:
        click.echo(f"      {hint}", err=True)
