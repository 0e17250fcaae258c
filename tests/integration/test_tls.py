"""TLS to Redis, PostgreSQL and the endpoint: it works from end to end, and nothing is said to a
server whose certificate is another's or whose authority nobody trusts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from support.certificates import Authority
from support.databases import Server
from support.endpoint import ScriptedEndpoint, answer
from support.tls import TlsFront
from support.waiting import PATIENCE_S, wait_until

from ruie.db.engine import database_url
from ruie.settings import load
from ruie.worker.app import create_app
from ruie.worker.broker import broker_tls, broker_url

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that nobody here trusts."""
    return Authority(tmp_path_factory.mktemp("stranger"))


def socket_of(redis_url: str) -> Path:
    return Path(urlsplit(redis_url).path)


@contextmanager
def postgresql(server: Server, authority: Authority, host: str) -> Iterator[tuple[str, TlsFront]]:
    """A new database behind TLS: its URL without a host's name and a query, and the front."""
    url = server.current()
    parsed = database_url(url)
    folder = parsed.query["host"]
    socket = Path(str(folder)) / f".s.PGSQL.{parsed.query.get('port', 5432)}"
    with TlsFront(socket, authority.issue(host), postgresql=True) as front:
        yield f"postgresql://{parsed.username}@HOST:{front.port}/{parsed.database}", front
    server.drop(url)


