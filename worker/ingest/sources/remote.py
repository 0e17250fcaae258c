"""Sources at URLs, through fsspec: whatever a file system raises is told as a source that breaks
off, and no credential of a URL is shown or stored."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, BinaryIO, cast
from urllib.parse import unquote

from ruie.errors import UnavailableError, UsageError
from ruie.worker.ingest.sources.file_entry import Place

EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs", "az": "azure", "abfs": "azure",
          "abfss": "azure", "http": "http", "https": "http"}  # fmt: skip
BUFFER = 1 << 18

# What gives access says who may read, and not what: signed URLs of S3, Google Cloud Storage,
# CloudFront and Azure, and parameters of such names.
_ACCESS = re.compile(
    r"x-(amz|goog)-.*|awsaccesskeyid|googleaccessid|signature|sig"
    r"|.*(token|secret|passw(or)?d|pwd|auth|credential|api[-_]?key|access[-_]?key|session|jwt).*",
    re.IGNORECASE,
)
_BESIDE_A_SIGNATURE = re.compile(
    r"expires|policy|key-pair-id|s(e|p|v|r|s|t|rt|pr|ip|kt|ke|ks|kv|koid|ktid|dd)", re.IGNORECASE
)
_EITHER = re.compile(
    r"key|code", re.IGNORECASE
)  # some say so to an object's name, some to a secret
# a user without a password is one: elsewhere than in HTTP it may be a container
_USER = re.compile(r"(?<=://)[^/\s?#@:]*:[^/\s?#]*@|((?<=http://)|(?<=https://))[^/\s?#]*@")
_QUERY = re.compile(r"\?([^\s'\"<>?]+)")


def without_credentials(text: str) -> str:
    """A URL, or words with URLs in them, without user, password, and what signs."""
    return _QUERY.sub(_unsigned, _USER.sub("", text))


def _unsigned(query: re.Match[str]) -> str:
    parts = [(unquote(part.partition("=")[0]), part) for part in query[1].split("&")]
    signed = any(name.lower() in ("sig", "signature") for name, _ in parts)
    kept = []
    for name, part in parts:
        if _ACCESS.fullmatch(name) or (signed and _BESIDE_A_SIGNATURE.fullmatch(name)):
            continue
        kept.append(f"{name}=~{_digest(part)}" if _EITHER.fullmatch(name) else part)
    return f"?{'&'.join(kept)}" if kept else ""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def remote(url: str, names: dict[str, str]) -> Iterator[Place]:
    """The files that a URL names. names: those given so far, with their URLs; two objects have two
    names. Raises `UsageError`, `UnavailableError`."""
    import fsspec

    protocol, shown = url.split("://")[0], without_credentials(url)
    try:
        fs, path = fsspec.core.url_to_fs(url)
        if "*" in path:
            infos, folder = fs.glob(path, detail=True), True
        elif url.endswith("/") or (info := fs.info(path))["type"] == "directory":
            infos, folder = fs.find(path, detail=True), True
        else:
            infos, folder = {path: info}, False
    except ImportError as error:
        extra = EXTRAS.get(protocol, protocol)
        hint = f"Install it: pip install 'ruie[{extra}]'."
        raise UnavailableError(f"Reading {protocol}:// is not installed.", hint) from error
    except Exception as error:  # each file system has errors of its own
        # not "from": the errors' words have the whole URL
        if _is_missing(error):
            raise UsageError(f"There is no {shown}.", "Check the address.") from None
        said = without_credentials(str(error.__cause__ or error))
        raise UnavailableError(f"{shown} cannot be reached: {said}.", "Check it.") from None
    for key in sorted(infos):
        if infos[key].get("type") != "directory":
            full = key if "://" in key else f"{protocol}://{key.lstrip('/')}"
            name = without_credentials(full)
            if names.setdefault(name, full) != full:  # told apart by what is not shown
                name += f"{'&' if '?' in name else '?'}~{_digest(full)}"
            size = infos[key].get("size") or 0
            yield Place(name, _mark(infos[key]), size, partial(_opened, fs, key), folder)


def _is_missing(error: BaseException) -> bool:
    # fsspec says so of every HTTP error, and has the error itself as the cause
    cause = error.__cause__
    missing = isinstance(cause, FileNotFoundError) or getattr(cause, "status", 0) in (404, 410)
    return isinstance(error, FileNotFoundError) and (cause is None or missing)


def _mark(info: dict[str, Any]) -> str:
    keys = ("ETag", "etag", "LastModified", "last_modified", "Last-Modified", "updated", "mtime")
    found = [str(info[key]) for key in keys if info.get(key)]
    # a size alone tells nothing: another content may have as many bytes
    return "|".join([*found, str(info.get("size"))]) if found else ""


@contextmanager
def _opened(fs: Any, key: str) -> Iterator[BinaryIO]:
    with _told():
        # "readahead" holds one block; what HTTP has by default grows when it is sought in
        file = fs.open(key, "rb", cache_type="readahead")
        if key.startswith(("http://", "https://")):
            file = _of_a_web_server(fs, key, file)
    with io.BufferedReader(_Remote(file), BUFFER) as stream:
        yield cast(BinaryIO, stream)


def _of_a_web_server(fs: Any, key: str, file: Any) -> Any:
    """A file as its server gives it: a small one at once, a large one in parts, which no server
    tires of, or else in one stream that cannot be sought in."""
    if file.size is None:
        return file
    if file.size <= file.blocksize:
        with file:
            return io.BytesIO(file.read())
    try:
        file.seek(-1, io.SEEK_END)
        file.read(1)
        file.seek(0)
    except ValueError:
        file.close()
        return fs.open(key, "rb", block_size=0)
    return file


class _Remote(io.RawIOBase):
    """A file of fsspec. Whatever it raises is an OSError here: of the errors in reading a source,
    those of the network are known by where they come from."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        # a server that gives no parts of a file gives no size either
        return bool(self._file.seekable()) and getattr(self._file, "size", 0) is not None

    def tell(self) -> int:
        return int(self._file.tell())

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        with _told():
            return int(self._file.seek(offset, whence))

    def readinto(self, buffer: Any) -> int:
        with _told():
            found = self._file.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def close(self) -> None:
        if not self.closed:
            with _told():
                self._file.close()
        super().close()


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        words = without_credentials(f"{type(error).__name__}: {error}".removesuffix(": "))
        raise OSError(words) from None
