"""`ruie db`."""

from __future__ import annotations

from pathlib import Path

import click

LOOK_S = 1.0


@click.group("db")
def database() -> None:
    """Bring the database up to date, or check it."""


_standstill = click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="How long coordinators and workers may take to end; default: 90.",
)


def _patience(wait_s: float | None) -> float:
    from ruie.db.migrate import STANDSTILL_S

    return STANDSTILL_S if wait_s is None else wait_s


def _say(line: str) -> None:
    click.echo(line, err=True)


@database.command()
@_standstill
def upgrade(wait_s: float | None) -> None:
    """Create the tables, or change them to this version's. Safe to run at any time.

    Coordinators and workers must have ended, where something is changed; those that are at work are
    named and waited for. The login of RUIE_QUERY_DATABASE_URL, where it is set, is made too.
    """
    from ruie.db import migrate, version
    from ruie.db.engine import open_engine, shown_url
    from ruie.db.reader import prepare_reader
    from ruie.settings import settings

    config = settings()
    engine = open_engine(config.database_url)
    before = migrate.upgrade(engine, wait_s=_patience(wait_s), report=_say)
    click.echo(f"The database is up to date: {shown_url(engine)}", err=True)
    if before not in (None, version.newest()):
        click.echo(
            f"It was {before} and is {version.newest()}. Back: `ruie db downgrade {before}`.",
            err=True,
        )
    if problem := prepare_reader(engine, config.query_database_url):
        click.echo(f"Warning: {problem}", err=True)


@database.command()
@click.argument("revision")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_standstill
def downgrade(revision: str, yes: bool, wait_s: float | None) -> None:
    """Take the database back to the REVISION of an older version, before that is installed again.

    What the older version has no place for is listed, and removed. All else stays, also what was
    answered since the upgrade. Coordinators and workers must have ended.
    """
    from ruie.db import migrate
    from ruie.db.engine import open_engine, shown_url
    from ruie.db.losses import losses
    from ruie.settings import settings

    engine = open_engine(settings().database_url)
    lost = losses(engine, revision)
    _say(f"Revision {revision} has no place for:")
    for line in lost or ["nothing that there is"]:
        _say(f"  {line}")
    if not yes:
        click.confirm(f"Take {shown_url(engine)} back to it?", abort=True, err=True)
    migrate.downgrade(engine, revision, wait_s=_patience(wait_s), report=_say)
    click.echo(
        f"The database has revision {revision}. Install the older ruie, and run its"
        " `ruie db upgrade`, which makes its views.",
        err=True,
    )


@database.command()
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    default=0,
    help="How long to wait until it is; default: not at all.",
)
def check(wait_s: float) -> None:
    """Exit code 0 if the database is of this version, 4 if it is not."""
    import time

    from ruie.db import migrate, version
    from ruie.db.engine import open_engine, shown_url
    from ruie.errors import DatabaseError
    from ruie.settings import settings

    engine = open_engine(settings().database_url)
    deadline = time.monotonic() + wait_s
    said = ""
    while True:
        try:
            migrate.check(engine)
            break
        except DatabaseError as error:
            if time.monotonic() >= deadline:
                raise
            if error.message != said:
                said = error.message
                _say(f"Waiting: {error}")
            time.sleep(LOOK_S)
    click.echo(
        f"The database is of this version, {version.newest()}: {shown_url(engine)}", err=True
    )


@database.command()
@click.option("--name", default="ruie_reader", help="Name of the login; default: ruie_reader.")
@click.option(
    "--password-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with its password; default: a random one.",
)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="File for its URL, with the password; for RUIE_QUERY_DATABASE_URL_FILE.",
)
def reader(name: str, password_file: Path | None, output: Path) -> None:
    """Make a login of PostgreSQL that may read ruie's tables and nothing else.

    `ruie query` and `ruie search` use it if RUIE_QUERY_DATABASE_URL_FILE is the file with its URL.
    If the login is there already, it gets the password.
    """
    import secrets

    from ruie.db import migrate
    from ruie.db.engine import open_engine
    from ruie.db.reader import make_reader
    from ruie.files import replacing
    from ruie.named_files import content
    from ruie.private import private_file
    from ruie.secret_settings import LONGEST
    from ruie.settings import settings

    password = secrets.token_urlsafe(24)
    if password_file is not None:
        try:
            password = content(password_file, LONGEST).decode("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = f"{password_file} cannot be read: {error}"
            raise click.BadParameter(reason, param_hint="--password-file") from None
        if not password:
            raise click.BadParameter(f"{password_file} is empty", param_hint="--password-file")
    engine = open_engine(settings().database_url)
    migrate.check(engine)
    url = make_reader(engine, name, password)
    with replacing(output) as partial:
        private_file(partial)
        partial.write_text(f"{url.render_as_string(hide_password=False)}\n", encoding="utf-8")
    click.echo(f"{name} may read ruie's tables. RUIE_QUERY_DATABASE_URL_FILE={output}", err=True)
