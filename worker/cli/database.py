"""`ruie db`."""

from __future__ import annotations

from pathlib import Path

import click


@click.group("db")
def database() -> None:
    """Bring the database up to date, or check it."""


@database.command()
def upgrade() -> None:
    """Create the tables, or change them to this version's. Safe to run at any time.

    The login of RUIE_QUERY_DATABASE_URL, where it is set, is made too.
    """
    from ruie.db import migrate
    from ruie.db.engine import open_engine, shown_url
    from ruie.db.reader import prepare_reader
    from ruie.settings import settings

    config = settings()
    engine = open_engine(config.database_url)
    migrate.upgrade(engine)
    click.echo(f"The database is up to date: {shown_url(engine)}", err=True)
    if problem := prepare_reader(engine, config.query_database_url):
        click.echo(f"Warning: {problem}", err=True)


@database.command()
def check() -> None:
    """Exit code 0 if the database is of this version, 4 if it is not."""
    from ruie.db import migrate
    from ruie.db.engine import open_engine, shown_url
    from ruie.settings import settings

    engine = open_engine(settings().database_url)
    migrate.check(engine)
    click.echo(f"The database is of this version: {shown_url(engine)}", err=True)


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
