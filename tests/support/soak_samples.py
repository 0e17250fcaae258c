"""What the processes of a fleet hold at one moment: memory, threads, file handles, connections,
temporary files, the database. Linux, from /proc."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError
from support.peers import children
from support.scene import Scene

_DATABASE = """SELECT pg_database_size(current_database()) AS bytes, pg_backend_pid() AS pid,
(SELECT temp_files FROM pg_stat_database WHERE datname = current_database()) AS temp_files,
(SELECT SUM(n_dead_tup) FROM pg_stat_user_tables) AS dead_rows,
(SELECT COUNT(*) FROM work_items WHERE state IN ('pending', 'leased', 'retry', 'submitted'))
AS open_items"""
_CONNECTIONS = """SELECT application_name, COUNT(*) FROM pg_stat_activity
WHERE datname = current_database() GROUP BY application_name"""


@dataclass(frozen=True)
class Held:
    """By one process. pss: its share of what it shares with others. deleted: files that it holds
    open although they are gone. cpu_s: since it began."""

    role: str
    pid: int
    rss_kb: int
    pss_kb: int
    threads: int
    fds: int
    sockets: int
    deleted: int
    cpu_s: float


def held(role: str, pid: int) -> Held | None:
    """None where the process has ended."""
    folder = Path(f"/proc/{pid}")
    try:
        memory = _fields(folder / "smaps_rollup")
        threads = _fields(folder / "status")["Threads"]
        ticks = _stat(pid)[11:13]
        targets = [str(fd.readlink()) for fd in (folder / "fd").iterdir()]
    except (OSError, KeyError):
        return None
    return Held(
        role, pid, memory["Rss"], memory["Pss"], threads, len(targets),
        sum(target.startswith("socket:") for target in targets),
        sum(target.endswith(" (deleted)") for target in targets),
        sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK"),
    )  # fmt: skip  # the fields in their order


def _fields(file: Path) -> dict[str, int]:
    pairs = (line.split(":", 1) for line in file.read_text().splitlines() if ":" in line)
    return {
        name: int(value.split()[0]) for name, value in pairs if value.split()[:1] != []
        and value.split()[0].isdigit()
    }  # fmt: skip  # numbers alone


def _stat(pid: int) -> list[str]:
    """From the process's state on."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()


def parent(pid: int) -> int:
    return int(_stat(pid)[1])


class Sampler:
    """Takes samples of one scene. roles: of the processes that run now, by their part's name;
    temporary: the folder that is TMPDIR of all of them."""

    def __init__(self, scene: Scene, temporary: Path) -> None:
        self._scene = scene
        self._temporary = temporary
        self._began = time.monotonic()

    @property
    def now(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began

    def sample(self, roles: Mapping[str, int]) -> dict[str, Any]:
        processes = [held(role, pid) for role, pid in roles.items()]
        for role, pid in roles.items():
            processes += [held(f"{role}'s child", child) for child in children(pid)]
        return {
            "t": round(self.now, 1),
            "load": os.getloadavg()[0],
            "processes": [asdict(one) for one in processes if one is not None],
            "postgresql": _postgresql(self._scene.engine),
            "redis": _redis(self._scene.fleet.redis.url),
            "temporary": _weight(self._temporary),
            "folder": _weight(self._scene.fleet.folder),
        }


def _postgresql(engine: Engine) -> dict[str, Any]:
    """Empty where the server is away."""
    try:
        with engine.connect() as conn:
            found = dict(conn.execute(text(_DATABASE)).mappings().one())
            connections = {row[0]: int(row[1]) for row in conn.execute(text(_CONNECTIONS))}
    except SQLAlchemyError:
        return {}
    server = parent(found.pop("pid"))
    everyone = [held("postgresql", pid) for pid in (server, *children(server))]
    alive = [one for one in everyone if one is not None]
    return {
        **{name: int(value) for name, value in found.items()},
        "pid": server,
        "connections": connections,
        "processes": len(alive),
        "pss_kb": sum(one.pss_kb for one in alive),
        "fds": sum(one.fds for one in alive),
    }


def _redis(url: str) -> dict[str, Any]:
    try:
        with Redis.from_url(url) as client:
            info: Any = client.info()
            keys: Any = client.dbsize()
    except RedisError:
        return {}
    process = held("redis", info["process_id"])
    return {
        "pid": info["process_id"],
        "used_kb": info["used_memory"] // 1024,
        "clients": info["connected_clients"],
        "keys": keys,
        "pss_kb": process.pss_kb if process else 0,
        "fds": process.fds if process else 0,
    }


def _weight(folder: Path) -> dict[str, int]:
    files = size = 0
    for file in folder.rglob("*"):
        try:
            if file.is_file():
                files, size = files + 1, size + file.stat().st_size
        except OSError:
            continue  # it is gone
    return {"files": files, "bytes": size}
