"""Limits shared by the whole fleet, for each endpoint and model.

Requests and tokens a minute and calls in flight; a pause and a slower pace after the provider
throttles; weighted shares between live, normal and backfill jobs. Everything is decided by one Lua
script (script.lua) on Redis's own clock.

Two things hold at once. The window: no 60 s admit more than the limit, exactly, with a second to
spare for what is on its way. The bucket: what the limit allows goes out evenly, a burst's worth
at most at once. When Redis cannot be reached nothing is admitted: calls wait until it is back;
and a Redis that came back empty admits nothing until the coordinator has restored the last minute
from SQL (worker/limits/restore.py).
"""

from ruie.worker.limits.limiter import AdmissionHook, FleetLimiter
from ruie.worker.limits.types import MARKER, UNLIMITED, Limits

__all__ = ["MARKER", "UNLIMITED", "AdmissionHook", "FleetLimiter", "Limits"]
