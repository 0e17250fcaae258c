"""Sources at a real web server: connections that are cut, archives, credentials in URLs."""

from __future__ import annotations

import gzip
import io
import random
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.web import WebServer

from ruie.db.jobs import NewInputError
from ruie.db.queue import NewDocument
from ruie.errors import UnavailableError, UsageError
from ruie.secrets import without_credentials
from ruie.worker.ingest.documents import DocumentOrError
from ruie.worker.ingest.sources import FileSource, read_sources
from ruie.worker.ingest.sources import find_sources as find
from ruie.worker.ingest.sources.file_entry import Access

LINES = b"".join(b'{"text": "document %07d of a large file"}\n' % n for n in range(200_000))
CUT = 7_000_000  # after the first block that is asked for, 5 MiB and what is wanted of it


HERE = Access(hosts=("127.0.0.0/8",))


def find_sources(named: Sequence[str | Path]) -> list[FileSource]:
    """The test's own web server is on this machine."""
    return find(named, access=HERE)


def parted(read: list[DocumentOrError]) -> tuple[list[NewDocument], list[NewInputError]]:
    return (
        [one for one in read if isinstance(one, NewDocument)],
        [one for one in read if isinstance(one, NewInputError)],
    )


@pytest.mark.parametrize("parts", [True, False], ids=["asked in parts", "one stream"])
def test_a_connection_that_is_cut_is_one_refusal_of_its_source(parts: bool, tmp_path: Path) -> None:
    (tmp_path / "b.jsonl").write_text('{"text": "another"}\n')
    with WebServer({"/a.jsonl": LINES}, parts=parts, cut_at=CUT) as server:
        sources = find_sources([f"{server.url}/a.jsonl", tmp_path / "b.jsonl"])
        documents, (error,) = parted(list(read_sources(sources)))
    assert len(LINES) > CUT
    read = len(documents) - 1
    assert documents[-1].text == "another"
    assert [d.line for d in documents[:-1]] == list(range(1, read + 1))
    assert read >= 100_000
    assert (error.source, error.line) == (f"{server.url}/a.jsonl", None)
    assert error.reason.startswith(f"breaks off after record {read}: ClientPayloadError: ")
    assert sources[0].unreadable


def test_a_cut_in_a_packed_file_too(tmp_path: Path) -> None:
    rng = random.Random(0)
    texts = [f"document {n} {rng.randbytes(60).hex()}" for n in range(200_000)]
    lines = "".join(f'{{"text": "{text}"}}\n' for text in texts).encode()
    pq.write_table(pa.table({"text": texts}), tmp_path / "a.parquet", row_group_size=20_000)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.jsonl", lines)
    files = {
        "/a.jsonl.gz": gzip.compress(lines, 1),
        "/a.jsonl.zst": pa.Codec("zstd").compress(lines, asbytes=True),
        "/a.zip": packed.getvalue(),
        "/a.parquet": (tmp_path / "a.parquet").read_bytes(),
    }
    for name, content in files.items():
        assert len(content) > CUT
        with WebServer({name: content}, cut_at=CUT) as server:
            (source,) = find_sources([server.url + name])
            documents, (error,) = parted(list(source.read()))
        assert [one.text for one in documents] == texts[: len(documents)], name
        assert len(documents) > 10_000, name
        assert error.reason.startswith(f"breaks off after record {len(documents)}: ClientPayload")
        assert source.unreadable


def test_a_server_that_gives_no_parts_gives_archives_all_the_same(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["one", "two"]}), tmp_path / "a.parquet")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(tmp_path / "a.parquet", "a.parquet")
    files = {"/a.zip": packed.getvalue(), "/a.parquet": (tmp_path / "a.parquet").read_bytes()}
    with WebServer(files, parts=False) as server:
        for name in files:
            read = list(read_sources(find_sources([server.url + name])))
            assert [one.text for one in read if isinstance(one, NewDocument)] == ["one", "two"]


def archive_of(members: int) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(members):
            archive.writestr(f"{number:03}.txt", f"Document {number}.")
        archive.writestr("__MACOSX/001.txt", "nothing")
        archive.writestr("picture.png", "nothing")
    return packed.getvalue()


def test_an_archive_far_away_is_opened_once_for_all_its_members() -> None:
    packed = archive_of(200)
    with WebServer({"/a.zip": packed}) as server:
        sources = find_sources([f"{server.url}/a.zip"])
        documents, errors = parted(list(read_sources(sources)))
        requests = len(server.requests)
        again = list(sources[7].read())
    assert (len(documents), errors) == (200, [])
    assert documents[7].source == f"{server.url}/a.zip!007.txt"
    assert again == [documents[7]]
    assert requests < 8


def test_several_archives_are_not_all_open_at_once(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"{number:02}.zip").write_bytes(archive_of(3))
    before = len(list(Path("/proc/self/fd").iterdir()))
    sources = find_sources([tmp_path])
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 1
    documents, errors = parted(list(read_sources(sources)))
    assert (len(documents), errors) == (60, [])
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 1