def test_a_whole_fleet_over_tls(
    ruie: Run,
    redis_url: str,
    postgresql_server: Server,
    authority: Authority,
    bundle_path: Path,
    tmp_path: Path,
) -> None:
    """Enqueue, worker and query; Redis wants a certificate of its clients."""
    (tmp_path / "d.jsonl").write_text('{"id": "1", "text": "Ada Lovelace went to Rome ."}\n')
    host, user, ca = authority.issue("localhost"), authority.issue("worker"), authority.file
    with (
        TlsFront(socket_of(redis_url), host, clients=ca) as redis,
        postgresql(postgresql_server, authority, "localhost") as (database, sql),
        ScriptedEndpoint(answer("person: Ada Lovelace")) as llm,
        TlsFront(("127.0.0.1", int(urlsplit(llm.url).port or 0)), host) as endpoint,
    ):
        environment = {
            "RUIE_REDIS_URL": f"rediss://localhost:{redis.port}/0?ssl_ca_certs={ca}"
            f"&ssl_certfile={user.certificate}&ssl_keyfile={user.key}",
            "RUIE_DATABASE_URL": f"{database.replace('HOST', 'localhost')}"
            f"?sslmode=verify-full&sslrootcert={ca}",
            "RUIE_LLM_BASE_URL": f"https://localhost:{endpoint.port}/v1",
            "RUIE_LLM_CA_FILE": str(ca),
            "RUIE_BUNDLE": str(bundle_path),
            "RUIE_CONCURRENCY": "1",
        }
        checked = ruie("doctor", **environment)
        assert checked.returncode == 0, checked.stdout
        up = subprocess.Popen(
            [sys.executable, "-m", "ruie.worker.cli", "up"], cwd=tmp_path,
            env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip  # its arguments
        try:
            job = ruie("enqueue", "d.jsonl", "--schema", "news.yaml", **environment).stdout.strip()
            state = "SELECT state FROM jobs"
            wait_until(
                lambda: "done" in ruie("query", "--as-owner", state, **environment).stdout, 90
            )
            names = "SELECT text FROM entities"
            found = ruie("query", "--as-owner", names, **environment).stdout
        finally:
            up.send_signal(signal.SIGINT)
            output = up.communicate(timeout=PATIENCE_S)[0]
        assert "Ada Lovelace" in found, (job, output)
        assert min(redis.handshakes, sql.handshakes, endpoint.handshakes) > 1
    assert "CERT_NONE" not in output + (tmp_path / ".ruie/worker.log").read_text()


WRONG = [("localhost", "stranger"), ("other.test", "authority")]
"""The name in the certificate, and who signed it; the client asks for localhost."""


@pytest.mark.parametrize(("name", "signed"), WRONG)
def test_redis_with_a_wrong_certificate_is_refused(
    ruie: Run, redis_url: str, request: pytest.FixtureRequest, authority: Authority, name: str,
    signed: str,
) -> None:  # fmt: skip  # fixtures
    signer: Authority = request.getfixturevalue(signed)
    with TlsFront(socket_of(redis_url), signer.issue(name)) as front:
        url = f"rediss://localhost:{front.port}/0?ssl_ca_certs={authority.file}"
        done = ruie("worker", RUIE_REDIS_URL=url)
        assert done.returncode == 3, done.stderr
        assert "certificate verify failed" in done.stderr
        assert "ssl_ca_certs=FILE" in done.stderr
        assert "Traceback" not in done.stderr
        with (
            create_app(load(redis_url=url)).connection_for_write() as celery,
            pytest.raises(Exception, match="certificate verify failed"),
        ):
            celery.default_channel.client.ping()
        assert front.handshakes == 0


def test_redis_that_wants_a_certificate_gets_one(
    ruie: Run, redis_url: str, authority: Authority
) -> None:
    host = authority.issue("localhost")
    with TlsFront(socket_of(redis_url), host, clients=authority.file) as front:
        url = f"rediss://localhost:{front.port}/0?ssl_ca_certs={authority.file}"
        refused = ruie("doctor", "--no-call", RUIE_REDIS_URL=url)
        assert "does not answer" in refused.stdout
        missing = ruie("doctor", "--no-call", RUIE_REDIS_URL=f"{url}&ssl_certfile=no.pem")
        assert "does not answer" in missing.stdout
        assert "Traceback" not in refused.stderr + missing.stderr


@pytest.mark.parametrize(("name", "signed"), WRONG)
def test_postgresql_with_a_wrong_certificate_is_refused(
    ruie: Run, postgresql_server: Server, request: pytest.FixtureRequest, authority: Authority,
    name: str, signed: str,
) -> None:  # fmt: skip  # fixtures
    signer: Authority = request.getfixturevalue(signed)
    with postgresql(postgresql_server, signer, name) as (url, front):
        verified = f"?sslmode=verify-full&sslrootcert={authority.file}"
        done = ruie("status", RUIE_DATABASE_URL=url.replace("HOST", "localhost") + verified)
        assert done.returncode == 3, done.stderr
        assert "certificate" in done.stderr
        assert "sslrootcert" in done.stderr
        assert "Traceback" not in done.stderr
        assert front.handshakes <= 1  # the client leaves when it has seen the certificate


def test_postgresql_without_its_authority_s_file_is_refused(
    ruie: Run, postgresql_server: Server, authority: Authority
) -> None:
    with postgresql(postgresql_server, authority, "localhost") as (url, _):
        query = "?sslmode=verify-full&sslrootcert=no.pem"
        done = ruie("status", RUIE_DATABASE_URL=url.replace("HOST", "localhost") + query)
    assert done.returncode == 3
    assert 'root certificate file "no.pem" does not exist' in done.stderr


@pytest.mark.parametrize(("name", "signed"), WRONG)
def test_an_endpoint_with_a_wrong_certificate_is_refused(
    ruie: Run, request: pytest.FixtureRequest, authority: Authority, name: str, signed: str
) -> None:
    signer: Authority = request.getfixturevalue(signed)
    with ScriptedEndpoint(answer("None")) as llm:
        upstream = ("127.0.0.1", int(urlsplit(llm.url).port or 0))
        with TlsFront(upstream, signer.issue(name)) as front:
            url = f"https://localhost:{front.port}/v1"
            done = ruie("doctor", RUIE_LLM_BASE_URL=url, RUIE_LLM_CA_FILE=str(authority.file))
        assert llm.count == 0
    assert done.returncode == 1
    assert "certificate" in done.stdout


URLS = {
    "redis://h": "redis://h:6379/0",
    "redis://:p%40w@h:1/2": "redis://:p%40w@h:1/2",
    "redis://h/3?password=a/b&username=ada": "redis://ada:a%2Fb@h:6379/3",
    "redis://[::1]:7/0?db=4": "redis://[::1]:7/4",
    "rediss://h:1?ssl_ca_certs=/ca.pem": "rediss://h:1/0",
    "unix:///run/redis.sock?db=2": "redis+socket:///run/redis.sock?virtual_host=2",
    "": "",
}


@pytest.mark.parametrize(("url", "broker"), URLS.items())
def test_celery_reaches_the_server_of_the_setting(url: str, broker: str) -> None:
    assert broker_url(url) == broker


def test_celery_checks_certificates_unless_it_is_told_not_to() -> None:
    checked = {"ssl_cert_reqs": "required", "ssl_check_hostname": True}
    assert broker_tls("redis://h") is None
    assert broker_tls("rediss://h") == checked
    files = {"ssl_ca_certs": "/ca.pem", "ssl_certfile": "/c.pem", "ssl_keyfile": "/k.pem"}
    query = "&".join(f"{name}={value}" for name, value in files.items())
    assert broker_tls(f"rediss://h?{query}") == checked | files
    assert broker_tls("rediss://h?ssl_cert_reqs=none") == checked | {"ssl_cert_reqs": "none"}
