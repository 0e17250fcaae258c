"""The first of the settings: which servers and files there are."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings

from ruie.hosts import checked_hosts
from ruie.packaged import packaged_bundle, packaged_calibration


def checked_folder(path: Path) -> Path:
    """A folder, or nothing yet: whoever enqueues need not have the bundle that workers have."""
    with suppress(OSError):  # one that this user may not see
        if path.exists() and not path.is_dir():
            raise ValueError(f"{path} is not a directory, as a bundle is")
    return path


class ServerSettings(BaseSettings):
    """A part of `ruie.settings.Settings`."""

    database_url: str = Field("sqlite:///ruie.db", description="SQLAlchemy URL of the database")
    database_url_file: str = Field("", description="file that holds the URL, instead of the URL")
    query_database_url: str = Field(
        "",
        description="URL with the login that `ruie db reader` makes, for `ruie query` and "
        "`ruie search`; empty: RUIE_DATABASE_URL",
    )
    query_database_url_file: str = Field(
        "", description="file that holds the URL, instead of the URL"
    )
    query_timeout_s: float = Field(
        300.0,
        ge=0,
        description="seconds that a query may take until its next rows; 0: any time",
    )
    redis_url: str = Field("", description="Redis URL; empty: `ruie up` starts a server")
    redis_url_file: str = Field("", description="file that holds the URL, instead of the URL")
    bundle: Annotated[Path, AfterValidator(checked_folder)] = Field(
        packaged_bundle(), description="directory of the bundle; default: the one included in ruie"
    )
    llm_log_probs: bool = Field(
        True,
        description="ask the endpoint how probable each token of an answer was, as far as it says "
        "so: what the confidence of records is told by best",
    )
    calibration: Path = Field(
        packaged_calibration(),
        description="file of `ruie evaluate --calibration`, by which confidences are told; "
        "default: the one included in ruie",
    )
    home: Path = Field(
        Path(".ruie"),
        description="directory of the embedded Redis and of logs, created when needed",
    )
    cache_dir: Path = Field(
        Path("~/.cache/ruie"), description="directory of converted local models"
    )
    allowed_hosts: Annotated[list[str], AfterValidator(checked_hosts)] = Field(
        [],
        description="hosts and networks that sources may be read from although their addresses "
        'are not public (a JSON list, such as ["files.corp.example", "10.1.0.0/16"])',
    )
    outside_links: bool = Field(
        False, description="read files that symbolic links in a folder or pattern find outside it"
    )
    model_code: bool = Field(
        False, description="run the Python code that a model brings, in `ruie bundle`"
    )
