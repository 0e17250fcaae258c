"""Probes endpoints that no call reaches, so that the fleet goes on by itself when one is back."""

from __future__ import annotations

import asyncio
import logging
import threading

from sqlalchemy import Engine

from ruie.db import endpoints
from ruie.errors import FatalCallError, RuieError
from ruie.llm import LLMClient, connect
from ruie.settings import Settings

log = logging.getLogger("ruie.coordinator")

PROBE_S = 10.0
"""Time-out of a probe, which lists the endpoint's models."""
TRY_ANYWAY = 6
"""After so many failed probes calls are tried all the same: the workers may reach an endpoint that
the coordinator does not."""


class EndpointProbe:
    """Probes in threads of its own: an endpoint that does not answer holds up no coordinator."""

    def __init__(self, engine: Engine, config: Settings) -> None:
        self._engine = engine
        self._config = config
        self._threads: dict[str, threading.Thread] = {}

    def start(self, due: list[endpoints.Away]) -> None:
        """Begin a probe of each endpoint that is due and is not being probed."""
        for away in due:
            running = self._threads.get(away.endpoint)
            if running is None or not running.is_alive():
                thread = threading.Thread(
                    target=self._probe, args=(away,), name="ruie-probe", daemon=True
                )
                self._threads[away.endpoint] = thread
                thread.start()

    def _probe(self, away: endpoints.Away) -> None:
        error = asyncio.run(self._reach(away.endpoint))
        if error is not None and away.failures % TRY_ANYWAY == 0:
            error = None
        try:
            with self._engine.begin() as conn:
                endpoints.probed(conn, away.endpoint, error)
        except Exception as failure:  # the next round probes again
            log.warning("the probe of %s could not be recorded: %s", away.endpoint, failure)

    async def _reach(self, url: str) -> str | None:
        """Why no request reaches the endpoint; None where one does, whatever it answers."""
        client = connect(self._config, timeout_s=PROBE_S)
        if url != client.base_url:
            client = LLMClient(url, timeout_s=PROBE_S)
        try:
            await client.models()
        except FatalCallError:
            return None
        except RuieError as error:
            return error.message
        finally:
            await client.close()
        return None
