"""What a process has mapped of a file, told by a child that searched the file's index."""

from __future__ import annotations

from multiprocessing.connection import Connection
from pathlib import Path

from ruie.bundle.index import Index, Vectors
from ruie.bundle.manifest import Partition


def search_and_tell(index: Index, part: Partition, queries: Path, pipe: Connection) -> None:
    """Search, and when told to, send what the map of the index takes: kB by name.

    A function of an importable module and a path: what is sent to a spawned child must be small,
    since its parent waits for ever where the child ends before it has read everything.
    """
    import numpy as np

    vectors: Vectors = np.load(queries)
    index.search(vectors, 8, part)
    pipe.send("searched")
    pipe.recv()
    _, _, region = Path("/proc/self/smaps").read_text().partition("shared.faiss\n")
    lines = [line.split() for line in region.splitlines()[:24]]
    pipe.send({line[0]: int(line[1]) for line in lines if line[-1] == "kB"})
