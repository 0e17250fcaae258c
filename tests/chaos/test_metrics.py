"""Metrics after workers were killed, endpoints failed and the leader died: each counter is what the
rows say, to the unit."""

from __future__ import annotations

import itertools

import pytest
from support.metering import MIXED
from support.scene import Scene
from support.scraped import Scrape, expected, scrape
from support.waiting import wait_until

from ruie.worker.embedded.stack import free_port


def leading(ports: list[int]) -> Scrape | None:
    """What the coordinator that leads tells."""
    found = [one for port in ports if (one := scrape(port)) is not None]
    return next((one for one in found if one.value("ruie_coordinator_leads") == 1), None)


@pytest.mark.scene("metrics")
def test_every_counter_is_what_the_rows_say_after_chaos(scene: Scene) -> None:
    for process in scene.alive("coordinator"):
        process.terminate()
    ports = [free_port(), free_port()]
    first = scene.start("coordinator", RUIE_METRICS_PORT=str(ports[0]))
    wait_until(lambda: leading(ports))
    scene.start("coordinator", RUIE_METRICS_PORT=str(ports[1]))
    scene.staff(workers=2, coordinators=2)
    scene.behave(faults=0.1, kinds=MIXED, most=2)
    scene.enqueue(50)
    seen: list[Scrape] = []
    for done in (30, 70):
        scene.until_done(done)
        scene.kill(scene.alive("worker")[0])
        scene.staff(workers=2, coordinators=2)
        if (now := leading(ports)) is not None:
            seen.append(now)
    first.kill()
    scene.until_closed(meanwhile=lambda: seen.extend(filter(None, [leading(ports)])))
    scene.audit()
    wait_until(lambda: (now := leading(ports)) and now.totals == expected(scene.engine))
    seen.append(leading(ports) or seen[-1])
    for before, after in itertools.pairwise(seen):
        for sample, value in before.counters.items():
            if "job_id" not in dict(sample[1]):
                assert after.samples[sample] >= value, sample
    counted = seen[-1].totals
    scene.figures.append(f"{len(counted)} counters equal to the rows, {len(seen)} scrapes")
