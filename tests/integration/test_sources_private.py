"""No URL leads to what only this machine can reach: real servers on it, by every name they have."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from support.web import WebServer

from ruie.db.jobs import NewInputError
from ruie.db.queue import NewDocument
from ruie.errors import UsageError
from ruie.hosts import checked_hosts
from ruie.worker.ingest.sources import find_sources, read_sources
from ruie.worker.ingest.sources.file_entry import Access

FILES = {"/a.jsonl": b'{"text": "a secret"}\n', "/": b"x"}


@pytest.fixture
def server() -> Iterator[WebServer]:
    with WebServer(FILES) as running:
        yield running


def names_of(port: int) -> list[str]:
    """Spellings that reach this machine."""
    hosts = ("127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1",
             "0.0.0.0", "0", "localhost", "LOCALHOST", "localhost.", "[::ffff:127.0.0.1]",
             "[::1]", "[::ffff:7f00:1]", "127.0.0.1.", "[::]", "[::127.0.0.1]",
             "user:pw@127.0.0.1", "①②⑦.⓪.⓪.①")  # fmt: skip  # a list
    return [f"http://{host}:{port}/a.jsonl" for host in hosts]


def test_no_spelling_of_this_machine_is_read(server: WebServer) -> None:
    port = int(server.url.rsplit(":", 1)[1])
    for url in names_of(port):
        with pytest.raises((UsageError, Exception)) as caught:
            find_sources([url])
        assert getattr(caught.value, "hint", "")  # an error of ours
        assert "pw" not in str(caught.value)
    assert server.requests == []


def test_the_message_says_where_it_leads_and_what_allows_it(server: WebServer) -> None:
    for url in (f"{server.url}/a.jsonl", server.url.replace("127.0.0.1", "localhost") + "/a.jsonl"):
        with pytest.raises(UsageError, match=r"leads to .*which is not a public address") as caught:
            find_sources([url])
        assert "RUIE_ALLOWED_HOSTS" in caught.value.hint
    assert server.requests == []


@pytest.mark.parametrize("allowed", ["127.0.0.1", "127.0.0.0/8", "localhost"])
def test_a_host_that_is_allowed_is_read(server: WebServer, allowed: str) -> None:
    host = "localhost" if allowed == "localhost" else "127.0.0.1"
    url = f"{server.url.replace('127.0.0.1', host)}/a.jsonl"
    access = Access(hosts=tuple(checked_hosts([allowed])))
    (document,) = read_sources(find_sources([url], access=access))
    assert isinstance(document, NewDocument)
    assert document.text == "a secret"


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("target", ["127.0.0.1", "0x7f.1", "0x7f000001", "[::ffff:127.0.0.1]"])
def test_a_redirect_is_not_followed_there(server: WebServer, code: int, target: str) -> None:
    """From a host that is allowed by its name to another on the same machine."""
    port = server.url.rsplit(":", 1)[1]
    moved = {"/moved.jsonl": (code, f"http://{target}:{port}/a.jsonl")}
    with WebServer({}, moved=moved) as first:
        url = f"{first.url.replace('127.0.0.1', 'localhost')}/moved.jsonl"
        with pytest.raises(UsageError, match="not a public address"):
            find_sources([url], access=Access(hosts=("localhost",)))
        assert first.requests
    assert server.requests == []


def test_a_redirect_between_allowed_hosts_is_followed(server: WebServer) -> None:
    with WebServer({}, moved={"/m.jsonl": (302, f"{server.url}/a.jsonl")}) as first:
        access = Access(hosts=("127.0.0.1",))
        (document,) = read_sources(find_sources([f"{first.url}/m.jsonl"], access=access))
    assert isinstance(document, NewDocument)


def test_a_name_whose_address_changes_is_checked_when_it_is_connected_to(
    server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rebinding: public when it is listed, this machine when it is read."""
    real, answers = socket.getaddrinfo, iter(["127.0.0.1"] * 9)

    def look_up(host: str, port: int, *args: int, **options: int) -> object:
        if host == "rebound.test":
            return real(next(answers), port, *args, **options)
        return real(host, port, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    port = server.url.rsplit(":", 1)[1]
    url = f"http://rebound.test:{port}/a.jsonl"
    assert list(read_sources(find_sources([url], access=Access(hosts=("rebound.test",)))))
    met = len(server.requests)
    assert met
    with pytest.raises(UsageError, match=r"rebound.test \(127.0.0.1\)"):
        find_sources([url], access=Access())
    assert len(server.requests) == met


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "local:///etc/passwd", "dir:///etc", "ftp://h/a.jsonl",
        "sftp://h/a.jsonl", "ssh://h/a.jsonl", "git://h/a", "github://o:r@m/a.jsonl",
        "hdfs://h/a.jsonl", "smb://h/a.jsonl", "memory://a.jsonl", "reference://a", "data://x",
        "zip://a.jsonl::file:///tmp/a.zip", "webhdfs://h/a", "dbfs://a", "root://a", "jupyter://a",
        "libarchive://a::/etc/x", "cached://a", "blockcache://a", "arrow_hdfs://h/a", "oci://a",
        "generic://a", "asynclocal:///etc/passwd", "pyscript://a", "box://a", "lakefs://a",
    ],
)  # fmt: skip  # a list
def test_other_protocols_are_refused(url: str) -> None:
    with pytest.raises(UsageError, match=r":// is not read|There is no file") as caught:
        find_sources([url])
    assert caught.value.hint


@pytest.mark.parametrize("url", ["simplecache::{}", "filecache::{}", "tar://a.jsonl::{}",
                                 "{}::file:///etc/passwd", "{}::local:///etc/x"])  # fmt: skip
def test_a_chain_is_no_way_round(server: WebServer, url: str) -> None:
    whole = url.format(f"{server.url}/a.jsonl")
    access = Access(hosts=("127.0.0.1",))
    with pytest.raises(Exception) as caught:  # noqa: PT011  # an error of ours, of either kind
        list(read_sources(find_sources([whole], access=access)))
    assert getattr(caught.value, "hint", "")


def test_a_file_that_moves_between_listing_and_reading(server: WebServer) -> None:
    """What is refused while it is read is a refusal of its source, with the reason."""
    with WebServer({"/b.jsonl": b'{"text": "b"}\n'}) as first:
        url = f"{first.url.replace('127.0.0.1', 'localhost')}/b.jsonl"
        sources = find_sources([url], access=Access(hosts=("localhost",)))
        first.moved["/b.jsonl"] = (302, f"{server.url}/a.jsonl")
        (error,) = read_sources(sources)
    assert isinstance(error, NewInputError)
    assert "not a public address" in error.reason
    assert server.requests == []
