"""From settings to a tracer, one for each process that records anything."""

from __future__ import annotations

import atexit
import os
import threading
from importlib.util import find_spec

from ruie.errors import SettingsError, UnavailableError
from ruie.settings import Settings, incoming_trace
from ruie.worker.tracing.spans import UNTRACED, Tracer

NEEDED = ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http")

_lock = threading.Lock()
_opened: dict[tuple[int, bool], Tracer] = {}


def tracer(config: Settings) -> Tracer:
    """This process's tracer; a child never uses its parent's, whose thread it does not have.

    Raises `UnavailableError` where traces are asked for and the extra is not installed, and
    `SettingsError` where OpenTelemetry refuses its own settings.
    """
    if config.traces == "off":
        return UNTRACED
    which = os.getpid(), config.traces == "content"
    with _lock:
        if which not in _opened:
            _opened.clear()  # of the parent, or without content
            _opened[which] = opened = _open(config)
            atexit.register(opened.close)
        return _opened[which]


def close() -> None:
    """Send what this process has recorded, if anything, and end its thread."""
    with _lock:
        closing = [each for (pid, _), each in _opened.items() if pid == os.getpid()]
        _opened.clear()
    for each in closing:
        each.close()


def check(config: Settings) -> None:
    """Say now, and not in each child, why nothing can be recorded. Raises as `tracer` does; leaves
    no thread, so that the process may fork."""
    if config.traces != "off":
        _open(config).close()


def _open(config: Settings) -> Tracer:
    _require()
    from ruie.worker.tracing.export import Exporting
    from ruie.worker.tracing.recording import RecordingTracer

    try:
        exporting = Exporting()
    except (ValueError, OSError, RuntimeError) as error:
        raise SettingsError(
            f"OpenTelemetry refuses its settings: {error}.", "Correct the variables OTEL_…."
        ) from None
    return RecordingTracer(exporting, incoming_trace, content=config.traces == "content")


def _require() -> None:
    try:
        missing = [name for name in NEEDED if find_spec(name) is None]
    except ModuleNotFoundError:  # not even what it is in
        missing = ["opentelemetry"]
    if missing:
        raise UnavailableError(
            "RUIE_TRACES asks for traces, and OpenTelemetry is not installed.",
            'Run: pip install "ruie[otel]"',
        )
