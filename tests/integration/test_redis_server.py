"""The embedded Redis server: for this user alone, and for nothing but messages and limits."""

from __future__ import annotations

import os
from pathlib import Path
from stat import S_IMODE

import pytest
import redis

from ruie.settings import load
from ruie.worker.app import create_app
from ruie.worker.embedded.redis_server import SOCKET_BYTES, RedisServer
from ruie.worker.messages import BATCH_TASK, QUEUE

DEEP = "a folder's name, 50% longer than most; and more # ?"
REFUSED = (
    *("CONFIG SET dir /tmp", "CONFIG SET dbfilename x", "CONFIG REWRITE", "SAVE", "BGSAVE"),
    *("BGREWRITEAOF", "MODULE LIST", "DEBUG SLEEP 0", "SLAVEOF 127.0.0.1 1", "SHUTDOWN NOSAVE"),
    *("REPLICAOF 127.0.0.1 1", "MIGRATE h 1 k 0 1", "ACL SETUSER default +@all", "ACL LIST"),
    *("SYNC", "PSYNC ? -1"),
)


@pytest.mark.parametrize("depth", [0, 1, 4], ids=["near", "odd names", "too deep for a socket"])
def test_only_its_user_reaches_it(tmp_path: Path, depth: int) -> None:
    home = tmp_path.joinpath("h", *[DEEP] * depth)
    server = RedisServer(home)
    try:
        assert len(os.fsencode(server.socket)) <= SOCKET_BYTES + 7
        assert S_IMODE(server.socket.parent.stat().st_mode) == 0o700
        assert server.socket.parent.stat().st_uid == os.getuid()
        assert S_IMODE((home / "redis.log").stat().st_mode) == 0o600
        with redis.Redis.from_url(server.url) as client:
            assert client.ping()
            assert client.info("server")["tcp_port"] == 0
        app = create_app(load(redis_url=server.url))
        app.send_task(BATCH_TASK, args=["b", 0], queue=QUEUE)
        with app.connection_for_read() as connection:
            assert connection.default_channel.queue_declare(QUEUE).message_count == 1
        app.close()
    finally:
        server.stop()
    assert not server.socket.exists()
    assert depth < 4 or not server.socket.parent.exists()


def test_a_folder_that_others_may_enter_holds_no_socket(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    tmp_path.chmod(0o755)
    server = RedisServer(tmp_path)
    server.stop()
    assert server.socket.parent != tmp_path
    assert S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_it_takes_no_value_that_would_fill_a_memory(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    try:
        with redis.Redis.from_url(server.url) as client:
            client.set("a", b"x" * 1_000_000)
            with pytest.raises(redis.exceptions.RedisError):
                client.set("a", b"x" * 2_000_000)
    finally:
        server.stop()


def test_what_administers_a_server_is_out_of_reach(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    try:
        with redis.Redis.from_url(server.url) as client:
            for command in REFUSED:
                with pytest.raises(redis.exceptions.NoPermissionError):
                    client.execute_command(*command.split())
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    finally:
        server.stop()
