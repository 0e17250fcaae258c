"""Which process holds the other end of a local connection (Linux, from /proc)."""

from __future__ import annotations

from pathlib import Path


def peer_process(port: int) -> int | None:
    """The process whose socket of the loopback interface has `port` as its own."""
    inode = ""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[1].rsplit(":", 1)[1], 16) == port and fields[9] != "0":
            inode = fields[9]
    if not inode:
        return None
    for folder in Path("/proc").glob("[0-9]*/fd"):
        try:
            if any(str(fd.readlink()) == f"socket:[{inode}]" for fd in folder.iterdir()):
                return int(folder.parent.name)
        except OSError:
            continue  # it ended meanwhile, or is not ours
    return None


def children(pid: int) -> list[int]:
    """The processes that `pid` started, and that live."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found
