"""deploy/compose.yaml and its README say the same as the code: commands, settings, ports."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import pytest
import yaml
from support.commands import ROOT, parse, resolve
from support.deployment import COMPOSE_TEXT, OURS, SERVICES

from ruie.db.engine import database_url
from ruie.db.reader import NAME
from ruie.settings import Settings

# compose.yaml


VARIABLE = re.compile(r"\$\{(\w+)(?:(:[-?])([^{}]*(?:\$\{\w+\}[^{}]*)*))?\}")


def test_the_services_are_those_that_the_architecture_has() -> None:
    assert set(SERVICES) == {"redis", "postgres", "migrate", "coordinator", "worker"}
    assert set(OURS) == {"migrate", "coordinator", "worker"}
    for service in OURS.values():
        build = service["build"]
        assert (ROOT / "deploy" / build["context"]).resolve() == ROOT
        assert (ROOT / build["dockerfile"]).exists()


@pytest.mark.parametrize(
    ("service", "command"),
    [("migrate", "db upgrade"), ("coordinator", "coordinator"), ("worker", "worker")],
)
def test_a_service_runs_a_command_that_ruie_has(service: str, command: str) -> None:
    assert parse(OURS[service]["command"]).command is resolve(command.split())[0]


def test_a_command_that_ruie_does_not_have_is_noticed() -> None:
    for words in (["beat"], ["db", "migrate"], ["worker", "--queue", "x"], ["coordinator", "x"]):
        with pytest.raises(click.UsageError):
            parse(words)


def test_every_variable_of_ruie_is_a_setting() -> None:
    known = {f"RUIE_{name.upper()}" for name in Settings.model_fields}
    files = [COMPOSE_TEXT, (ROOT / "deploy/Dockerfile").read_text(encoding="utf-8")]
    files.append((ROOT / "deploy/README.md").read_text(encoding="utf-8"))
    used = {name for text in files for name in re.findall(r"RUIE_[A-Z0-9_]*[A-Z0-9]", text)}
    assert used
    assert used <= known, f"there is no setting {', '.join(sorted(used - known))}"
    for service in OURS.values():
        assert set(service["environment"]) <= known


def test_a_service_has_the_settings_that_it_needs() -> None:
    database, fleet = {"RUIE_DATABASE_URL"}, {"RUIE_DATABASE_URL", "RUIE_REDIS_URL"}
    endpoint = {"RUIE_LLM_BASE_URL", "RUIE_LLM_MODEL", "RUIE_LLM_API_KEY", "RUIE_BUNDLE"}
    needed = {"migrate": database, "coordinator": fleet, "worker": fleet | endpoint}
    for name, service in OURS.items():
        assert needed[name] <= set(service["environment"]), name


@pytest.mark.parametrize(
    "variable",
    [
        "POSTGRES_PASSWORD",
        "POSTGRES_READER_PASSWORD",
        "RUIE_LLM_BASE_URL",
        "RUIE_LLM_MODEL",
        "RUIE_BUNDLE",
    ],
)
def test_what_has_no_default_says_what_to_set(variable: str) -> None:
    messages = [m[3] for m in VARIABLE.finditer(COMPOSE_TEXT) if (m[1], m[2]) == (variable, ":?")]
    assert messages
    assert all(message.startswith(f"set {variable}") for message in messages)


def test_a_secret_is_nowhere_written_down() -> None:
    assert OURS["worker"]["environment"]["RUIE_LLM_API_KEY"] is None  # passed on, or absent
    assert VARIABLE.fullmatch(SERVICES["postgres"]["environment"]["POSTGRES_PASSWORD"])


def default_url(variable: str) -> Any:
    """The parts of a URL's default; the password stands in for itself."""
    values = {service["environment"].get(variable) for service in OURS.values()} - {None}
    assert len(values) == 1, "every service speaks to the same server"
    match = VARIABLE.fullmatch(values.pop())
    assert match is not None
    assert match[1] == variable
    assert match[2] == ":-"
    return urlsplit(match[3].replace("${POSTGRES_PASSWORD}", "secret"))


def port_of_health_check(service: str) -> int:
    check = SERVICES[service]["healthcheck"]["test"]
    match = re.search(r"-p (\d+)", " ".join(check))
    assert match is not None
    return int(match[1])


