"""Sources at URLs, through fsspec: whatever a file system raises is an `OSError` of the source, and
no credential of a URL is shown or stored."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, BinaryIO, cast

from ruie.errors import UnavailableError, UsageError
from ruie.secrets import digest, without_credentials
from ruie.worker.ingest.sources.file_entry import FileEntry, lost_entry
from ruie.worker.ingest.sources.public_http import private_address, public_client

EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs", "az": "azure", "abfs": "azure",
          "abfss": "azure", "http": "http", "https": "http"}  # fmt: skip  # a table
KNOWN = f"Give a path, or a URL of {', '.join(f'{name}://' for name in EXTRAS)}."
HINTS = {"file": "Give the path alone, without file://."}
BUFFER = 1 << 18


def _file_system(
    protocol: str, url: str, hosts: Sequence[str], *, fresh: bool = False
) -> tuple[Any, str]:
    """fsspec's file system and the path in it, by the protocol alone: in a URL for `url_to_fs`,
    `::` would chain others, some of which read this machine's files or run programs. fresh: an
    instance that no other call shares."""
    import fsspec

    kind = fsspec.get_filesystem_class(protocol)
    options = kind._get_kwargs_from_urls(url)
    if fresh:
        options["skip_instance_cache"] = True
    if protocol in ("http", "https"):
        options["get_client"] = public_client(hosts)
        options["skip_instance_cache"] = True  # another call may allow other hosts
    return kind(**options), kind._strip_protocol(url)


def remote(url: str, urls: dict[str, str], hosts: Sequence[str] = ()) -> Iterator[FileEntry]:
    """The files that a URL names. urls: by name, of the entries so far; it is extended. Two objects
    never have one name. hosts: those that may be read although their addresses are not public.
    Raises `UsageError`, `UnavailableError`."""
    protocol, shown = url.split("://")[0], without_credentials(url)
    if protocol not in EXTRAS:
        raise UsageError(f"{protocol}:// is not read: {shown}.", HINTS.get(protocol, KNOWN))
    lost: dict[str, Exception] = {}
    try:
        fs, path = _file_system(protocol, url, hosts)
        if "*" in path or url.endswith("/") or (info := fs.info(path))["type"] == "directory":
            # an instance of its own: shared ones keep old listings
            fs, path = _file_system(protocol, url, hosts, fresh=True)
            infos, listed = _list(fs, "glob" if "*" in path else "find", path, lost), True
        else:
            infos, listed = {path: info}, False
    except ImportError as error:
        extra = EXTRAS.get(protocol, protocol)
        hint = f"Install it: pip install 'ruie[{extra}]'."
        raise UnavailableError(f"Reading {protocol}:// is not installed.", hint) from error
    except Exception as error:  # each file system has its own errors
        # not "from error": its message has the whole URL
        if refused := private_address(error):
            hint = "Allow the host by RUIE_ALLOWED_HOSTS if it is meant to be read."
            raise UsageError(f"{shown} is not read: {refused}.", hint) from None
        if _is_missing(error):
            raise UsageError(f"There is no {shown}.", "Check the address.") from None
        cause = without_credentials(str(error.__cause__ or error))
        raise UnavailableError(f"{shown} cannot be reached: {cause}.", "Check it.") from None
    for key in sorted(infos):
        if infos[key].get("type") != "directory":
            full = key if "://" in key else f"{protocol}://{key.lstrip('/')}"
            name = without_credentials(full)
            if urls.setdefault(name, full) != full:  # they differ in what is not shown
                name += f"{'&' if '?' in name else '?'}~{digest(full)}"
            size = infos[key].get("size") or 0
            open_stream = partial(_open, fs, key)
            yield FileEntry(name, _fingerprint(infos[key]), size, open_stream, listed)
    for key in sorted(lost):
        full = key if "://" in key else f"{protocol}://{key.lstrip('/')}"
        shown_error = OSError(without_credentials(str(lost[key].__cause__ or lost[key])))
        yield lost_entry(without_credentials(full), "the folder cannot be listed", shown_error)


def _list(fs: Any, method: str, path: str, lost: dict[str, Exception]) -> dict[str, Any]:
    """The files of `find` or `glob`. lost: it is extended by the folders below the first one that
    could not be listed, where fsspec passes over them or gives up the rest. (Some file systems list
    all at once, and then fail at once.)"""
    name = "_ls" if getattr(fs, "async_impl", False) else "ls"
    list_folder = getattr(fs, name)
    met: list[str] = []

    def note(folder: str, error: Exception) -> list[Any]:
        if len(met) == 1:  # nothing is known at all
            raise error
        lost[str(folder)] = error
        return []

    async def awaited(folder: str, *args: Any, **options: Any) -> Any:
        met.append(folder)
        try:
            return await list_folder(folder, *args, **options)
        except Exception as error:
            return note(folder, error)

    def called(folder: str, *args: Any, **options: Any) -> Any:
        met.append(folder)
        try:
            return list_folder(folder, *args, **options)
        except Exception as error:
            return note(folder, error)

    setattr(fs, name, awaited if name == "_ls" else called)
    try:
        found: dict[str, Any] = getattr(fs, method)(path, detail=True)
    finally:
        setattr(fs, name, list_folder)
    return found


def _is_missing(error: BaseException) -> bool:
    # fsspec raises FileNotFoundError for every HTTP error, with the error itself as its cause
    cause = error.__cause__
    missing = isinstance(cause, FileNotFoundError) or getattr(cause, "status", 0) in (404, 410)
    return isinstance(error, FileNotFoundError) and (cause is None or missing)


def _fingerprint(info: dict[str, Any]) -> str:
    keys = ("ETag", "etag", "LastModified", "last_modified", "Last-Modified", "updated", "mtime")
    versions = [str(info[key]) for key in keys if info.get(key)]
    # a size alone is not enough: another content may have as many bytes
    return "|".join([*versions, str(info.get("size"))]) if versions else ""


@contextmanager
def _open(fs: Any, key: str) -> Iterator[BinaryIO]:
    with _as_os_error():
        # "readahead" holds one block; the default cache of HTTP grows with each seek
        file = fs.open(key, "rb", cache_type="readahead")
        if key.startswith(("http://", "https://")):
            file = _http_file(fs, key, file)
    with io.BufferedReader(_Remote(file), BUFFER) as stream:
        yield cast(BinaryIO, stream)


def _http_file(fs: Any, key: str, file: Any) -> Any:
    """A small file at once; a large one in ranges, so that no connection stays open too long, or,
    where the server does not support them, as one stream that is not seekable."""
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
    """A file of fsspec whose errors, whatever their class, are OSErrors: so errors of the network
    are known from others in reading a source."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        # a server that does not support ranges does not send a size either
        return bool(self._file.seekable()) and getattr(self._file, "size", 0) is not None

    def tell(self) -> int:
        return int(self._file.tell())

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        with _as_os_error():
            return int(self._file.seek(offset, whence))

    def readinto(self, buffer: Any) -> int:
        with _as_os_error():
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            with _as_os_error():
                self._file.close()
        super().close()


@contextmanager
def _as_os_error() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if refused := private_address(error):
            raise OSError(f"{refused}; RUIE_ALLOWED_HOSTS allows a host") from None
        message = without_credentials(f"{type(error).__name__}: {error}".removesuffix(": "))
        raise OSError(message) from None
