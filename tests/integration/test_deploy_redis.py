"""Redis as deploy/compose.yaml starts it, without the container."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import AuthenticationError, ConnectionError, NoPermissionError
from support.commands import ROOT
from support.deployment import SERVICES
from support.waiting import PATIENCE_S, wait_until

from ruie.worker.embedded.redis_server import find_server
from ruie.worker.embedded.stack import free_port
from ruie.worker.preflight import check_redis


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that make-secrets.sh makes."""
    folder = tmp_path_factory.mktemp("deploy")
    script = shutil.copy(ROOT / "deploy/make-secrets.sh", folder)
    subprocess.run([script, "sk-operator"], check=True)
    return folder / "secrets"


@contextmanager
def composed_redis(secrets: Path, port: int) -> Iterator[None]:
    """The server as the service's own command starts it, elsewhere and on another port."""
    shell, option, script = SERVICES["redis"]["command"]
    script = script.replace("$$", "$").replace("/run/secrets", str(secrets))
    script = script.replace("port 6379", f"port {port}\nbind 127.0.0.1")
    path = f"{find_server().parent}:{os.environ['PATH']}"
    process = subprocess.Popen(
        [shell, option, script], env={"PATH": path}, stdout=subprocess.DEVNULL, cwd=secrets.parent
    )
    try:
        yield
    finally:
        process.terminate()  # it reaches the server itself: the shell has become it
        assert process.wait(PATIENCE_S) == 0


def test_redis_wants_its_password_keeps_every_key_and_is_not_administered(secrets: Path) -> None:
    port = free_port()
    with composed_redis(secrets, port):
        client = Redis(port=port, password=(secrets / "redis_password").read_text().strip())
        wait_until(lambda: answers(client))
        assert check_redis(f"redis://:{client.connection_pool.connection_kwargs['password']}"
                           f"@127.0.0.1:{port}/0") == "noeviction"  # fmt: skip  # one call
        assert client.config_get("maxmemory*")["maxmemory"] == str(256 << 20)
        assert client.set("a", "b")
        with pytest.raises(AuthenticationError):
            Redis(port=port).ping()
        for command in ("CONFIG SET dir /tmp", "SAVE", "DEBUG SLEEP 0", "SHUTDOWN", "ACL LIST"):
            with pytest.raises(NoPermissionError):
                client.execute_command(*command.split())  # type: ignore[no-untyped-call]  # redis-py types a part
        client.close()


def answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except ConnectionError:
        return False
