"""Files of every kind, damaged at random: no error gets out, the good neighbours are read, and what
is lost is refused."""

from __future__ import annotations

import gzip
import io
import json
import random
import shutil
import zipfile
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.damage import damaged
from support.fuzzing import fuzz
from support.office import docx_file, pdf_file

from ruie.db.jobs import NewInputError
from ruie.db.queue import NewDocument
from ruie.db.types import storable
from ruie.worker.ingest.sources import find_sources

TEXTS = ["Öl fiel.", "Shell owns Pernis.", 'He said "no".', "石油価格", "🛢 rose\nagain."]


def parquet() -> bytes:
    made = io.BytesIO()
    columns = {
        "text": TEXTS,
        "id": [1.0, 2.0, None, 4.0, 5.0],
        "at": [datetime(2026, 3, day) for day in range(1, 6)],
        "tags": [["a"], [], None, ["b", "c"], ["d"]],
    }
    pq.write_table(pa.table(columns), made, row_group_size=2)
    return made.getvalue()


def archive(members: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return made.getvalue()


def good() -> dict[str, bytes]:
    """A file of each kind, by its name."""
    rows = [{"id": n, "text": text, "by": {"a": [n]}} for n, text in enumerate(TEXTS)]
    jsonl = "".join(json.dumps(row, ensure_ascii=n % 2 == 0) + "\n" for n, row in enumerate(rows))
    quoted = [text.replace('"', '""') for text in TEXTS]
    page = "".join(f"<div><p>{text}<table><tr><td>x</table></div>" for text in TEXTS)
    note = "---\ntitle: x\n---\n" + "".join(f"- {text}\n  > deep\n" for text in TEXTS)
    files = {
        "a.jsonl": jsonl.encode(),
        "a.csv": ("id,text\n" + "".join(f'{n},"{t}"\n' for n, t in enumerate(quoted))).encode(),
        "a.tsv": ("id\ttext\n" + "".join(f'{n}\t"{t}"\n' for n, t in enumerate(quoted))).encode(),
        "a.txt": "\n".join(TEXTS).encode(),
        "b.txt": "\n".join(TEXTS).encode("utf-16"),
        "a.md": note.encode(),
        "a.html": f"<meta charset=utf-8><title>x</title>{page}".encode(),
        "b.html": ("<meta charset=shift_jis><p>" + "石油価格" * 9).encode("shift_jis"),
        "a.parquet": parquet(),
        "a.pdf": pdf_file([["Oil fell.", "Shell owns Pernis."], ["Brent rose."]], title="Oil"),
        "a.docx": docx_file("".join(f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>" for text in TEXTS)),
    }
    return {
        **files,
        "b.jsonl.gz": gzip.compress(files["a.jsonl"]),
        "c.jsonl.zst": pa.Codec("zstd").compress(files["a.jsonl"], asbytes=True),
        "d.csv.gz": gzip.compress(files["a.csv"]),
        "a.zip": archive({name: files[name] for name in ("a.jsonl", "a.txt", "a.parquet")}),
        "b.zip": archive({name: files[name] for name in ("a.csv", "a.html", "b.txt")}),
    }


FILES = good()


def check(folder: Path, seed: int) -> tuple[int, int]:
    """One damaged file of each kind between good ones, in the folder and in an archive. Returns how
    many documents and refusals the damaged ones gave."""
    rng = random.Random(seed)
    (folder / "0.txt").write_text("first")
    (folder / "zz.txt").write_text("last")
    broken = {}
    for name, content in FILES.items():
        other = rng.choice(list(FILES.values()))
        broken[name] = damaged(content, rng, other)
        (folder / name).write_bytes(broken[name])
    members = {f"in/{name}": raw for name, raw in broken.items() if not name.endswith(".zip")}
    packed = archive({"0.txt": b"first member", **members, "zz.txt": b"last member"})
    (folder / "c.zip").write_bytes(packed)

    texts: set[str] = set()
    counted = refused = 0
    for source in find_sources([folder], max_chars=10_000):
        rows = list(source.read())
        assert rows or source.name.endswith((".jsonl", ".csv", ".tsv", ".parquet", ".gz", ".zst"))
        assert not source.unreadable or isinstance(rows[-1], NewInputError)
        for row in rows:
            if isinstance(row, NewInputError):
                assert row.reason.strip()
                assert "\n" not in row.reason
                refused += 1
                continue
            assert isinstance(row, NewDocument)
            assert row.text.strip()
            storable(row.text).encode()
            json.dumps(row.metadata, allow_nan=False, ensure_ascii=False).encode()
            texts.add(row.text)
            counted += 1
    assert {"first", "last", "first member", "last member"} <= texts
    return counted, refused


def test_the_files_are_good_before_they_are_damaged(tmp_path: Path) -> None:
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    rows = [row for source in find_sources([tmp_path]) for row in source.read()]
    assert [row for row in rows if isinstance(row, NewInputError)] == []
    assert len(rows) > 40


@pytest.mark.timeout(0)
def test_no_damage_costs_a_neighbour(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> None:
    def damage(seed: int) -> tuple[int, int]:
        folder = tmp_path_factory.mktemp("seed")
        found = check(folder, seed)
        shutil.rmtree(folder)
        return found

    results = fuzz(request, 60, damage)
    assert sum(counted for counted, _ in results) > 20 * len(results)
    assert sum(refused for _, refused in results) > 5 * len(results)
