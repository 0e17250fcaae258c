"""`ruie enqueue` of a document of 100 MB: refused with its place, size and the limit, and not held.

The figures of docs/reliability.md are these tests' own.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.peak import Measured, measure

SIZE = 100_000_000
SENTENCE = "Ada went to Rome . "
LIMIT = "2000000 characters (RUIE_MAX_DOCUMENT_CHARS)"
SCHEMA = ("--schema", "news.yaml")


def jsonl(path: Path, text: str) -> None:
    path.write_text(f'{{"text": "{text}"}}\n{{"text": "after"}}\n')


def plain(path: Path, text: str) -> None:
    path.write_text(text)


def csv(path: Path, text: str) -> None:
    path.write_text(f'id,text\n1,"{text}"\n2,after\n')


def parquet(path: Path, text: str) -> None:
    pq.write_table(pa.table({"text": [text, "after"]}), path)


def html(path: Path, text: str) -> None:
    path.write_text(f"<p>{text}</p>")


KINDS: dict[str, tuple[Callable[[Path, str], None], str, float]] = {
    # how it is written, why it is refused, how much more memory than a small one it may take, MB
    "a.jsonl": (jsonl, f":1  has 99999996 bytes, too many for {LIMIT}", 48),
    "a.txt": (plain, f":1  has 99999983 bytes, too many for {LIMIT}", 24),
    "a.csv": (csv, f":1  has 99999988 bytes, too many for {LIMIT}", 24),
    "a.html": (html, f":1  has 99999990 bytes, too many for {LIMIT}", 48),
    # a page of Parquet is decompressed and decoded as a whole
    "a.parquet": (
        parquet,
        ":1  has 99999983 characters, more than 2000000 (RUIE_MAX_DOCUMENT_CHARS)",
        3.3 * 95.4,
    ),
}


IN_THE_GATE = ("a.parquet",)
"""One that is read in pages; those that are read line by line run on demand."""


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        pytest.param(name, kind, id=name, marks=() if name in IN_THE_GATE else pytest.mark.slow)
        for name, kind in KINDS.items()
    ],
)
def test_a_huge_document_is_refused_and_does_not_fill_the_memory(
    tmp_path: Path, name: str, kind: tuple[Callable[[Path, str], None], str, float]
) -> None:
    write, reason, more_mb = kind
    (tmp_path / "news.yaml").write_text("name: news\nentities: [person]\n")
    clean = {k: v for k, v in os.environ.items() if not k.startswith("RUIE_")}

    def ruie(*arguments: str) -> Measured:
        return measure([sys.executable, "-m", "ruie.worker.cli", *arguments], tmp_path, clean)

    assert ruie("db", "upgrade").returncode == 0
    write(tmp_path / f"small-{name}", SENTENCE)
    small = ruie("enqueue", f"small-{name}", *SCHEMA)
    assert small.returncode == 0, small.stderr
    write(tmp_path / name, SENTENCE * (SIZE // len(SENTENCE)))
    large = ruie("enqueue", name, *SCHEMA, "--json")
    print(f"{name}: {large.peak_mb:.0f} MB, a small one {small.peak_mb:.0f} MB")

    printed = json.loads(large.stdout)
    assert [f"{e['source']}:{e['line']}  {e['reason']}" for e in printed["errors"]] == [
        name + reason
    ]
    assert printed["documents"] == large.returncode ^ 1 == (name not in ("a.txt", "a.html"))
    assert large.peak_mb < small.peak_mb + more_mb
