"""A folder with broken files in it, as a user of the command meets it."""

from __future__ import annotations

import io
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.usefixtures("upgraded")
@pytest.mark.parametrize("way", [("enqueue",), ("enqueue", "--dry-run"), ("estimate", "--model=m")])
def test_broken_files_cost_themselves(ruie: Run, tmp_path: Path, way: tuple[str, ...]) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("a.txt", "one")
    later = bytearray(archive.getvalue())
    later[later.index(b"PK\1\2") + 6] = 99  # the version that is needed
    (folder / "a.zip").write_bytes(later)
    times = pa.array([253402300800000000, 0], pa.timestamp("us"))
    pq.write_table(pa.table({"text": ["two", "three"], "at": times}), folder / "b.parquet")
    (folder / "c.html").write_bytes(b'<meta charset="undefined">\xe9')
    (folder / "d.tsv").write_text('id\ttext\n1\t"four\n2\tfive\n')
    (folder / "e.jsonl").write_text('{"text": "six", "by": "Bob\\u0000"}\n')

    done = ruie(way[0], "in", "--schema", "news.yaml", *way[1:])
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    refused = {line.split()[1] for line in done.stderr.splitlines() if line.startswith("refused")}
    assert refused == {"in/b.parquet:1", "in/c.html:1"}
    assert "5 documents" in done.stderr + done.stdout
