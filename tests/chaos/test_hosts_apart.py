"""Processes on hosts of their own, a long way from the servers: the leases are longer than what a
transaction takes there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from support.databases import Server
from support.hosts import PAIRS, Hosts
from support.metered import MeteredEndpoint
from support.scene import SETTINGS, Scene
from support.tcp_proxy import TcpProxy


@pytest.fixture(scope="module")
def fleet(
    tmp_path_factory: pytest.TempPathFactory,
    postgresql_server: Server,
    bundle_path: Path,
    endpoint: MeteredEndpoint,
) -> Iterator[Hosts]:
    url = postgresql_server.current()
    folder = tmp_path_factory.mktemp("apart")
    settings = {**SETTINGS, "lease_s": 30.0, "dispatch_s": 30.0}
    with Hosts(folder, url, bundle_path, endpoint.url, **settings) as running:
        yield running


def round_trips(links: Sequence[TcpProxy]) -> int:
    return sum(link.traffic.round_trips for link in links)


@pytest.mark.scene("hosts apart")
@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("round_trip_s", [0.05, 0.3])
def test_each_pair_far_apart(scene: Scene, fleet: Hosts, round_trip_s: float) -> None:
    """One pair after the other, then all of them."""
    scene.staff(workers=2, coordinators=2)
    scene.enqueue(40)
    for number, (command, server) in enumerate(PAIRS):
        links = fleet.links(scene.alive(command), server)
        before = round_trips(links)
        for link in links:
            link.delay(round_trip_s)
        scene.until_done(24 * (number + 1), 600)
        trips = round_trips(links) - before
        scene.figures.append(f"{command} to {server}: {trips} round trips")
        fleet.heal()
    for command, server in PAIRS:
        for link in fleet.links(scene.alive(command), server):
            link.delay(round_trip_s)
    scene.until_closed(600)
    fleet.heal()
    scene.audit(lost_calls=0)
