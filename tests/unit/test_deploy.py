"""deploy/ and the packaging say the same as the code: commands, settings, ports, packages."""

from __future__ import annotations

import fnmatch
import json
import re
import shlex
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from support.commands import PYPROJECT, ROOT, parse, resolve

from db.engine import database_url
from ruie.settings import Settings

PROJECT: dict[str, Any] = PYPROJECT["project"]
PACKAGES: list[str] = PYPROJECT["tool"]["setuptools"]["packages"]
HALVES = ("ruie", "db", "worker", "exporter")
HEAVY = {"torch", "transformers", "sentence-transformers", "accelerate", "onnx", "onnxscript"}


# The Dockerfile


@dataclass(frozen=True)
class Instruction:
    """One instruction of a Dockerfile: `COPY`, and what stands after it on one line."""

    name: str
    value: str

    @property
    def words(self) -> list[str]:
        """Its words, of the JSON form or of the plain one."""
        if self.value.startswith("["):
            return [str(word) for word in json.loads(self.value)]
        return shlex.split(self.value)


def read_dockerfile() -> list[list[Instruction]]:
    """The stages, each a list of instructions that begins with its FROM."""
    text = (ROOT / "deploy/Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    stages: list[list[Instruction]] = []
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if line.strip():
            name, _, value = line.strip().partition(" ")
            if name == "FROM":
                stages.append([])
            stages[-1].append(Instruction(name, " ".join(value.split())))
    return stages


STAGES = read_dockerfile()
FINAL = STAGES[-1]


def only(stage: list[Instruction], name: str) -> Instruction:
    """The stage's one instruction of this name."""
    found = [instruction for instruction in stage if instruction.name == name]
    assert len(found) == 1, f"{len(found)} times {name}"
    return found[0]


def pip_install() -> list[str]:
    """The words of the one `pip install` of the final stage."""
    runs = [instruction.words for instruction in FINAL if instruction.name == "RUN"]
    installs = [words for words in runs if "install" in words]
    assert len(installs) == 1
    words = installs[0]
    return words[words.index("pip") :]


def test_every_stage_has_a_python_of_a_stated_minor_that_the_project_supports() -> None:
    for stage in STAGES:
        image = only(stage, "FROM").words[0]
        match = re.fullmatch(r"python:(3\.\d+)(\.\d+)?-slim(-\w+)?", image)
        assert match, image
        assert SpecifierSet(PROJECT["requires-python"]).contains(match[1])
    assert len({only(stage, "FROM").words[0] for stage in STAGES}) == 1


def test_the_final_stage_installs_the_wheel_alone_without_extras_and_pinned() -> None:
    assert len(STAGES) > 1
    words = pip_install()
    assert words[:2] == ["pip", "install"]
    assert words[words.index("-c") + 1] == "/constraints.txt"
    assert words[words.index("--only-binary") + 1] == ":all:"  # no compiler is ever needed
    named = [word for word in words[2:] if word not in ("--only-binary", ":all:", "-c")]
    assert named == ["/constraints.txt", "/wheels/*.whl"]  # an extra would be `*.whl[train]`
    copied = [instruction for instruction in FINAL if instruction.name in ("COPY", "ADD")]
    assert not copied, "the final stage has the wheel and no sources"
    runs = " ".join(i.value for i in FINAL if i.name == "RUN")
    assert not re.search(r"\b(apt|apt-get|apk|gcc|build-essential|curl|wget)\b", runs)


def test_the_build_stage_makes_the_wheel_that_the_final_stage_installs() -> None:
    build = STAGES[0]
    name = only(build, "FROM").words[2]
    wheel = only(build, "RUN").words
    assert wheel[:2] == ["pip", "wheel"]
    assert "--no-deps" in wheel
    folder = wheel[wheel.index("--wheel-dir") + 1]
    mounts = [
        dict(part.split("=", 1) for part in word.removeprefix("--mount=").split(","))
        for instruction in FINAL
        if instruction.name == "RUN"
        for word in instruction.words
        if word.startswith("--mount=")
    ]
    assert {"type": "bind", "from": name, "source": folder, "target": "/wheels"} in mounts
    pins = {"type": "bind", "source": "constraints.txt", "target": "/constraints.txt"}
    assert pins in mounts


def test_what_the_wheel_is_made_of_reaches_the_builder() -> None:
    copied = [
        source.rstrip("/")
        for instruction in STAGES[0]
        if instruction.name == "COPY"
        for source in instruction.words[:-1]
    ]
    needed = {"pyproject.toml", PROJECT["readme"], *PROJECT["license-files"]}
    needed |= {package.split(".")[0] for package in PACKAGES}
    assert set(copied) == needed
    for name in (*needed, "constraints.txt"):
        assert (ROOT / name).exists(), f"{name} does not exist"
        assert not ignored(name), f"{name} is kept from the builder by .dockerignore"
    for name in (".git", ".env", "deploy/.env", ".venv", "tests", "ruie.db", "bundle"):
        assert ignored(name), f"{name} would be sent to the builder"


def ignored(path: str) -> bool:
    """Whether .dockerignore keeps a path from the builder: the last rule that meets it counts."""
    kept_out = False
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        rule = line.strip()
        if not rule or rule.startswith("#"):
            continue
        pattern = rule.removeprefix("!").rstrip("/")
        if fnmatch.fnmatch(path, pattern) or fnmatch.fnmatch(path, f"{pattern}/*"):
            kept_out = not rule.startswith("!")
    return kept_out


def test_the_image_runs_as_a_user_of_a_fixed_number_that_is_not_root() -> None:
    uid, gid = only(FINAL, "USER").words[0].split(":")
    assert int(uid) >= 1000
    assert int(gid) >= 1000
    made = " ".join(instruction.value for instruction in FINAL if instruction.name == "RUN")
    assert f"--uid {uid} " in made
    assert f"groupadd --gid {gid} " in made
    after = [i.name for i in FINAL[FINAL.index(only(FINAL, "USER")) :]]
    assert "RUN" not in after


def test_the_image_starts_a_worker_that_is_told_to_end_by_sigterm() -> None:
    entry, default = only(FINAL, "ENTRYPOINT"), only(FINAL, "CMD")
    assert entry.value.startswith("["), "a shell would keep the signals to itself"
    assert entry.words == ["ruie"]
    assert parse(default.words).command is resolve(["worker"])[0]
    assert only(FINAL, "STOPSIGNAL").words == ["SIGTERM"]
    assert "PYTHONUNBUFFERED=1" in only(FINAL, "ENV").words


def test_the_image_claims_no_health_that_it_cannot_know() -> None:
    """A worker with nothing to do and one that hangs look alike from inside the container."""
    assert not [i for stage in STAGES for i in stage if i.name == "HEALTHCHECK"]
    assert not [name for name, service in OURS.items() if "healthcheck" in service]


# What the image installs


def test_a_worker_installs_no_torch() -> None:
    installed = closure(PROJECT["dependencies"])
    assert {"celery", "onnxruntime", "kombu"} <= installed  # the walk does walk
    assert not installed & HEAVY
    assert HEAVY & closure(PROJECT["optional-dependencies"]["train"])


def closure(requirements: list[str]) -> set[str]:
    """The names of everything that an installation of these brings, as far as it is here."""
    found: set[str] = set()
    open_ = [Requirement(line) for line in requirements]
    seen: set[str] = set()
    while open_:
        requirement = open_.pop()
        if str(requirement) in seen:
            continue
        seen.add(str(requirement))
        found.add(canonicalize_name(requirement.name))
        try:
            lines = requires(requirement.name) or []
        except PackageNotFoundError:
            continue
        for line in lines:
            inner = Requirement(line)
            extras = [*requirement.extras, ""]
            if not inner.marker or any(inner.marker.evaluate({"extra": e}) for e in extras):
                open_.append(inner)
    return found


def test_the_wheel_has_every_package_and_nothing_else() -> None:
    folders = {
        ".".join(file.parent.relative_to(ROOT).parts)
        for half in HALVES
        for file in (ROOT / half).rglob("__init__.py")
    }
    assert set(PACKAGES) == folders
    assert len(PACKAGES) == len(set(PACKAGES))


def test_the_wheel_has_every_file_that_is_not_python() -> None:
    declared = PYPROJECT["tool"]["setuptools"]["package-data"]
    needed = [
        file
        for half in HALVES
        for file in (ROOT / half).rglob("*")
        # script.py.mako is only read when a migration is written, from the sources
        if file.is_file() and file.suffix not in (".py", ".pyc", ".mako")
    ]
    assert needed
    for file in needed:
        assert any(
            file.match(f"{package.replace('.', '/')}/{pattern}")
            for package, patterns in declared.items()
            for pattern in patterns
        ), f"{file.relative_to(ROOT)} is in no package-data"


# compose.yaml


COMPOSE_TEXT = (ROOT / "deploy/compose.yaml").read_text(encoding="utf-8")
SERVICES: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "ruie"}
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
    "variable", ["POSTGRES_PASSWORD", "RUIE_LLM_BASE_URL", "RUIE_LLM_MODEL", "RUIE_BUNDLE"]
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
    assert url.username == environment["POSTGRES_USER"]
    assert url.path == f"/{environment['POSTGRES_DB']}"
    check = " ".join(postgres["healthcheck"]["test"])
    assert f"-U {url.username} -d {url.path[1:]}" in check
    (volume,) = postgres["volumes"]
    name, _, target = volume.partition(":")
    assert name in yaml.safe_load(COMPOSE_TEXT)["volumes"]
    major = int(postgres["image"].removeprefix("postgres:"))
    # the image of 18 moved its data one folder up; the wrong one loses everything with a container
    assert target == ("/var/lib/postgresql" if major >= 18 else "/var/lib/postgresql/data")


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


@pytest.mark.parametrize("name", ["POSTGRES_PASSWORD", *sorted(OURS["worker"]["environment"])])
def test_the_readme_names_every_variable(name: str) -> None:
    assert f"`{name}`" in deploy_readme()
