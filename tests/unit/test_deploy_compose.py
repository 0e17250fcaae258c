"""deploy/compose.yaml and its README say the same as the code: commands, settings, ports."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import pytest
import yaml
from support.commands import ROOT, parse, resolve
from support.deployment import COMPOSE, COMPOSE_TEXT, OURS, SERVICES

from ruie.db.engine import database_url
from ruie.db.reader import NAME
from ruie.settings import Settings

# compose.yaml


VARIABLE = re.compile(r"\$\{(\w+)(?:(:[-?])([^{}]*(?:\$\{\w+\}[^{}]*)*))?\}")


def test_the_services_are_those_that_the_architecture_has() -> None:
    assert set(SERVICES) == {"redis", "postgres", "migrate", "coordinator", "worker", "web"}
    assert set(OURS) == {"migrate", "coordinator", "worker", "web"}
    for service in OURS.values():
        build = service["build"]
        assert (ROOT / "deploy" / build["context"]).resolve() == ROOT
        assert (ROOT / build["dockerfile"]).exists()


@pytest.mark.parametrize(
    ("service", "command"),
    [
        ("migrate", "db upgrade"),
        ("coordinator", "coordinator"),
        ("worker", "worker"),
        ("web", "web"),
    ],
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
    database = {"RUIE_DATABASE_URL_FILE"}
    fleet = {"RUIE_DATABASE_URL_FILE", "RUIE_REDIS_URL_FILE"}
    endpoint = {"RUIE_LLM_BASE_URL", "RUIE_LLM_MODEL", "RUIE_LLM_API_KEY_FILE", "RUIE_BUNDLE"}
    pages = fleet | {"RUIE_WEB_TOKEN_FILE"}
    needed = {"migrate": database, "coordinator": fleet, "worker": fleet | endpoint, "web": pages}
    for name, service in OURS.items():
        assert needed[name] <= set(service["environment"]), name


def test_metrics_are_served_where_a_port_is_set_and_limits_are_known_to_all() -> None:
    told = OURS["coordinator"]["environment"]
    assert told["RUIE_METRICS_PORT"] is None, "passed on if it is set"
    assert told["RUIE_METRICS_ADDRESS"] == "0.0.0.0"
    scraped = yaml.safe_load((ROOT / "deploy/monitoring/prometheus.yml").read_text("utf-8"))
    (target,) = scraped["scrape_configs"][0]["static_configs"][0]["targets"]
    host, port = target.split(":")
    assert host in OURS
    assert f"`RUIE_METRICS_PORT={port}` in `.env`" in deploy_readme()
    limits = {f"RUIE_{name.upper()}" for name in Settings.model_fields if "per_minute" in name}
    for name in ("coordinator", "worker", "web"):
        assert limits | {"RUIE_LLM_CALLS_IN_FLIGHT"} <= set(OURS[name]["environment"]), name


@pytest.mark.parametrize("variable", ["RUIE_LLM_BASE_URL", "RUIE_LLM_MODEL", "RUIE_BUNDLE"])
def test_what_has_no_default_says_what_to_set(variable: str) -> None:
    messages = [m[3] for m in VARIABLE.finditer(COMPOSE_TEXT) if (m[1], m[2]) == (variable, ":?")]
    assert messages
    assert all(message.startswith(f"set {variable}") for message in messages)


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that make-secrets.sh makes, run as an operator does."""
    folder = tmp_path_factory.mktemp("deploy")
    script = shutil.copy(ROOT / "deploy/make-secrets.sh", folder)
    subprocess.run([script, "sk-operator"], check=True)
    return folder / "secrets"


def secret(folder: Path, name: str) -> str:
    return (folder / name).read_text(encoding="utf-8").rstrip("\n")


def test_every_secret_is_a_file_that_the_script_makes(secrets: Path) -> None:
    declared = COMPOSE["secrets"]
    assert {name: made["file"] for name, made in declared.items()} == {
        path.name: f"./secrets/{path.name}" for path in secrets.iterdir()
    }
    assert secret(secrets, "llm_api_key") == "sk-operator"
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    passwords = {secret(secrets, name) for name in ("postgres_password", "redis_password")}
    assert all(re.fullmatch(r"[0-9a-f]{48}", password) for password in passwords)
    assert len(passwords) == 2
    before = {path.name: path.read_bytes() for path in secrets.iterdir()}
    subprocess.run([secrets.parent / "make-secrets.sh", "another"], check=True)
    assert before == {path.name: path.read_bytes() for path in secrets.iterdir()}


