"""Messages on the queue: one as the coordinator sends it, and what others may put there."""

from __future__ import annotations

import base64
import json
import pickle
import random
from copy import deepcopy
from typing import Any

from redis import Redis

from ruie.settings import load
from ruie.worker.app import create_app
from ruie.worker.messages import BATCH_TASK, QUEUE

LIST = f"ruie:{QUEUE}"
"""The list of the messages of a live job."""
BATCH = "0123456789abcdef" * 2
NOTHING = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
JUNK: tuple[Any, ...] = (
    *(None, [], {}, "", 0, -1, 1e400, True, "x" * 100, [[[]]], {"task": "ruie.batch"}),
    *("2026-01-01", "\x1b]0;x\x07", "‮", 2**70, {"__type__": "datetime", "__value__": "x"}),
)


def sent(url: str) -> dict[str, Any]:
    """A message as the coordinator sends it, taken from the server again."""
    app = create_app(load(redis_url=url))
    app.send_task(BATCH_TASK, args=[BATCH, 1], queue=QUEUE, priority=0, ignore_result=True)
    app.close()
    with Redis.from_url(url) as client:
        message: dict[str, Any] = json.loads(client.rpop(LIST))
    return message


def body(*parts: Any) -> str:
    """The body of a message."""
    return base64.b64encode(json.dumps(parts).encode()).decode()


def foreign(ours: dict[str, Any], seed: int, count: int) -> list[bytes]:
    """Messages that are none of ours: of every kind one, then random changes of ours."""
    rng = random.Random(seed)
    made = [
        *(b"[]", b"{}", b"null", b"0", b'"x"', b"", b"\xff\xfe", b"{", b"[" * 16_000, b"x" * 10**6),
        pickle.dumps(ours),
        json.dumps({**ours, "body": "[]"}).encode(),
        json.dumps({**ours, "body": base64.b64encode(b"[]").decode()}).encode(),
        *(json.dumps({**ours, "body": wrong}).encode() for wrong in _bodies()),
        *(json.dumps(_without(ours, key)).encode() for key in ours),
        *(
            json.dumps({**ours, part: _without(ours[part], key)}).encode()
            for part in ("headers", "properties")
            for key in _NEEDED[part]
        ),
    ]
    while len(made) < count:
        changed = deepcopy(ours)
        part, keys = rng.choice([("headers", _NEEDED["headers"]), ("properties", _TYPED), ("", [])])
        within = changed[part] if part else changed
        key = rng.choice(keys or list(within))
        junk = rng.choice([one for one in JUNK if type(one) is not type(within[key])])
        within[key] = junk
        made.append(json.dumps(changed).encode())
    return made[:count] if count else made


_NEEDED = {
    "headers": ["lang", "task", "id", "root_id", "retries", "timelimit"],
    "properties": ["body_encoding", "correlation_id", "delivery_info", "delivery_tag", "priority"],
}
_TYPED = _NEEDED["properties"]


def _without(part: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in part.items() if name != key}


def _bodies() -> list[str]:
    callback: dict[str, Any] = {
        "task": "ruie.batch",
        "args": [],
        "kwargs": {},
        "options": {},
        "subtask_type": None,
    }
    return [
        body(),
        body([BATCH, 1], {}),
        body([], {}, NOTHING),
        body([BATCH], {}, NOTHING),
        body([BATCH, 7], {}, NOTHING),
        body([BATCH, "1"], {}, NOTHING),
        body([BATCH, True], {}, NOTHING),
        body([BATCH, 1, 1], {}, NOTHING),
        body([[BATCH], 1], {}, NOTHING),
        body([f"{BATCH}\n", 1], {}, NOTHING),
        body([BATCH.upper(), 1], {}, NOTHING),
        body([BATCH, 1], {"x": 1}, NOTHING),
        body([BATCH, 1], {}, {**NOTHING, "callbacks": [callback]}),
        body([BATCH, 1], {}, {**NOTHING, "chain": [callback]}),
        body({"0": BATCH}, {}, NOTHING),
    ]
