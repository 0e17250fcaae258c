"""`ruie demo`."""

from __future__ import annotations

import click

from ruie.errors import ExitCode


@click.command()
@click.pass_context
def demo(ctx: click.Context) -> None:
    """Extract from 60 real sentences on this machine: sentences in, SQL tables out.

    Starts Redis, a local LLM, the coordinator and a worker, and prints the results. Everything is
    kept in .ruie/demo/; exit code 1 if a job has no result.
    """
    from ruie.settings import settings
    from ruie.worker.demo.run import run

    if not run(settings()):
        ctx.exit(int(ExitCode.FAILED))
