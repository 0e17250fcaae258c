"""`ruie learn`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ruie.worker.cli.options import json_option

if TYPE_CHECKING:
    from ruie.worker.client import Client
    from ruie.worker.estimate.types import Estimate
    from ruie.worker.learning import Lesson


@click.command()
@click.argument("job")
@click.option("--yes", is_flag=True, help="Do not ask before it costs something.")
@click.option("--only", is_flag=True, help="Ask no document of JOB again.")
@json_option
def learn(job: str, yes: bool, only: bool, as_json: bool) -> None:
    """Show the model what people corrected: the reviews of JOB's schema become demonstrations.

    All workers use them from their next batches on. The documents of JOB are asked again in a new
    job, whose id is printed; what is asked as before costs nothing. What it costs is said first.
    """
    from ruie.worker import learning
    from ruie.worker.client import Client
    from ruie.worker.terminal import counted, print_json

    client = Client()
    lesson = learning.prepare(client.engine, client.job(job))
    if not as_json:
        _say(lesson)
    again = not only and lesson.job.corpus is None
    if again and not yes:
        _say_cost(_estimate(client, lesson))
        click.confirm("Ask them again?", abort=True, err=True)
    version = learning.store(client.engine, lesson)
    said: dict[str, Any] = {
        "version": version,
        "reviews": lesson.reviews,
        "demonstrations": len(lesson.rows),
    }
    if again:
        done = learning.ask_again(client.engine, lesson.job, version, client.config)
        said |= {"job_id": done.job_id, "documents": done.documents}
    if as_json:
        print_json(said)
        return
    click.echo(f"version {version} is in force", err=True)
    if again:
        click.echo(f"{counted(said['documents'], 'document')}: what changed is asked", err=True)
        click.echo(said["job_id"])
    elif lesson.job.corpus is not None:
        click.echo(
            "`ruie enqueue` of its sources with "
            f"--corpus {lesson.job.corpus} --refresh asks its documents again",
            err=True,
        )


def _say(lesson: Lesson) -> None:
    from ruie.worker.terminal import counted

    made = f"{counted(lesson.reviews, 'review')}: {counted(len(lesson.rows), 'demonstration')}"
    if not lesson.new:
        made += f", as in version {lesson.version}, which is in force"
    click.echo(made, err=True)


def _estimate(client: Client, lesson: Lesson) -> Estimate:
    """What asking JOB's documents again costs."""
    from ruie.worker import learning
    from ruie.worker.terminal import document_counter

    with document_counter("estimating") as progress:
        return learning.cost(client.config, client.engine, lesson, progress)


def _say_cost(result: Estimate) -> None:
    cost = "at no known price" if result.cost_usd is None else f"about {result.cost_usd:,.4f} USD"
    click.echo(
        f"of {result.calls + result.paid_before:,} calls about {result.calls:,} are asked anew,"
        f" {result.paid_before:,} were answered before; {cost}",
        err=True,
    )
