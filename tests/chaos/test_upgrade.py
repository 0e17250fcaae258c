"""A fleet of the released version is upgraded with items in flight, and rolled back, as
docs/installation.md says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.audit import Audit
from support.corpus import rows
from support.databases import Server, sqlite_server
from support.metered import MeteredEndpoint
from support.released import V0_2_0, install
from support.scene import IN_FLIGHT, PLAN, QUOTA, SETTINGS
from support.two_versions import NEW, TwoVersions, Version

from ruie.db.version import newest

__all__ = ["sqlite_server"]

WORKERS = 2
BOTH_DATABASES = pytest.mark.parametrize(
    "backend", ["postgresql", pytest.param("sqlite", marks=pytest.mark.slow)]
)


@pytest.fixture(scope="session")
def old(tmp_path_factory: pytest.TempPathFactory) -> Version:
    """The released version."""
    return Version.installed(install(V0_2_0, tmp_path_factory.mktemp(V0_2_0.version)))


@pytest.fixture
def own_endpoint(tmp_path: Path) -> Iterator[MeteredEndpoint]:
    (tmp_path / "endpoint").mkdir()
    with MeteredEndpoint(PLAN, tmp_path / "endpoint") as running:
        yield running


@pytest.fixture
def backend() -> str:
    """Unless a test names another one."""
    return "postgresql"


@pytest.fixture
def both(
    backend: str,
    tmp_path: Path,
    own_endpoint: MeteredEndpoint,
    bundle_path: Path,
    request: pytest.FixtureRequest,
) -> Iterator[TwoVersions]:
    server: Server = request.getfixturevalue(f"{backend}_server")
    url = server.empty()
    (tmp_path / "fleet").mkdir()
    with TwoVersions(tmp_path / "fleet", url, bundle_path, own_endpoint.url, **SETTINGS) as running:
        yield running
    request.node.user_properties += [("figures", line) for line in running.figures]
    server.drop(url)


def check(
    fleet: TwoVersions,
    endpoint: MeteredEndpoint,
    jobs: dict[str, list[dict[str, str]]],
    lost_calls: int = 0,
) -> None:
    """Every item has its one answer, none was paid for twice, and the books are the bill."""
    log = endpoint.log()
    for job, corpus in jobs.items():
        Audit(fleet.engine, job, corpus, log, QUOTA, lost_calls).check()
    booked = fleet.scalar(
        "SELECT COALESCE(SUM(cost_usd), 0) + (SELECT COALESCE(SUM(cost_usd), 0) FROM attempts)"
        " FROM extractions"
    )
    bill = sum(entry.nusd for entry in log)
    if lost_calls:  # what a killed worker had sent is booked as dear as it can have been
        assert round(float(booked) * 1e9) >= bill
    else:
        assert round(float(booked) * 1e9) == bill
    fleet.measure(endpoint, lost_calls)


@BOTH_DATABASES
@pytest.mark.scene("upgrade and roll-back")
def test_upgraded_and_rolled_back_with_items_in_flight(
    both: TwoVersions, old: Version, own_endpoint: MeteredEndpoint
) -> None:
    before, during, after = rows(4, 0), rows(72, 1), rows(8, 2)
    both.ruie(old, "db", "upgrade")
    both.start(old, WORKERS)
    both.until_closed(answered := both.enqueue(old, before))
    job = both.enqueue(old, during)
    both.until_done(job, 24)
    both.stop()
    assert both.still_open(job)
    assert both.queued(), "the newer version finds messages of the older one"

    assert "Run `ruie db upgrade`" in both.refused(NEW, "worker")
    assert f"It was {V0_2_0.revision} and is {newest()}" in both.run(NEW, "db", "upgrade").stderr
    assert "from a newer version of ruie" in both.refused(old, "coordinator")
    later, again = both.enqueue(NEW, after), both.enqueue(NEW, before, "--name", "again")
    both.start(NEW, WORKERS)
    both.until_done(job, both.done(job) + 16)
    both.stop()
    assert both.still_open(job) or both.still_open(later)
    assert both.queued()

    both.ruie(NEW, "db", "downgrade", V0_2_0.revision, "--yes")
    both.ruie(old, "db", "upgrade")
    both.start(old, WORKERS)
    for each in (job, later, again):
        both.until_closed(each)
    assert "The database is in use: coordinator" in both.refused(
        NEW, "db", "upgrade", "--wait", "0"
    )
    both.until_closed(once_more := both.enqueue(old, [*before, *during], "--name", "once more"))
    check(
        both,
        own_endpoint,
        {answered: before, job: during, later: after, again: before, once_more: [*before, *during]},
    )
    both.stop()


@pytest.mark.slow
@BOTH_DATABASES
@pytest.mark.scene("killed, upgraded and rolled back")
def test_what_was_killed_is_upgraded_and_rolled_back(
    both: TwoVersions, old: Version, own_endpoint: MeteredEndpoint
) -> None:
    """The migration first waits until the leases of the killed have run out."""
    corpus = rows(40, 0)
    both.ruie(old, "db", "upgrade")
    job = both.enqueue(old, corpus)
    both.start(old, WORKERS)
    both.until_done(job, 40)
    both.kill()
    assert both.still_open(job)
    both.ruie(NEW, "db", "upgrade")
    both.start(NEW, WORKERS)
    both.until_done(job, both.done(job) + 40)
    both.kill()
    assert both.still_open(job)
    both.ruie(NEW, "db", "downgrade", V0_2_0.revision, "--yes")
    both.ruie(old, "db", "upgrade")
    both.start(old, WORKERS)
    both.until_closed(job)
    both.stop()
    check(both, own_endpoint, {job: corpus}, lost_calls=2 * WORKERS * IN_FLIGHT)


@pytest.mark.scene("database of a newer version")
def test_processes_end_when_the_database_becomes_a_newer_version_s(
    both: TwoVersions, own_endpoint: MeteredEndpoint
) -> None:
    """While they have work, and again when they have none; in between they go on as before."""
    corpus = rows(24, 0)
    both.ruie(NEW, "db", "upgrade")
    job = both.enqueue(NEW, corpus)
    both.start(NEW, WORKERS)
    both.until_done(job, 24)
    all_end_at_a_newer_version(both)
    assert both.still_open(job)
    assert "it has 9999" in both.refused(NEW, "worker")
    both.stamp(newest())
    both.start(NEW, WORKERS)
    both.until_closed(job)
    all_end_at_a_newer_version(both)
    both.stamp(newest())
    check(both, own_endpoint, {job: corpus})


def all_end_at_a_newer_version(fleet: TwoVersions) -> None:
    fleet.stamp("9999")
    for process in fleet.processes:
        assert process.wait() == 4, process.output()
        assert "from a newer version of ruie: it has 9999" in process.output()
