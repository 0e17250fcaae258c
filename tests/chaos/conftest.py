"""One fleet for all scenes: starting it takes longer than most of them. Each scene has documents
and a job of its own, and repairs what it broke."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from support.databases import Server, postgresql_server
from support.fleet import Fleet
from support.metered import MeteredEndpoint
from support.scene import PLAN, SETTINGS, Scene

__all__ = ["postgresql_server"]

_series = itertools.count()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("chaos")


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeteredEndpoint]:
    with MeteredEndpoint(PLAN, tmp_path_factory.mktemp("endpoint")) as running:
        yield running


@pytest.fixture(scope="session")
def fleet(
    tmp_path_factory: pytest.TempPathFactory,
    postgresql_server: Server,
    bundle_path: Path,
    endpoint: MeteredEndpoint,
) -> Iterator[Fleet]:
    url = postgresql_server.current()
    folder = tmp_path_factory.mktemp("fleet")
    with Fleet(folder, url, bundle_path, endpoint.url, **SETTINGS) as running:
        yield running


@pytest.fixture
def scene(
    fleet: Fleet,
    endpoint: MeteredEndpoint,
    postgresql_server: Server,
    request: pytest.FixtureRequest,
) -> Iterator[Scene]:
    """A scene with an endpoint that does not fail, one coordinator and two workers."""
    made = Scene(fleet, endpoint, postgresql_server, next(_series))
    made.behave()
    made.staff(workers=2)
    yield made
    request.node.user_properties += [("figures", line) for line in made.figures]
    made.end()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A scene that fails shows the end of the log of every process of the fleet."""
    report = yield
    if report.when == "call" and report.failed:
        fixtures = getattr(item, "funcargs", {})
        for fleet in (fixtures[name] for name in ("fleet", "both") if name in fixtures):
            for process in fleet.processes:
                report.sections.append((process.log.name, process.output()[-1200:]))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What docs/reliability.md states as measured."""
    lines = [
        f"{report.nodeid.rpartition('::')[2]}: {line}"
        for report in terminalreporter.getreports("")
        if report.when == "teardown"
        for name, line in report.user_properties
        if name == "figures"
    ]
    if lines:
        terminalreporter.section("figures of the scenes")
        terminalreporter.write_line("\n".join(lines))
