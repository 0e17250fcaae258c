"""The fleet in `ruie web`: who works, and how much of each limit is used."""

from __future__ import annotations

from sqlalchemy import update
from support.limiting import ENDPOINT, call, limited, used
from support.pages_server import Visitor, serving
from support.waiting import wait_until
from support.web_site import Site

from ruie.db import leadership, processes
from ruie.db.models import extractions
from ruie.db.types import utcnow
from ruie.settings import load
from ruie.worker.limits import FleetLimiter, Limits


def test_the_fleet(site: Site) -> None:
    page = site.get("/fleet")
    for said in ("Coordinator none is alive", "Workers none is alive", "not configured", "None."):
        assert said in page.words


def test_the_processes_of_the_fleet(site: Site) -> None:
    there = (
        processes.Identity("a:1:xx", "coordinator", "a", 1, "2.0"),
        processes.Identity("a:2:xx", "worker", "a", 2, "2.0"),
        processes.Identity("b:2:xx", "worker", "b", 2, "1.9"),
    )
    with site.client.engine.begin() as conn:
        for who in there:
            processes.beat(conn, who, processes.Doing(calls=5 * (who.host == "b")), 60.0)
        assert leadership.lead(conn, "a:1:xx", 60)
    page = site.get("/fleet")
    for said in (
        "a:1 leads",
        "2 processes on 2 hosts; 0 have 0 items",
        "2.0 2 processes , 1.9 1 process",
        "a:1 coordinator, leads 2.0",
        "b:2 worker, waits 5 1.9",
    ):
        assert said in page.words
    assert page.text.count("Most have another version.") == 1
    silent = (
        "strftime('%Y-%m-%d %H:%M:%f', 'now', '-80 seconds') || '000'"
        if site.client.engine.dialect.name == "sqlite"
        else "now() - interval '80 seconds'"
    )
    with site.client.engine.begin() as conn:
        conn.exec_driver_sql(f"UPDATE processes SET seen_at = {silent} WHERE host = 'b'")
    wait_until(lambda: "silent for 8" in site.get("/fleet").words)
    assert "Workers 1 process" in site.get("/fleet").words


def test_how_much_of_each_limit_was_used_in_the_last_hour(site: Site, url: str) -> None:
    """Calls are in SQL, and limits in Redis and the settings: each has a curve with its limit."""
    limits = Limits(requests_per_minute=600, output_tokens_per_minute=9000, calls_in_flight=8)

    async def use(limiter: FleetLimiter) -> None:
        hook = limiter.hook()
        asked = call(model="small")
        await hook.after(await hook.before(asked), asked, used(10, 40))

    limited(url, limits, use)
    with site.client.engine.begin() as conn:
        lately = {"created_at": utcnow(-90.0), "latency_s": 60.0, "endpoint": ENDPOINT}
        conn.execute(update(extractions).values(lately))
    config = load(
        database_url=site.client.config.database_url,
        redis_url=url,
        llm_requests_per_minute=600,
        llm_output_tokens_per_minute=9000,
        llm_calls_in_flight=8,
    )
    with serving(config) as address:
        page = Visitor(address).get("/fleet")
    for said in (
        "Requests a minute 1 of 600",
        "Calls a minute, last hour (UTC)",
        "limit 600",
        "Calls in flight, on average",
        "limit 8",
        "Tokens a minute",
        "Output tokens a minute",
        "limit 9,000",
    ):
        assert said in page.words
    assert "Input tokens a minute" not in page.words
    assert page.text.count('class="level"') == 3
    assert 'of 600."' in page.text
