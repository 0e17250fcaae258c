"""Secrets are planted in every setting that may hold one, everything that can fail does, and
nothing that was written has one in it: output, logs, the database's file, exported files."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from support.databases import Server
from support.secured import EchoingEndpoint, redis_with_password
from support.waiting import PATIENCE_S, wait_until

Run = Callable[..., subprocess.CompletedProcess[str]]

KEY, HEADER, USER, QUERY = "key-plant/01", "header-plant-02", "user-plant-03", "query-plant-04"
REDIS, DATABASE, PARAMETER, PROXY = "redis-plant-05", "db-pl@nt-06", "sql-plant-07", "proxy-pl-08"
AUTH, LIBPQ, SOURCE, FILE = "auth-plant-09", "libpq-plant-10", "source-pl-11", "file-plant-12"
PLANTED = (KEY, HEADER, USER, QUERY, REDIS, DATABASE, PARAMETER, PROXY, AUTH, LIBPQ, SOURCE, FILE)


def spellings() -> set[str]:
    """Every planted secret as it may be written."""
    users = (f"ada:{USER}", f"bob:{PROXY}")
    return {
        *PLANTED,
        *(quote(secret, safe="") for secret in PLANTED),
        *(base64.b64encode(secret.encode()).decode() for secret in (*PLANTED, *users)),
    }


def assert_untold(text: str, where: str) -> None:
    for secret in spellings():
        at = text.find(secret)
        assert at < 0, f"{where} has {secret}: {text[max(0, at - 200) : at + 100]}"


@pytest.fixture(scope="module")
def redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with redis_with_password(tmp_path_factory.mktemp("redis"), REDIS) as port:
        yield port


@pytest.fixture
def planted(redis_port: int, bundle_path: Path) -> dict[str, str]:
    """Settings with a secret in each that may hold one; only the endpoint is missing."""
    return {
        "RUIE_LLM_API_KEY": KEY,
        "RUIE_LLM_HEADERS": f'{{"X-Gateway": "Bearer {HEADER}"}}',
        "RUIE_REDIS_URL": f"redis://:{REDIS}@127.0.0.1:{redis_port}/0",
        "RUIE_BUNDLE": str(bundle_path),
        "RUIE_HOME": "home",
        "RUIE_CONCURRENCY": "1",
        "PGPASSWORD": LIBPQ,
        "HTTP_PROXY": "", "HTTPS_PROXY": f"http://bob:{PROXY}@127.0.0.1:9",
    }  # fmt: skip  # pairs


def at(endpoint: EchoingEndpoint) -> str:
    return f"http://ada:{USER}@127.0.0.1:{endpoint.port}/v1?api-key={QUERY}&version=1"


OVER_TLS = f"https://ada:{USER}@llm.test"
AWAY = f"http://ada:{USER}@127.0.0.1:9/v1?api-key={QUERY}"
SQL = f"postgresql://ada:{quote(DATABASE)}@127.0.0.1:1/d?sslpassword={PARAMETER}&password={LIBPQ}"
REMOTE = f"http://ada:{SOURCE}@127.0.0.1:1/d.jsonl?sig={SOURCE}"
DOCTOR, ENQUEUE = ("doctor",), ("enqueue", "d.jsonl", "--schema", "news.yaml")

FAILURES: list[tuple[tuple[str, ...], dict[str, str]]] = [
    (DOCTOR, {"RUIE_LLM_BASE_URL": AWAY}),
    (("doctor", "--json"), {"RUIE_LLM_BASE_URL": AWAY}),
    (DOCTOR, {"RUIE_REDIS_URL": f"redis://:{REDIS}@127.0.0.1:1/0"}),
    (DOCTOR, {"RUIE_REDIS_URL": f"redis://127.0.0.1:1/0?password={REDIS}"}),
    (DOCTOR, {"RUIE_REDIS_URL": f"rediss://ada:{REDIS}@127.0.0.1:1/0?ssl_keyfile=none"}),
    (DOCTOR, {"RUIE_REDIS_URL": f"redos://:{REDIS}@127.0.0.1/0"}),
    (DOCTOR, {"RUIE_REDIS_URL": f"redis://:{REDIS}@127.0.0.1:x/0"}),
    (DOCTOR, {"RUIE_REDIS_URL": f"redis://:{REDIS}/#more@127.0.0.1/0"}),
    (DOCTOR, {"RUIE_REDIS_URL": f"redis://:{REDIS}@127.0.0.1:1/0?socket_timeout=x"}),
    (DOCTOR, {"RUIE_DATABASE_URL": SQL}),
    (("doctor", "--json"), {"RUIE_DATABASE_URL": SQL}),
    (("status",), {"RUIE_DATABASE_URL": SQL}),
    (("db", "check"), {"RUIE_DATABASE_URL": f"{SQL}&sslmode=verify-full&sslrootcert=none"}),
    (("query", "SELECT 1"), {"RUIE_DATABASE_URL": SQL}),
    (("status",), {"RUIE_DATABASE_URL": f"postgresql://ada:{DATABASE}/1@127.0.0.1:1/d"}),
    (("status",), {"RUIE_DATABASE_URL": f"mysql://ada:{DATABASE}@127.0.0.1/d"}),
    (("status",), {"RUIE_DATABASE_URL": f"ada:{DATABASE}@127.0.0.1/d"}),
    (("status",), {"RUIE_DATABASE_URL": f"postgresql://127.0.0.1:1/d?x=1&password={DATABASE}"}),
    (ENQUEUE, {"RUIE_DATABASE_URL": SQL}),
    (ENQUEUE, {"RUIE_LLM_BASE_URL": AWAY, "RUIE_LLM_MODEL": "m", "RUIE_DATABASE_URL": SQL}),
    (("enqueue", REMOTE, "--schema", "news.yaml"), {}),
    (("enqueue", REMOTE, "--schema", "news.yaml"), {"RUIE_ALLOWED_HOSTS": '["127.0.0.1"]'}),
    (("estimate", "d.jsonl", "--schema", "news.yaml"), {"RUIE_LLM_BASE_URL": AWAY}),
    (("evaluate", "gold.jsonl", "--schema", "news.yaml"), {"RUIE_LLM_BASE_URL": AWAY}),
    (DOCTOR, {"RUIE_LLM_BASE_URL": f"ftp://ada:{USER}@llm.test/v1?api-key={QUERY}"}),
    (DOCTOR, {"RUIE_LLM_BASE_URL": f"ada:{USER}@llm.test/v1?api-key={QUERY}"}),
    (DOCTOR, {"RUIE_LLM_BASE_URL": f"https://ada:{USER}/x@llm.test/v1?api-key={QUERY}"}),
    (DOCTOR, {"RUIE_LLM_BASE_URL": f"{OVER_TLS}:x/v1?api-key={QUERY}"}),
    (DOCTOR, {"RUIE_LLM_BASE_URL": f"{OVER_TLS}/v1/chat/completions?api-key={QUERY}"}),
    (DOCTOR, {"RUIE_LLM_BASE_URL": f"{OVER_TLS}/v1?api-key={QUERY}"}),
    (DOCTOR, {"RUIE_LLM_BASE_URL": f"{OVER_TLS}/v1",
              "HTTPS_PROXY": f"socks5://bob:{PROXY}@127.0.0.1:9"}),
    (DOCTOR, {"RUIE_LLM_BASE_URL": "https://llm.test/v1", "HTTPS_PROXY": f"bob:{PROXY}@[:9"}),
    (DOCTOR, {"RUIE_LLM_HEADERS": f'{{"X-Key": "{HEADER}'}),
    (DOCTOR, {"RUIE_LLM_HEADERS": f'{{"X-Key": "{HEADER}\\n1", "Host": "{HEADER}"}}'}),
    (DOCTOR, {"RUIE_LLM_HEADERS": f'{{"X Key": ["{HEADER}"]}}'}),
    (DOCTOR, {"RUIE_LLM_AUTH": AUTH}),
    (DOCTOR, {"RUIE_LLM_API_KEY": f"{KEY}\n1"}),
    (DOCTOR, {"RUIE_LLM_API_KEY_FILE": "secret.txt"}),
    (DOCTOR, {"RUIE_LLM_API_KEY": "", "RUIE_LLM_API_KEY_FILE": "secret.txt",
              "RUIE_LLM_BASE_URL": AWAY}),
    (DOCTOR, {"RUIE_REDIS_URL_FILE": "secret.txt"}),
    (DOCTOR, {"RUIE_REDIS_URL": "", "RUIE_REDIS_URL_FILE": "secret.txt"}),
    (DOCTOR, {"RUIE_LLM_HEADERS": "", "RUIE_LLM_HEADERS_FILE": "secret.txt"}),
    (("worker",), {"RUIE_REDIS_URL": f"redis://:no-{REDIS}@127.0.0.1:1/0"}),
    (("coordinator",), {"RUIE_DATABASE_URL": SQL}),
    (("up",), {"RUIE_DATABASE_URL": SQL, "RUIE_LLM_BASE_URL": AWAY}),
]  # fmt: skip  # a table


@pytest.mark.usefixtures("upgraded")
def test_no_failure_tells_a_secret(ruie: Run, planted: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "d.jsonl").write_text('{"id": "1", "text": "Ada went to Rome ."}\n')
    (tmp_path / "secret.txt").write_text(f"redis://:{FILE}@127.0.0.1:1/0\n")
    (tmp_path / "gold.jsonl").write_text('{"text": "Ada went .", "entities": []}\n')
    assert len(FAILURES) >= 30
    for arguments, settings in FAILURES:
        done = ruie(*arguments, **{**planted, **settings})
        where = f"ruie {' '.join(arguments)} with {settings}"
        assert done.returncode != 0, where
        assert "Traceback" not in done.stderr, where + done.stderr
        assert_untold(done.stdout + done.stderr, where)
    assert_folder_untold(tmp_path)


def assert_folder_untold(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file() and path.name != "secret.txt":
            assert_untold(path.read_bytes().decode("latin-1"), str(path))


@pytest.mark.parametrize(
    ("form", "status"), [("openai", 401), ("text", 400), ("html", 500), ("answer", 200)]
)
@pytest.mark.usefixtures("upgraded")
def test_an_endpoint_that_repeats_what_it_was_sent(
    ruie: Run, planted: dict[str, str], form: str, status: int
) -> None:
    with EchoingEndpoint(status, form) as endpoint:
        for command in (("doctor",), ("doctor", "--json")):
            done = ruie(*command, **planted, RUIE_LLM_BASE_URL=at(endpoint), RUIE_LLM_MODEL="m")
            assert endpoint.received
            assert "You sent" in done.stdout
            assert "***" in done.stdout
            assert_untold(done.stdout + done.stderr, f"{form} {status}")


@pytest.mark.parametrize("form", ["openai", pytest.param("answer", marks=pytest.mark.slow)])
def test_a_fleet_whose_calls_are_refused(
    ruie: Run, sqlite_server: Server, planted: dict[str, str], tmp_path: Path, form: str
) -> None:
    """Logs, quarantine, attempts, what is known of the endpoint, and every way to see them."""
    (tmp_path / "d.jsonl").write_text('{"id": "1", "text": "Ada went to Rome ."}\n' * 1)
    written: list[str] = []

    def told(*arguments: str, **settings: str) -> str:
        done = ruie(*arguments, **{**environment, **settings})
        written.append(done.stdout + done.stderr)
        return done.stdout.strip()

    with EchoingEndpoint(400, form) as endpoint:
        environment = {**planted, "RUIE_LLM_BASE_URL": at(endpoint), "RUIE_LLM_MODEL": "m",
                       "RUIE_MAX_ATTEMPTS": "1"}  # fmt: skip  # two lines
        up = start_up(tmp_path, environment)
        try:
            wait_until(lambda: (tmp_path / "ruie.db").exists())
            wait_until(lambda: told("db", "check") == "" and "of this version" in written[-1])
            job = told(*ENQUEUE)
            assert job.startswith("job_"), written
            wait_until(lambda: '"running"' not in told("status", job, "--json"))
        finally:
            up.send_signal(signal.SIGINT)
            output, _ = up.communicate(timeout=PATIENCE_S)
        written.append(output)
        for command in SHOWING:
            told(*(job if word == "JOB" else word for word in command))
    assert endpoint.received
    assert any("You sent" in text for text in written)
    for text in written:
        assert_untold(text, "output")
    assert (tmp_path / "home/worker.log").exists()
    assert_folder_untold(tmp_path)
    assert len(list(tmp_path.glob("home/*.log"))) >= 2


SHOWING = (
    ("status",), ("status", "JOB"), ("status", "--json"), ("job", "show", "JOB"), ("doctor",),
    ("quarantine", "list"), ("quarantine", "list", "--json"),
    ("query", "SELECT * FROM attempts"), ("query", "SELECT * FROM jobs", "--format", "csv"),
    ("query", "SELECT * FROM quarantine", "--format", "json"),
    ("query", "SELECT endpoint, reason FROM jobs", "--output", "q.csv", "--format", "csv"),
    ("export", "JOB", "--format", "jsonl", "--output", "out.jsonl"),
    ("export", "JOB", "--format", "html", "--output", "out.html"),
)  # fmt: skip  # a list


def start_up(folder: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "ruie.worker.cli", "up"],
        cwd=folder,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


CRASH = """
import logging, sys, threading
from ruie.shown import guard
from ruie.settings import settings
from ruie.worker.logs import start_logging
from ruie.worker.terminal import console
guard()
start_logging()
config = settings()
secrets = [config.redis_url, config.llm_base_url, config.llm_api_key.get_secret_value()]
def fail():
    raise RuntimeError(*secrets, config)
thread = threading.Thread(target=fail)
thread.start()
thread.join()
try:
    fail()
except RuntimeError:
    logging.getLogger("celery").exception("lost %s", secrets)
print(config, *secrets, file=sys.__stderr__)
console.print("x" * 150, *secrets)
fail()
"""


def test_a_crash_with_its_traceback(planted: dict[str, str], tmp_path: Path) -> None:
    with EchoingEndpoint() as endpoint:
        environment = {**os.environ, **planted, "RUIE_LLM_BASE_URL": at(endpoint)}
    done = subprocess.run(
        [sys.executable, "-c", CRASH], cwd=tmp_path, env=environment, capture_output=True,
        text=True, check=False,
    )  # fmt: skip  # its arguments
    assert done.stderr.count("Traceback") == 3
    assert done.stderr.count("RuntimeError") >= 3
    assert_untold(done.stdout + done.stderr, "the traceback")
