"""deploy/Dockerfile and the packaging say the same as the code: packages, files, commands."""

from __future__ import annotations

import fnmatch
import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import SpecifierSet
from support.commands import PYPROJECT, ROOT, parse, resolve
from support.deployment import OURS
from support.installed import FOLDERS, PACKAGES, PROJECT, closure

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


def test_the_final_stage_installs_the_wheel_with_the_pages_alone_and_pinned() -> None:
    assert len(STAGES) > 1
    words = pip_install()
    assert words[:2] == ["pip", "install"]
    assert words[words.index("-c") + 1] == "/constraints.txt"
    assert words[words.index("--only-binary") + 1] == ":all:"  # no compiler is ever needed
    named = [word for word in words[2:] if word not in ("--only-binary", ":all:", "-c")]
    assert named == ["/constraints.txt", "$(ls /wheels/*.whl)[web]"]  # and no other extra
    assert not closure(PROJECT["optional-dependencies"]["web"]) & HEAVY
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
    needed |= set(FOLDERS)
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


def name_in_ruie(path: Path) -> Path:
    """A path of the checkout as an installation has it: `db/models` is `ruie/db/models`."""
    relative = path.relative_to(ROOT)
    return relative if relative.parts[0] == "ruie" else "ruie" / relative


def test_every_folder_is_reached_through_ruie() -> None:
    for name in set(FOLDERS) - {"ruie"}:
        link = ROOT / "ruie" / name
        assert link.is_symlink()
        assert link.readlink() == Path("..") / name


def test_the_wheel_has_every_package_and_nothing_else() -> None:
    packages = {
        ".".join(name_in_ruie(file.parent).parts)
        for folder in FOLDERS
        for file in (ROOT / folder).rglob("__init__.py")
    }
    assert set(PACKAGES) == packages
    assert len(PACKAGES) == len(set(PACKAGES))


def test_the_wheel_has_every_file_that_is_not_python() -> None:
    declared = PYPROJECT["tool"]["setuptools"]["package-data"]
    needed = [
        name_in_ruie(file)
        for folder in FOLDERS
        for file in (ROOT / folder).rglob("*")
        # script.py.mako is only read when a migration is written, from the sources
        if file.is_file() and file.suffix not in (".py", ".pyc", ".mako")
    ]
    assert needed
    for file in needed:
        assert any(
            file.match(f"{package.replace('.', '/')}/{pattern}")
            for package, patterns in declared.items()
            for pattern in patterns
        ), f"{file} is in no package-data"
