"""Processes on hosts of their own, and a network between them that stalls, is cut, refuses or
forgets its connections, for each pair alone and for longer than a lease.

Of a worker that loses PostgreSQL or the endpoint, the calls that are in flight then, or whose
answers wait to be saved, can be paid for twice, and none where anything else is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.databases import Server
from support.fleet import Process
from support.hosts import PAIRS, Hosts, To
from support.leading import leader, until_another_leads
from support.metered import MeteredEndpoint
from support.namespace import Namespace
from support.scene import AT_RISK, SETTINGS, Scene
from support.tcp_proxy import TcpProxy
from support.waiting import wait_until

LEASES_S = 8.0
"""Longer than a worker's lease (3 s) and a leader's (6 s)."""


@pytest.fixture(scope="module")
def fleet(
    tmp_path_factory: pytest.TempPathFactory,
    postgresql_server: Server,
    bundle_path: Path,
    endpoint: MeteredEndpoint,
) -> Iterator[Hosts]:
    url = postgresql_server.current()
    folder = tmp_path_factory.mktemp("hosts")
    with Hosts(folder, url, bundle_path, endpoint.url, **SETTINGS) as running:
        yield running


@pytest.fixture
def hosts(fleet: Hosts, scene: Scene) -> Iterator[Hosts]:
    """The fleet of the scene, with two processes of each kind; every link works again when the
    scene ends."""
    scene.staff(workers=2, coordinators=2)
    wait_until(lambda: leader(scene))
    yield fleet
    fleet.heal()


def cut_off(link: TcpProxy) -> None:
    """Its connections end, and no other can be opened."""
    link.refuse()
    link.cut()


def cut_short(link: TcpProxy) -> None:
    """Its connections end, and others can be opened."""
    link.cut(reset=False)


def in_mid_job(scene: Scene, documents: int) -> Process:
    """A job of which a part is done; returns the coordinator that leads."""
    scene.enqueue(documents)
    scene.until_done(documents // 2)
    first = leader(scene)
    assert first is not None
    return first


def for_longer_than_leases(scene: Scene) -> None:
    """By the database's clock."""
    until = scene.scalar(f"SELECT statement_timestamp() + interval '{LEASES_S} seconds'")
    wait_until(lambda: scene.scalar("SELECT statement_timestamp()") > until)


@pytest.mark.scene("network breaks")
def test_a_network_that_breaks_for_a_worker_and_the_leader(scene: Scene, hosts: Hosts) -> None:
    """The leader is cut off from PostgreSQL and a worker's connections to it stall, until another
    coordinator leads and has taken its items back."""
    old = in_mid_job(scene, 60)
    hosts.link(scene.alive("worker")[0], "postgresql").stall()
    cut_off(hosts.link(old, "postgresql"))
    until_another_leads(scene, old)
    hosts.heal()
    scene.until_closed()
    scene.audit(lost_calls=AT_RISK)


@pytest.mark.scene("pairs cut off")
@pytest.mark.slow
@pytest.mark.parametrize(("command", "server"), PAIRS)
def test_a_pair_that_stalls_is_cut_and_refuses(
    scene: Scene, hosts: Hosts, command: str, server: To
) -> None:
    """One after the other, for all processes of this kind at once."""
    scene.enqueue(120)
    breaks: tuple[Callable[[TcpProxy], None], ...] = (TcpProxy.stall, cut_off, cut_short)
    for number, happen in enumerate(breaks, 1):
        scene.until_done(100 * number)
        for link in hosts.links(scene.alive(command), server):
            happen(link)
        for_longer_than_leases(scene)
        hosts.heal()
    scene.until_closed()
    losing = 2 if command == "worker" and server != "redis" else 0
    scene.audit(lost_calls=AT_RISK * losing * len(breaks))


