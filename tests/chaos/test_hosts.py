"""Processes on hosts of their own, and a network between them that is slow, stalls, is cut and
refuses, for each pair alone and for longer than a lease."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.databases import Server
from support.hosts import SERVERS, Hosts
from support.metered import MeteredEndpoint
from support.scene import IN_FLIGHT, SETTINGS, Scene
from support.tcp_proxy import TcpProxy
from support.waiting import wait_until

from ruie.worker.coordinator import LEADER_LEASE_S

PAIRS = [
    ("worker", "postgresql"),
    ("worker", "redis"),
    ("worker", "endpoint"),
    ("coordinator", "postgresql"),
    ("coordinator", "redis"),
]


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


@pytest.fixture(autouse=True)
def healed(fleet: Hosts) -> Iterator[None]:
    yield
    fleet.heal()


@pytest.mark.slow
@pytest.mark.parametrize("round_trip_s", [0.05, 0.3])
@pytest.mark.parametrize(("command", "server"), PAIRS)
def test_a_pair_far_apart(scene, fleet, command, server, round_trip_s) -> None:
    scene.staff(workers=2, coordinators=2)
    for link in fleet.links(scene.alive(command), server):
        link.delay(round_trip_s)
    scene.enqueue(60)
    scene.until_closed(60)
    scene.audit(lost_calls=0)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["stall", "cut", "refuse", "vanish"])
@pytest.mark.parametrize(("command", "server"), PAIRS)
def test_a_pair_broken(scene, fleet, command, server, how) -> None:
    scene.staff(workers=2, coordinators=2)
    scene.enqueue(100)
    scene.until_done(40)
    links = fleet.links(scene.alive(command), server)
    for link in links:
        if how in ("cut", "refuse"):
            link.refuse()
            link.cut()
        else:
            getattr(link, how)()
    t = time.monotonic()
    time.sleep(8); print("broken", links[0].traffic)
    d = scene.fleet.client.progress(scene.job_id).done
    for link in links:
        link.heal()
    scene.figures.append(f"{d} done at heal")
    scene.until_closed(60)
    scene.figures.append(f"{time.monotonic() - t - 8:.1f} s after heal")
    scene.audit(lost_calls=100)
