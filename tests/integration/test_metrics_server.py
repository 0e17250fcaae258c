"""The small HTTP server of metrics."""

from __future__ import annotations

import socket
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Engine
from support.reporting import coordinator
from support.scraped import Scrape, scrape

from ruie.db.engine import open_engine


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    opened = open_engine(database_url)
    yield opened
    opened.dispose()


def get(port: int, path: str, method: str = "GET") -> tuple[int, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_the_server_has_two_pages_and_is_read_only(engine: Engine, url: str) -> None:
    with coordinator(engine, url) as running:
        assert get(running.port, "/health") == (200, "ok\n")
        running.coordinator._round_at -= 61.0
        assert get(running.port, "/health")[0] == 503
        assert get(running.port, "/")[0] == 404
        assert get(running.port, "/metrics", "POST")[0] == 405


def test_a_client_that_says_nothing_holds_nobody_up(engine: Engine, url: str) -> None:
    with coordinator(engine, url) as running:
        silent = [socket.create_connection(("127.0.0.1", running.port)) for _ in range(20)]
        answers: list[Scrape | None] = []
        readers = [
            threading.Thread(target=lambda: answers.append(scrape(running.port))) for _ in range(8)
        ]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        assert len(answers) == 8
        assert all(answer and answer.value("ruie_database_up") == 1 for answer in answers)
        for connection in silent:
            connection.close()


def test_a_port_in_use_is_an_error_that_names_it(
    ruie: Callable[..., subprocess.CompletedProcess[str]], redis_url: str, upgraded: object
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = ruie("coordinator", RUIE_REDIS_URL=redis_url, RUIE_METRICS_PORT=port)
    assert done.returncode != 0
    assert f"Port {port} of 127.0.0.1 is in use" in done.stderr
    done = ruie(
        "coordinator", RUIE_REDIS_URL=redis_url, RUIE_METRICS_PORT=port,
        RUIE_METRICS_ADDRESS="192.0.2.1",
    )  # fmt: skip  # its settings
    assert "Set RUIE_METRICS_ADDRESS to an address of this machine" in done.stderr
