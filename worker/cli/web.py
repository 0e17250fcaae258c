"""`ruie web`."""

from __future__ import annotations

import sys

import click

from ruie.errors import UnavailableError
from ruie.worker.embedded.web_port import NEXT_PORTS, PORT, told, web_is_installed


@click.command()
@click.option("--host", default="127.0.0.1", help="Address to listen on; default: 127.0.0.1.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=PORT,
    help=f"Port to listen on; 0: any that is free; default: {PORT}.",
)
@click.option("--next-port", is_flag=True, help="Where it is in use, the next one that is free.")
@click.option("--token", help="What a login asks for; default: RUIE_WEB_TOKEN.")
@click.option("--prefix", default="", help="Path under which a proxy offers the pages: /ruie.")
def web(host: str, port: int, next_port: bool, token: str | None, prefix: str) -> None:
    """Show jobs, documents, the fleet and SQL in a browser, until stopped.

    Other machines reach it only with --host, which needs a token.
    """
    from ruie.settings import settings
    from ruie.worker.logs import start_logging

    if not web_is_installed():
        raise UnavailableError(
            "The pages are not installed.", "pip install 'ruie[web]' has all that they need."
        )
    from ruie.worker.web.server import WebServer

    config = settings()
    start_logging(config.log_format)
    secret = config.web_token.get_secret_value() if token is None else token
    others = NEXT_PORTS if next_port else 0
    server = WebServer(config, host, port, secret, prefix, others=others)
    click.echo(told(server.url))
    sys.stdout.flush()
    server.run()
