"""The built wheel, installed without extras where the checkout is out of sight: what it holds, and
that it works in a folder whose own packages are called `db`, `worker` and `exporter`."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.commands import PYPROJECT, ROOT
from support.installed import PACKAGES, PROJECT, Environment, build, copy_sources

from ruie import __version__

DIST_INFO = f"ruie-{__version__}.dist-info"
METADATA = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "top_level.txt"}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_sources(tmp_path_factory.mktemp("build") / "sources")


@pytest.fixture(scope="module")
def wheel(sources: Path) -> Path:
    """The wheel of the sdist of the checkout, as `python -m build` makes it."""
    return build(sources, sources.parent / "from-sdist")


@pytest.fixture(scope="module")
def user_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's project: its packages have the names of our folders and fail when imported."""
    folder = tmp_path_factory.mktemp("user")
    for name in ("db", "worker", "exporter"):
        (folder / name).mkdir()
        for file in (folder / name / "__init__.py", folder / f"{name}.py"):
            file.write_text(f'raise ImportError("the {name} of the user")\n')
    lines = ["Crude fell 2 % as OPEC raised output.", "OPEC met in Vienna."]
    (folder / "news.jsonl").write_text("".join(json.dumps({"text": x}) + "\n" for x in lines))
    (folder / "oil.yaml").write_text("name: oil\nentities: {COMMODITY: traded goods}\n")
    return folder


@pytest.fixture(scope="module")
def installed(
    wheel: Path, user_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Environment:
    """The wheel, and its declared dependencies as they are installed for the tests."""
    environment = Environment.create(tmp_path_factory.mktemp("venv"), user_folder)
    environment.add_dependencies()
    environment.pip_install("--no-index", "--no-deps", str(wheel))
    return environment


def files_of_the_packages() -> Iterator[str]:
    """What belongs into the wheel: the modules of every package and the declared data files."""
    data = PYPROJECT["tool"]["setuptools"]["package-data"]
    for package in PACKAGES:
        folder = ROOT / package.replace(".", "/")
        for pattern in ("*.py", *data.get(package, ())):
            for file in filter(Path.is_file, folder.glob(pattern)):
                yield f"{package.replace('.', '/')}/{file.relative_to(folder).as_posix()}"


def test_the_wheel_holds_the_packages_their_data_and_the_licences_alone(wheel: Path) -> None:
    metadata = METADATA | {f"licenses/{name}" for name in PROJECT["license-files"]}
    expected = {*files_of_the_packages(), *(f"{DIST_INFO}/{name}" for name in metadata)}
    # a check on the check: one file of each kind
    assert expected >= {
        "ruie/py.typed",
        "ruie/bundle/default/encoder.onnx",
        "ruie/db/migrations/env.py",
        "ruie/worker/cli/__main__.py",
        "ruie/worker/export/page.css",
        "ruie/worker/limits/script.lua",
        "ruie/worker/web/static/htmx.min.js",
        "ruie/worker/web/templates/base.html",
        "ruie/exporter/training/__init__.py",
    }
    with zipfile.ZipFile(wheel) as archive:
        assert sorted(archive.namelist()) == sorted(expected)


def test_the_wheel_of_the_sdist_is_that_of_the_checkout(wheel: Path, sources: Path) -> None:
    direct = build(sources, sources.parent / "from-checkout", "--wheel")
    with zipfile.ZipFile(wheel) as ours, zipfile.ZipFile(direct) as theirs:
        assert sorted(ours.namelist()) == sorted(theirs.namelist())
        for name in ours.namelist():
            assert ours.read(name) == theirs.read(name), name


def test_an_installation_adds_one_name(installed: Environment) -> None:
    names = {path.name for path in installed.site_packages.iterdir()}
    assert names - {"dependencies.pth"} == {"ruie", DIST_INFO}
    assert not (installed.site_packages / "ruie/worker").is_symlink()


def test_neither_the_checkout_nor_an_extra_is_within_reach(installed: Environment) -> None:
    """Otherwise the tests below would say little."""
    code = "import json, ruie, sys; print(json.dumps([ruie.__file__, *sys.path]))"
    home, *path = json.loads(installed.run("python", "-c", code).stdout)
    assert home == str(installed.site_packages / "ruie/__init__.py")
    assert str(ROOT) not in path
    for name in ("torch", "transformers", "pandas", "pytest"):
        assert "ModuleNotFoundError" in installed.run("python", "-c", f"import {name}").stderr
    for name in ("db", "worker", "exporter"):
        assert "of the user" in installed.run("python", "-c", f"import {name}").stderr


def check_commands(environment: Environment) -> None:
    """Run what a user runs first, from the version to the first query."""

    def ruie(*arguments: str) -> str:
        done = environment.run("ruie", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert ruie("--version").split()[-1] == __version__
    assert "enqueue" in ruie("--help")
    ruie("db", "upgrade")
    counts = json.loads(
        ruie("enqueue", "news.jsonl", "--schema", "oil.yaml", "--dry-run", "--json")
    )
    assert counts["documents"] == 2
    assert ruie("enqueue", "news.jsonl", "--schema", "oil.yaml").startswith("job_")
    assert ruie("query", "SELECT COUNT(*) FROM documents", "--format", "csv").split()[-1] == "2"
    assert "NER" in ruie("bundle", "inspect", "--json")
    (environment.cwd / "ruie.db").unlink()


def test_the_command_works_beside_packages_of_the_same_names(installed: Environment) -> None:
    check_commands(installed)


@pytest.mark.parametrize(
    "code",
    [
        "from ruie.client import Client",
        "from ruie import Bundle, Extractor, Result, Schema",
        "import ruie.worker.app, ruie.worker.tasks, ruie.worker.coordinator, ruie.exporter.cli",
    ],
)
def test_a_program_imports_it_beside_packages_of_the_same_names(
    installed: Environment, code: str
) -> None:
    done = installed.run("python", "-c", code)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_pip_brings_what_it_needs(
    wheel: Path, user_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The same from the package index: the declared dependencies at the pinned versions."""
    environment = Environment.create(tmp_path_factory.mktemp("venv"), user_folder)
    environment.pip_install("-c", str(ROOT / "constraints.txt"), str(wheel))
    assert not (environment.site_packages / "torch").exists()
    check_commands(environment)