SECRET = "do-not-tell"
SHOWN = {
    f"https://u:{SECRET}@h/a.jsonl": "https://h/a.jsonl",
    f"https://{SECRET}@h/a.jsonl": "https://h/a.jsonl",
    f"ftp://u:{SECRET}@h/a.jsonl?id=3": "ftp://h/a.jsonl?id=3",
    "abfss://box@account.dfs/a.jsonl": "abfss://box@account.dfs/a.jsonl",
    "s3://box/a@b:c.jsonl": "s3://box/a@b:c.jsonl",
    f"https://h/a.jsonl?X-Amz-Date=1&X-Amz-Signature={SECRET}&versionId=4":
        "https://h/a.jsonl?versionId=4",
    f"https://h/a.jsonl?X%2DAmz%2DSignature={SECRET}": "https://h/a.jsonl",
    f"https://h/a.jsonl?sv=2026&sp=r&se=2027&sig={SECRET}": "https://h/a.jsonl",
    "https://h/a.jsonl?sp=2&q=oil": "https://h/a.jsonl?sp=2&q=oil",
    f"https://h/a.jsonl?Expires=1&Key-Pair-Id=K&Signature={SECRET}&lang=de":
        "https://h/a.jsonl?lang=de",
    f"https://h/a.jsonl?access_token={SECRET}&api_key={SECRET}": "https://h/a.jsonl",
    f"403, url='https://h/a?sig={SECRET}' (http://u:{SECRET}@h/b)":
        "403, url='https://h/a' (http://h/b)",
}  # fmt: skip  # pairs


@pytest.mark.parametrize(("given", "shown"), SHOWN.items())
def test_credentials_are_not_shown(given: str, shown: str) -> None:
    assert without_credentials(given) == shown
    assert SECRET not in shown


def test_what_may_be_a_secret_or_a_name_is_distinguished_and_not_shown() -> None:
    one, other = (without_credentials(f"https://h/a?key={k}") for k in (SECRET, "b"))
    assert one != other
    assert SECRET not in one + other


def words(sources: list[FileSource]) -> str:
    read = list(read_sources(sources))
    return repr([(source.name, source.fingerprint) for source in sources]) + repr(read)


def test_nothing_that_is_stored_or_printed_has_a_credential() -> None:
    files = {"/a.jsonl": b'{"text": "one"}\n{"id": 1}\n', "/b.txt": b"two", "/c.zip": archive_of(2)}
    with WebServer(files, cut_at=None) as server:
        base = server.url.replace("http://", f"http://u:{SECRET}@")
        given = [f"{base}{name}?X-Amz-Signature={SECRET}&v=1" for name in files]
        sources = find_sources(given)
        printed = words(sources)
        assert SECRET not in printed
        assert f"{server.url}/a.jsonl?v=1" in printed
        assert any(SECRET in path for _, path in server.requests)  # it is used all the same
        server.cut_at = 0
        broken = words(find_sources(given[:1]))
        assert "cannot be read" in broken
        assert SECRET not in broken
        for wrong, kind in ((f"{base}/none.jsonl?sig={SECRET}", UsageError),
                            (f"http://u:{SECRET}@127.0.0.1:1/a.jsonl?sig={SECRET}",
                             UnavailableError)):  # fmt: skip  # pairs
            with pytest.raises(kind) as caught:
                find_sources([wrong])
            assert SECRET not in str(caught.value)


def test_two_objects_have_two_names() -> None:
    with WebServer({"/a.jsonl": b'{"text": "one"}\n'}) as server:
        base = server.url.removeprefix("http://")
        given = [f"http://{who}:x@{base}/a.jsonl?n={n}" for who in "ab" for n in (1, 2)]
        first, second, third, fourth = (source.name for source in find_sources([*given, given[0]]))
    assert (first, second) == (f"{server.url}/a.jsonl?n=1", f"{server.url}/a.jsonl?n=2")
    assert third.startswith(f"{first}&~")
    assert len({first, second, third, fourth}) == 4


def test_a_folder_of_a_web_server_that_cannot_be_listed() -> None:
    def index(*names: str) -> bytes:
        return "".join(f'<a href="{name}">{name}</a>' for name in names).encode()

    files = {"/x/": index("a.txt", "bad/", "good/"), "/x/a.txt": b"a",
             "/x/good": index("c.txt"), "/x/good/c.txt": b"c"}  # fmt: skip  # a site
    with WebServer(files) as server:
        documents, (error,) = parted(list(read_sources(find_sources([f"{server.url}/x/"]))))
    assert {document.text for document in documents} == {"a", "c"}
    assert error.source == f"{server.url}/x/bad"
    assert error.reason.startswith("cannot be read: the folder cannot be listed (")