@pytest.mark.parametrize(
    ("variable", "service"), [("RUIE_REDIS_URL", "redis"), ("RUIE_DATABASE_URL", "postgres")]
)
def test_a_url_leads_to_the_service_and_its_port(variable: str, service: str) -> None:
    url = default_url(variable)
    assert url.hostname == service
    assert [str(url.port)] == SERVICES[service]["expose"]
    assert url.port == port_of_health_check(service)
    assert "ports" not in SERVICES[service], "a server without a password for the outside"


def test_redis_listens_where_it_is_looked_for_and_keeps_every_key() -> None:
    words = SERVICES["redis"]["command"]
    told = dict(zip(words[1::2], words[2::2], strict=True))
    assert words[0] == "redis-server"
    assert int(told["--port"]) == default_url("RUIE_REDIS_URL").port
    assert told["--maxmemory-policy"] == "noeviction"
    assert (told["--save"], told["--appendonly"]) == ("", "no")
    version = re.fullmatch(r"redis:(\d+)(\.\d+)*-alpine", SERVICES["redis"]["image"])
    assert version is not None
    assert int(version[1]) >= 7


def test_the_database_is_the_one_that_the_url_names_and_is_kept() -> None:
    postgres, url = SERVICES["postgres"], default_url("RUIE_DATABASE_URL")
    environment = postgres["environment"]
    assert database_url(url.geturl()).get_backend_name() == "postgresql"
    assert environment["POSTGRES_USER"] == "postgres"
    made = yaml.safe_load(COMPOSE_TEXT)["configs"]["owner"]["content"]
    assert f"CREATE ROLE {url.username} LOGIN CREATEROLE PASSWORD" in made
    assert "SUPERUSER" not in made
    assert url.path == f"/{environment['POSTGRES_DB']}"
    check = " ".join(postgres["healthcheck"]["test"])
    assert f"-U {url.username} -d {url.path[1:]}" in check
    (volume,) = postgres["volumes"]
    name, _, target = volume.partition(":")
    assert name in yaml.safe_load(COMPOSE_TEXT)["volumes"]
    major = int(postgres["image"].removeprefix("postgres:"))
    # the image of 18 moved its data one folder up; the wrong one loses everything with a container
    assert target == ("/var/lib/postgresql" if major >= 18 else "/var/lib/postgresql/data")


def test_queries_have_a_login_of_their_own() -> None:
    owner, reader = default_url("RUIE_DATABASE_URL"), default_url("RUIE_QUERY_DATABASE_URL")
    assert (reader.hostname, reader.port, reader.path) == (owner.hostname, owner.port, owner.path)
    assert reader.username == NAME
    assert "${POSTGRES_READER_PASSWORD}" in reader.netloc
    for service in OURS.values():  # the migration makes it, and a worker's container queries
        assert "RUIE_QUERY_DATABASE_URL" in service["environment"]


def test_nothing_runs_before_the_migration_is_done() -> None:
    for name in ("coordinator", "worker"):
        waits = {k: v["condition"] for k, v in SERVICES[name]["depends_on"].items()}
        assert waits["migrate"] == "service_completed_successfully"
        assert waits["redis"] == "service_healthy"
    waits = {k: v["condition"] for k, v in SERVICES["migrate"]["depends_on"].items()}
    assert waits == {"postgres": "service_healthy"}
    assert SERVICES["migrate"]["restart"] == "no"


def test_a_worker_may_give_back_its_work_before_it_is_killed() -> None:
    match = re.fullmatch(r"(\d+)(s|m)", SERVICES["worker"]["stop_grace_period"])
    assert match is not None
    grace_s = int(match[1]) * {"s": 1, "m": 60}[match[2]]
    assert Settings.model_fields["stop_grace_s"].default + 10 <= grace_s


def test_the_bundle_is_mounted_read_only_where_the_worker_looks_for_it() -> None:
    worker = OURS["worker"]
    mounts = [volume for volume in worker["volumes"] if "RUIE_BUNDLE" in volume["source"]]
    (mount,) = mounts
    assert mount["target"] == worker["environment"]["RUIE_BUNDLE"]
    assert mount["read_only"] is True
    assert mount["bind"]["create_host_path"] is False


def test_the_images_of_the_servers_have_a_version() -> None:
    for name in ("redis", "postgres"):
        assert re.search(r":\d", SERVICES[name]["image"])


@cache
def deploy_readme() -> str:
    return Path(ROOT / "deploy/README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name",
    ["POSTGRES_PASSWORD", "POSTGRES_READER_PASSWORD", *sorted(OURS["worker"]["environment"])],
)
def test_the_readme_names_every_variable(name: str) -> None:
    assert f"`{name}`" in deploy_readme()
