"""What lies on the queue and is not ours is dropped, with a line, and ends nothing."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis
from support.databases import Server
from support.endpoint import ScriptedEndpoint, answer
from support.fleet import Fleet
from support.messages import BATCH, LIST, foreign, sent
from support.waiting import wait_until

from ruie.schema import Schema
from ruie.settings import load
from ruie.worker.app import MESSAGE_PRIORITY, create_app
from ruie.worker.broker import broker_url
from ruie.worker.embedded.redis_server import RedisServer
from ruie.worker.messages import QUEUE, checked

SCHEMA = Schema("names", entities={"person": ""})
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def ours(redis_url: str) -> dict[str, Any]:
    return sent(redis_url)


def test_what_the_coordinator_sends_is_ours_and_nothing_else_stays(ours: dict[str, Any]) -> None:
    extra = {**ours, "headers": {**ours["headers"], "compression": "zlib", "new": [1]}, "more": 1}
    assert checked(json.dumps(extra).encode()) == checked(json.dumps(ours).encode())
    taken = json.loads(checked(json.dumps(ours).encode()))
    assert json.loads(base64.b64decode(taken["body"]))[0] == [BATCH, 1]
    assert "compression" not in taken["headers"]
    assert taken["headers"]["id"] == ours["headers"]["id"]


def test_every_other_is_refused(ours: dict[str, Any]) -> None:
    for message in foreign(ours, seed=1, count=1000):
        with pytest.raises(ValueError, match=r"^\S.{3,200}$"):
            checked(message)


@given(data=st.data())
def test_a_changed_message_is_refused_or_as_good_as_ours(
    ours: dict[str, Any], data: st.DataObject
) -> None:
    changed = {**ours, "headers": {**ours["headers"]}, "properties": {**ours["properties"]}}
    within = changed[part] if (part := data.draw(st.sampled_from(["headers", "properties", ""])))\
        else changed  # fmt: skip
    within[data.draw(st.sampled_from(sorted(within)) | st.text(max_size=9))] = data.draw(JSON)
    good = json.loads(checked(json.dumps(ours).encode()))
    try:
        taken = json.loads(checked(json.dumps(changed).encode()))
    except ValueError:
        return
    assert taken["body"] == good["body"]
    assert {k: v.keys() for k, v in taken.items() if isinstance(v, dict)} == {
        k: v.keys() for k, v in good.items() if isinstance(v, dict)
    }


@given(st.binary(max_size=300))
def test_any_bytes_are_refused(message: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # whatever it says of them
        checked(message)


def test_a_consumer_without_an_event_loop_drops_them_too(url: str, ours: dict[str, Any]) -> None:
    app = create_app(load(redis_url=url))
    with Redis.from_url(url) as client, app.connection_for_read() as connection:
        channel = connection.default_channel
        client.lpush(LIST, b"[]")
        assert channel.basic_get(QUEUE, no_ack=True) is None
        client.lpush(LIST, json.dumps(ours))
        assert channel.basic_get(QUEUE, no_ack=True).payload[0] == [BATCH, 1]
    app.close()


def test_what_was_taken_is_put_back_or_lost_but_written_to_no_file(
    ours: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (temporary := tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    server = RedisServer(tmp_path)
    app = create_app(load(redis_url=server.url))
    try:
        with Redis.from_url(server.url) as client:
            client.lpush(LIST, json.dumps(ours))
            with app.connection_for_read() as connection:
                assert connection.default_channel.basic_get(QUEUE).payload[0] == [BATCH, 1]
                assert client.llen(LIST) == 0
            assert sum(client.llen(key) for key in client.keys(f"{LIST}*")) == 1
            with app.connection_for_read() as connection:
                while not connection.default_channel.basic_get(QUEUE):
                    pass
                server.stop()
        assert list(temporary.iterdir()) == []
    finally:
        app.close()
        server.stop()


@pytest.fixture
def fleet(sqlite_server: Server, bundle_path: Path, tmp_path: Path) -> Iterator[Fleet]:
    url = sqlite_server.current()
    with (
        ScriptedEndpoint(answer("person: Ada")) as endpoint,
        Fleet(tmp_path, url, bundle_path, endpoint.url) as running,
    ):
        yield running
    sqlite_server.drop(url)


def test_a_worker_and_its_coordinator_outlive_them(fleet: Fleet) -> None:
    """Random messages, on the lists of all classes; jobs before, between and after them."""
    ours = sent(fleet.redis.url)
    messages = foreign(ours, seed=2, count=300)
    lists = [LIST, *(f"{LIST}\x06\x16{step}" for step in MESSAGE_PRIORITY.values() if step)]
    coordinator, worker = fleet.start("coordinator"), fleet.start("worker")
    for part in (messages[:100], messages[100:]):
        with Redis.from_url(fleet.redis.url) as client:
            for n, message in enumerate(part):
                client.lpush(lists[n % len(lists)], message)
        job = fleet.client.enqueue([{"text": f"Ada {len(part)}"}], SCHEMA).job_id
        fleet.wait_done(job)
    wait_until(lambda: worker.output().count(" that is not ours: ") == len(messages))
    assert worker.alive
    assert coordinator.alive
    assert "Traceback" not in worker.output() + coordinator.output()


def test_a_unix_socket_is_named_as_kombu_wants_it() -> None:
    assert broker_url("redis://:p@h:1/2") == "redis://:p@h:1/2"
    assert broker_url("unix:///a%20b/r.sock") == "redis+socket:///a%20b/r.sock?virtual_host=0"
    assert broker_url("unix://u:p@/r?db=3") == "redis+socket://u:p@/r?virtual_host=3"