@pytest.mark.scene("leader without PostgreSQL")
@pytest.mark.slow
@pytest.mark.parametrize("happen", [TcpProxy.stall, cut_off])
def test_a_leader_that_loses_postgresql_alone(
    scene: Scene, hosts: Hosts, happen: Callable[[TcpProxy], None]
) -> None:
    """The job is done while it is cut off, and it leads again when the other has ended."""
    first = in_mid_job(scene, 60)
    happen(hosts.link(first, "postgresql"))
    second = until_another_leads(scene, first)
    scene.until_closed()
    scene.audit(lost_calls=0)
    hosts.heal()
    second.kill()
    wait_until(lambda: leader(scene) is first)


@pytest.mark.scene("leader without Redis")
@pytest.mark.slow
@pytest.mark.parametrize("happen", [TcpProxy.stall, cut_off])
def test_a_leader_that_loses_redis_alone(
    scene: Scene, hosts: Hosts, happen: Callable[[TcpProxy], None]
) -> None:
    """It could send nothing: the other leads, and the job is done while it is cut off."""
    first = in_mid_job(scene, 100)
    happen(hosts.link(first, "redis"))
    wait_until(lambda: leader(scene) not in (None, first))
    scene.until_closed()
    assert leader(scene) is not first, "it took the lead again"
    scene.audit(lost_calls=0)


@pytest.mark.scene("half the fleet cut off")
@pytest.mark.slow
def test_servers_that_half_of_the_fleet_reaches(scene: Scene, hosts: Hosts) -> None:
    """The other half, the leader and a worker, reaches neither PostgreSQL nor Redis; afterwards
    it is the half that is left."""
    first = in_mid_job(scene, 100)
    lost = [first, scene.alive("worker")[0]]
    rest = [each for each in hosts.processes if each.alive and each not in lost]
    for process in lost:
        cut_off(hosts.link(process, "postgresql"))
        cut_off(hosts.link(process, "redis"))
    scene.until_closed()
    scene.audit(lost_calls=AT_RISK)
    hosts.heal()
    for process in rest:
        process.kill()
    scene.enqueue_more(40)
    scene.until_closed()
    scene.audit(lost_calls=0)


@pytest.mark.scene("connections vanish")
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_connections_that_die_in_silence(scene: Scene, hosts: Hosts) -> None:
    """The leader's and a worker's connections to PostgreSQL and Redis are forgotten, as by a router
    that was started anew: nothing comes any more, not even an end. They notice: when they are the
    only ones left, they do a job."""
    first = in_mid_job(scene, 60)
    lost = [first, scene.alive("worker")[0]]
    rest = [each for each in hosts.processes if each.alive and each not in lost]
    for process in lost:
        hosts.link(process, "postgresql").vanish()
        hosts.link(process, "redis").vanish()
    hosts.heal()
    scene.until_closed()
    scene.audit(lost_calls=AT_RISK)
    for process in rest:
        process.kill()
    scene.enqueue_more(40)
    scene.until_closed(400)
    assert all(process.alive for process in lost)
    scene.audit(lost_calls=0)


@pytest.fixture
def elsewhere(hosts: Hosts) -> Iterator[Namespace]:
    """A network namespace, where the next processes start."""
    with Namespace() as there:
        hosts.namespace = there
        yield there
        hosts.namespace = None


@pytest.mark.scene("host's link down")
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_host_whose_packets_are_lost(scene: Scene, hosts: Hosts, elsewhere: Namespace) -> None:
    """A worker in a network namespace of its own, whose link is down until it takes its connection
    to PostgreSQL for lost: by the system's means, since nobody confirms what it sends. Afterwards
    it is the only worker."""
    first, second = scene.alive("worker")
    first.kill()
    worker = scene.start("worker")
    wait_until(lambda: "ready" in worker.output())
    in_mid_job(scene, 100)
    elsewhere.down()
    scene.until_closed()
    wait_until(lambda: "the database is unavailable" in worker.output())
    elsewhere.up()
    assert "silent for" not in worker.output(), "it was not the system that noticed"
    scene.audit(lost_calls=AT_RISK)
    second.kill()
    scene.enqueue_more(40)
    scene.until_closed()
    assert worker.alive
    scene.audit(lost_calls=0)
    worker.kill()
