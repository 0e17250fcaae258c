"""Whatever lies in the queue on Redis is a message of ours or is dropped."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from support.damage import damaged
from support.fuzzing import fuzz, mutated
from support.messages import body, sent

from ruie.worker.embedded.redis_server import RedisServer
from ruie.worker.messages import checked


@pytest.mark.timeout(0)
def test_any_message_is_ours_or_dropped(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    server = RedisServer(tmp_path)
    try:
        ours = sent(server.url)
    finally:
        server.stop()
    checked(json.dumps(ours).encode())
    inner = [["0123456789abcdef" * 2, 1], {}, {"callbacks": None, "chain": None}]

    def check(seed: int) -> bool:
        rng = random.Random(seed)
        changed = mutated(ours, rng) if rng.random() < 0.6 else {**ours}
        if rng.random() < 0.4 and isinstance(changed, dict):
            parts = mutated(inner, rng)
            changed["body"] = body(*parts) if isinstance(parts, list) else body(parts)
        raw = json.dumps(changed).encode()
        if rng.random() < 0.4:
            raw = damaged(raw, rng, json.dumps(ours).encode())
        try:
            written = checked(raw)
        except ValueError:
            return False
        assert checked(written) == written
        return True

    ours_or_not = fuzz(request, 4_000, check)
    assert 0 < sum(ours_or_not) < len(ours_or_not)
