"""`ruie worker`, `ruie coordinator` and `ruie up`: the long-running commands."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import click

from ruie.errors import SettingsError

if TYPE_CHECKING:
    from ruie.settings import Settings


@click.command()
@click.option("--concurrency", type=int, default=0, help="Processes; default: RUIE_CONCURRENCY.")
def worker(concurrency: int) -> None:
    """Process batches until stopped.

    After SIGTERM, calls in flight may end within RUIE_STOP_GRACE_S; everything else is released.
    """
    from ruie.bundle import Bundle
    from ruie.bundle.encoder import available_threads
    from ruie.confidence.model import opened
    from ruie.settings import settings
    from ruie.worker import shutdown, watchdog
    from ruie.worker.app import create_app
    from ruie.worker.client import Client
    from ruie.worker.logs import start_logging
    from ruie.worker.preflight import check_redis
    from ruie.worker.tracing import opening as tracing

    config = settings()
    _require_redis(config.redis_url)
    start_logging(config.log_format)
    # Whatever is wrong is reported here, once, and not by each child process.
    check_redis(config.redis_url)
    Client(config).close()
    Bundle.open(config.bundle)
    opened(config.calibration)
    _require_llm(config)
    tracing.check(config)
    processes = concurrency or config.concurrency or 2 * available_threads()
    app = create_app(config)
    shutdown.prepare()
    watchdog.prepare(app)
    # Without messages between workers, which nothing here reads: when Redis ends the connection on
    # which they come, kombu connects anew and waits on it, and takes no batch ever again.
    quiet = ["--without-heartbeat", "--without-gossip", "--without-mingle"]
    app.worker_main(["worker", "--loglevel=INFO", f"--concurrency={processes}", *quiet])
    if shutdown.ended_by_child():
        Client(config).close()  # raises what ended it


@click.command()
def coordinator() -> None:
    """Dispatch work until stopped. Safe to run twice: one leads, the other takes over.

    RUIE_METRICS_PORT makes it serve metrics to Prometheus.
    """
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    from ruie.db.engine import open_engine
    from ruie.llm.connect import batch_form
    from ruie.settings import settings
    from ruie.worker.app import create_app
    from ruie.worker.client import Client
    from ruie.worker.coordinator import LEADER_LEASE_S, Coordinator
    from ruie.worker.logs import start_logging
    from ruie.worker.metrics.serving import metrics_of
    from ruie.worker.preflight import check_redis
    from ruie.worker.tracing import opening as tracing

    config = settings()
    _require_redis(config.redis_url)
    batch_form(config)
    start_logging(config.log_format)
    check_redis(config.redis_url)
    tracing.check(config)  # runs of schedules are traced
    # A leader that freezes in a transaction must not hold its locks longer than its lease.
    client = Client(config, open_engine(config.database_url, idle_s=LEADER_LEASE_S))
    # Its rounds repeat what failed: here once, since a connection may have ended while it was idle.
    redis = Redis.from_url(
        config.redis_url,
        socket_timeout=10,
        socket_connect_timeout=5,
        retry=Retry(NoBackoff(), 1),
    )
    running = Coordinator(client.engine, create_app(config), redis, config)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: running.stop.set())
    with metrics_of(running, client.engine, config):
        running.run()


@click.command()
@click.option("--no-web", is_flag=True, help="Without the pages of `ruie web`.")
def up(no_web: bool) -> None:
    """Run Redis, a local LLM, the coordinator and a worker on this machine, until Ctrl-C.

    A server that is configured (RUIE_REDIS_URL, RUIE_LLM_BASE_URL) is used as it is; the others
    are started and end with this process, and so are the pages of `ruie web`, whose address is
    printed. One runs in a folder (RUIE_HOME) at a time.
    """
    import threading

    from ruie.settings import settings
    from ruie.worker.embedded.only_one import only_one
    from ruie.worker.embedded.stack import Stack
    from ruie.worker.embedded.web_port import PORT
    from ruie.worker.tracing import opening as tracing

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    config = settings()
    tracing.check(config)
    with (
        only_one(config.home, "ruie up"),
        Stack(
            config,
            report=lambda line: click.echo(line, err=True),
            web_port=None if no_web else PORT,
        ) as stack,
    ):
        if stack.settings.llm_batches != "file":
            _warn_of_endpoint(stack.settings)
        warn_of_undemonstrated(stack.settings)
        click.echo("Ready. `ruie enqueue` in another terminal adds work; Ctrl-C ends it.")
        while not stop.wait(0.5):
            stack.check()
        grace_s = f"{stack.settings.stop_grace_s:g}"
        click.echo(f"Ending; calls in flight have {grace_s} s to finish.", err=True)


def warn_of_undemonstrated(config: Settings) -> None:
    """Of the jobs that wait, those whose types the model is shown no example of."""
    from ruie.worker.client import Client
    from ruie.worker.undemonstrated import undemonstrated_of, warning

    client = Client(config)
    for job in client.jobs():
        if job.state == "running" and (
            missing := undemonstrated_of(client.config, client.engine, job)
        ):
            click.echo(warning(missing, job.id), err=True)
    client.engine.dispose()


def _require_redis(url: str) -> None:
    if not url:
        raise SettingsError(
            "RUIE_REDIS_URL is not set.", "Set it, or use `ruie up`, which starts a server."
        )


def _require_llm(config: Settings) -> None:
    from ruie.llm.connect import batch_form

    batch_form(config)
    if config.llm_batches == "file":
        if not config.llm_model:
            raise SettingsError(
                "RUIE_LLM_MODEL is not set.",
                "With RUIE_LLM_BATCHES=file nothing can be asked which model there is: name it.",
            )
    elif not config.llm_base_url:
        raise SettingsError(
            "RUIE_LLM_BASE_URL is not set.", "Set it, or use `ruie up`, which starts a model."
        )


def _warn_of_endpoint(config: Settings) -> None:
    """Say at once what would otherwise be found out by the first call."""
    import asyncio

    from ruie.errors import RuieError
    from ruie.llm import connect

    async def resolve() -> None:
        client = connect(config, timeout_s=10.0)
        try:
            await client.resolve_model(config.llm_model)
        finally:
            await client.close()

    try:
        asyncio.run(resolve())
    except RuieError as error:
        click.echo(f"Warning: {error}", err=True)
        click.echo("Jobs wait until the LLM answers; `ruie doctor` checks it.", err=True)