def test_a_service_has_the_secrets_that_it_reads_and_no_other() -> None:
    for name, service in SERVICES.items():
        told = yaml.safe_dump(service)
        read = set(re.findall(r"/run/secrets/(\w+)", told))
        assert read == set(service["secrets"]), name
        for variable, value in service.get("environment", {}).items():
            if variable.endswith(("_FILE", "PASSWORD")):
                assert re.fullmatch(r"/run/secrets/\w+", str(value)), variable
    assert "deploy/secrets" in (ROOT / ".gitignore").read_text(encoding="utf-8")


def test_a_service_can_do_no_more_than_it_has_to() -> None:
    for name, service in SERVICES.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["mem_limit"], name
        assert 0 < service["pids_limit"] <= 4096, name
        assert not {"privileged", "cap_add", "network_mode"} & set(service), name
        # the pages alone have a port of the host, which no other host reaches
        ports = service.get("ports", [])
        assert all(name == "web" and port.startswith("127.0.0.1:") for port in ports), name
        if name not in OURS:  # the image of ours has a user of its own: tests/unit/test_deploy.py
            assert all(int(number) > 0 for number in service["user"].split(":")), name


def test_a_server_is_reached_by_those_that_need_it_and_reaches_nobody() -> None:
    networks = COMPOSE["networks"]
    inside = {name for name, network in networks.items() if (network or {}).get("internal")}
    assert inside == {"database", "queue"}
    placed = {name: set(service["networks"]) for name, service in SERVICES.items()}
    assert placed["redis"] == {"queue"}
    assert placed["postgres"] == placed["migrate"] == {"database"}
    for name in ("coordinator", "worker", "web"):
        assert placed[name] == {"database", "queue", "outside"}


def url_of(secrets: Path, name: str) -> Any:
    """The parts of the URL that the services read from a file."""
    variable = f"RUIE_{name.upper()}_FILE"
    files = {service["environment"].get(variable) for service in OURS.values()} - {None}
    assert files == {f"/run/secrets/{name}"}, "every service speaks to the same server"
    return urlsplit(secret(secrets, name))


def port_of_health_check(service: str) -> int:
    check = SERVICES[service]["healthcheck"]["test"]
    match = re.search(r"-p (\d+)", " ".join(check))
    assert match is not None
    return int(match[1])


@pytest.mark.parametrize(
    ("name", "service"), [("redis_url", "redis"), ("database_url", "postgres")]
)
def test_a_url_leads_to_the_service_and_its_port(secrets: Path, name: str, service: str) -> None:
    url = url_of(secrets, name)
    assert url.hostname == service
    assert [str(url.port)] == SERVICES[service]["expose"]
    assert url.port == port_of_health_check(service)
    assert url.password == secret(secrets, f"{service}_password")


def test_redis_has_a_version_that_knows_its_settings() -> None:
    version = re.fullmatch(r"redis:(\d+)(\.\d+)*-alpine", SERVICES["redis"]["image"])
    assert version is not None
    assert int(version[1]) >= 7


def test_the_database_is_the_one_that_the_url_names_and_is_kept(secrets: Path) -> None:
    postgres, url = SERVICES["postgres"], url_of(secrets, "database_url")
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
    assert name in COMPOSE["volumes"]
    major = int(postgres["image"].removeprefix("postgres:"))
    # the image of 18 moved its data one folder up; the wrong one loses everything with a container
    assert target == ("/var/lib/postgresql" if major >= 18 else "/var/lib/postgresql/data")


def test_queries_have_a_login_of_their_own(secrets: Path) -> None:
    owner, reader = url_of(secrets, "database_url"), url_of(secrets, "query_database_url")
    assert (reader.hostname, reader.port, reader.path) == (owner.hostname, owner.port, owner.path)
    assert reader.username == NAME
    assert reader.password
    assert reader.password != owner.password
    for service in OURS.values():  # the migration makes it, and a worker's container queries
        assert "RUIE_QUERY_DATABASE_URL_FILE" in service["environment"]
        assert "query_database_url" in service["secrets"]


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
    "name", [*sorted(OURS["worker"]["environment"]), *sorted(COMPOSE["secrets"])]
)
def test_the_readme_names_every_variable(name: str) -> None:
    assert f"`{name}`" in deploy_readme()
