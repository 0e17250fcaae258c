"""The fleet: who works, what waits, the endpoints and their limits, the schedules."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ruie.db.activity import alive
from ruie.db.batch_standing import count_waiting
from ruie.db.engine import reading, shown_url
from ruie.db.holders import waiting
from ruie.db.provider_batches import listed
from ruie.db.targets import ModelStanding
from ruie.db.throughput import Hour, last_hour
from ruie.secrets import masked
from ruie.worker.embedded.only_one import running_in
from ruie.worker.limits.types import Limits
from ruie.worker.limits.usage import LimitUsage, read_usage
from ruie.worker.schedules import Schedules
from ruie.worker.web.chart import Chart, chart
from ruie.worker.web.door import Door
from ruie.worker.web.fleet_processes import read_processes
from ruie.worker.web.pages import door, redirect, render

LIVE_S = 3
RUNS = 50
NAMES = {"r": "requests a minute", "i": "input tokens a minute", "o": "output tokens a minute",
         "t": "tokens a minute"}  # fmt: skip  # of the limiter's dimensions


@dataclass(frozen=True, slots=True)
class Bound:
    """A limit and how much of it is used now."""

    name: str
    used: float
    most: float


@dataclass(frozen=True, slots=True)
class Target:
    """An endpoint and model, with all that is known of it. usage: None where Redis has nothing of
    it, or cannot be asked. charts: of the last hour, each with its title."""

    endpoint: str
    model: str
    usage: LimitUsage | None
    bounds: tuple[Bound, ...]
    charts: tuple[tuple[str, Chart], ...]
    calls_per_second: float
    standings: tuple[ModelStanding, ...]


def fleet(request: Request) -> Response:
    """All of it; asked by its own page, only what changes."""
    web = door(request)
    values = web.kept.get("fleet", lambda: _now(web))
    fragment = request.headers.get("hx-request") == "true"
    schedules = [] if fragment else Schedules(web.client).listed()
    template = "fleet_live.html" if fragment else "fleet.html"
    return render(request, template, **values, schedules=schedules, every_s=LIVE_S)


def _now(web: Door) -> dict[str, Any]:
    with reading(web.engine) as conn:
        now = alive(conn)
        values: dict[str, Any] = {
            "alive": now,
            "processes": read_processes(conn, now.coordinator),
            "waiting": waiting(conn),
            "batches": listed(conn, only_open=True),
            "requests_waiting": count_waiting(conn),
        }
        hours = last_hour(conn, settled=web.settled)
    values["targets"], values["redis"] = _targets(web, hours)
    return values | {
        "away": web.client.endpoints_away(),
        "here": running_in(web.config.home),
        "host": socket.gethostname(),
        "database": shown_url(web.engine),
    }


def _targets(web: Door, hours: Sequence[Hour]) -> tuple[list[Target], str]:
    """What was called in the last hour, or is known of the settings' endpoint; and how Redis is."""
    models = web.client.models()
    by_target = {(hour.endpoint, hour.model): hour for hour in hours if hour.endpoint}
    names = dict.fromkeys([*by_target, *((each.endpoint, each.model) for each in models)])
    usages: dict[tuple[str, str], LimitUsage] = {}
    said = "not configured"
    if web.redis is not None:
        try:
            limits = Limits.of(web.config)
            usages = {(u.endpoint, u.model): u for u in read_usage(web.redis, names, limits)}
            said = f"answers at {masked(web.config.redis_url)}"
        except RedisError as error:
            said = f"does not answer: {masked(str(error))}"
    targets = [_target(name, usages.get(name), by_target.get(name), models) for name in names]
    return targets, said


def _target(
    name: tuple[str, str],
    usage: LimitUsage | None,
    hour: Hour | None,
    models: Sequence[ModelStanding],
) -> Target:
    bounds: list[Bound] = []
    per_minute: Mapping[str, int] = usage.per_minute if usage else {}
    if usage is not None:
        bounds = [Bound(NAMES[d], usage.used.get(d, 0), most) for d, most in per_minute.items()]
        if usage.most_in_flight:
            bounds.append(Bound("calls in flight", usage.in_flight, usage.most_in_flight))
    charts = () if hour is None else _charts(hour, usage)
    standings = tuple(each for each in models if (each.endpoint, each.model) == name)
    rate = hour.calls_per_second if hour else 0.0
    return Target(*name, usage, tuple(bounds), charts, rate, standings)


def _charts(hour: Hour, usage: LimitUsage | None) -> tuple[tuple[str, Chart], ...]:
    """What each limit is compared with, minute by minute, with the limit as it is now; input and
    output tokens only where they have limits of their own."""
    limits: Mapping[str, int] = usage.per_minute if usage else {}
    flying = usage.most_in_flight if usage else 0
    labels = [f"{minute.at:%H:%M}" for minute in hour.minutes]
    drawn: list[tuple[str, Chart]] = []

    def draw(title: str, values: Sequence[float], limit: int | None) -> None:
        drawn.append((title, chart(values, labels, title, limit=limit or None)))

    draw("Calls a minute", [m.calls for m in hour.minutes], limits.get("r"))
    draw("Calls in flight, on average", [m.in_flight for m in hour.minutes], flying)
    draw("Tokens a minute", [m.tokens for m in hour.minutes], limits.get("t"))
    if "i" in limits:
        draw("Input tokens a minute", [m.prompt_tokens for m in hour.minutes], limits["i"])
    if "o" in limits:
        draw("Output tokens a minute", [m.completion_tokens for m in hour.minutes], limits["o"])
    return tuple(drawn)


def schedule(request: Request) -> Response:
    """A schedule with its runs."""
    one, runs = Schedules(door(request).client).runs(_name(request), RUNS)
    return render(request, "schedule.html", schedule=one, runs=runs, most=RUNS)


def run_now(request: Request) -> Response:
    Schedules(door(request).client).run(_name(request))
    return _done(request, "It is due now; the coordinator runs it.")


def enable(request: Request) -> Response:
    due = Schedules(door(request).client).enable(_name(request))
    return _done(request, f"It is next due {due:%Y-%m-%d %H:%M} UTC.")


def disable(request: Request) -> Response:
    Schedules(door(request).client).disable(_name(request))
    return _done(request, "It is disabled; a run that has begun continues.")


def _done(request: Request, said: str) -> Response:
    return redirect(request, "schedule", said, schedule=_name(request))


def _name(request: Request) -> str:
    return str(request.path_params["schedule"])


ROUTES = [
    Route("/fleet", fleet, name="fleet"),
    Route("/fleet/schedules/{schedule}", schedule, name="schedule"),
    Route("/fleet/schedules/{schedule}/run", run_now, name="schedule_run", methods=["POST"]),
    Route("/fleet/schedules/{schedule}/enable", enable, name="schedule_on", methods=["POST"]),
    Route("/fleet/schedules/{schedule}/disable", disable, name="schedule_off", methods=["POST"]),
]
