"""The `ruie` command. Each subcommand is imported when it runs, so that `--help` is fast."""

from __future__ import annotations

import importlib
import sys
from importlib.metadata import entry_points
from typing import Any

import click
from click.shell_completion import CompletionItem

from ruie import __version__
from ruie.closest import closest_first, listed
from ruie.errors import ExitCode, RuieError
from ruie.shown import guard
from ruie.worker.cli.examples import add_examples, epilog

PROGRAM = "ruie"
PLUGINS = "ruie.commands"
"""Entry points: commands of packages that worker may not import (`bundle`, of the exporter)."""

COMMANDS = {  # name: module of this package and command in it; short help
    "demo": ("demo:demo", "Extract from real sentences on this machine, into tables."),
    "up": ("serve:up", "Run Redis, local LLM, coordinator and worker in one."),
    "enqueue": ("enqueue:enqueue", "Add documents as a job; prints the job's id."),
    "schedule": ("schedule:schedule", "Enqueue sources by the clock: what, when, how it went."),
    "estimate": ("estimate:estimate", "Estimate calls, tokens and cost; sends nothing."),
    "worker": ("serve:worker", "Process batches until stopped."),
    "coordinator": ("serve:coordinator", "Dispatch work to the workers until stopped."),
    "status": ("status:status", "Show how far the jobs are."),
    "wait": ("wait:wait", "Wait until jobs have ended; the exit code says how."),
    "job": ("job:job", "Show or change the settings of a job."),
    "batch": ("batch:batch", "Batches at the provider: list, cancel, carry as files."),
    "pause": ("jobs:pause", "Stop a job for now."),
    "resume": ("jobs:resume", "Continue a paused or failed job."),
    "cancel": ("jobs:cancel", "End a job for good; its records stay."),
    "retry": ("retry:retry", "Retry the items in quarantine."),
    "quarantine": ("quarantine:quarantine", "Show the items that were given up."),
    "cap": ("jobs:cap", "Show or set the most that a job may cost."),
    "query": ("query:query", "Run a read-only SQL query."),
    "tables": ("tables:tables", "List the tables and views, or the columns of one."),
    "search": ("search:search", "Find documents by their words, the best first."),
    "canonical": ("canonical:canonical", "Map the spellings of names to one name."),
    "export": ("export:export", "Write a job's records as JSONL, Parquet, brat or HTML."),
    "review": ("review:review", "Import, list, score and export people's corrections."),
    "learn": ("learn:learn", "Show the model what people corrected, and ask again."),
    "evaluate": ("evaluate:evaluate", "Precision, recall and F1 on annotated rows."),
    "convert": ("convert:convert", "Convert annotated data of other formats to JSONL."),
    "forget": ("forget:forget", "Remove a document and everything made of it."),
    "prune": ("prune:prune", "Remove what is old and not needed any more."),
    "db": ("database:database", "Bring the database up to date, or check it."),
    "web": ("web:web", "Show jobs, documents, the fleet and SQL in a browser."),
    "doctor": ("doctor:doctor", "Check everything, and say how to fix it."),
}


class LazyGroup(click.Group):
    """A group whose commands are listed here and imported when they run."""

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
        return command and add_examples(cmd_name, command)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """As click's own, and imports none of the commands for their help."""
        own = [
            CompletionItem(name, help=COMMANDS[name][1] if name in COMMANDS else None)
            for name in self.list_commands(ctx)
            if name.startswith(incomplete)
        ]
        return own or super().shell_complete(ctx, incomplete)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            near = listed(closest_first(name, self.list_commands(ctx))[:3])
            ctx.fail(f"No such command {name!r}. The closest are {near}.")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = []
        for name in self.list_commands(ctx):
            if name in COMMANDS:
                rows.append((name, COMMANDS[name][1]))
            elif command := self.get_command(ctx, name):
                rows.append((name, command.get_short_help_str(100)))
        with formatter.section("Commands"):
            formatter.write_dl(rows)


FIRST = ("demo", "up", "enqueue news.jsonl --schema oil.yaml", "status --watch", "tables")
"""What `ruie --help` ends with."""


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=epilog(FIRST),
)
@click.version_option(__version__, prog_name="ruie")
def cli() -> None:
    """Turn large corpora into SQL tables of entities, relations and events.

    Settings come from RUIE_* variables and ruie.toml. Exit codes: 0 done, 1 done but something
    failed, 2 wrong use, 3 a server cannot be reached, a part is not installed or time is up, 4 a
    bundle or database is missing, damaged or of another version.
    """


def main() -> None:
    """Run the command; every expected error is a message and an exit code."""
    guard()
    try:
        # without standalone mode click returns the code of `ctx.exit`
        # by this name a shell completes, whatever the program's file is called
        code = cli(standalone_mode=False, prog_name=PROGRAM)
        sys.exit(code if isinstance(code, int) else int(ExitCode.OK))
    except RuieError as error:
        _print_error(error.message, error.hint)
        sys.exit(int(error.exit_code))
    except click.ClickException as error:
        error.show()
        sys.exit(int(ExitCode.USAGE))
    except (click.Abort, KeyboardInterrupt):
        sys.exit(int(ExitCode.INTERRUPTED))
    except BrokenPipeError:
        # the reader of our output has closed it (`| head`): not an error
        sys.stderr.close()
        sys.exit(int(ExitCode.OK))
    except Exception as error:
        told = _database_error(error)
        if told is None:
            raise
        _print_error(told.message, told.hint)
        sys.exit(int(told.exit_code))


def _database_error(error: Exception) -> RuieError | None:
    """An error of the database that nothing else dealt with, as a sentence."""
    if "sqlalchemy" not in sys.modules:  # then it has no such error, and loading it takes time
        return None
    from ruie.db.outage import database_error

    return database_error(error)


def _print_error(message: str, hint: str) -> None:
    click.echo(f"ruie: {message}", err=True)
    if hint:
        click.echo(f"      {hint}", err=True)
