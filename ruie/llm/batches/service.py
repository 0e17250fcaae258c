"""What ruie needs of a provider's batch endpoint, whichever form that has."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from ruie.errors import CallError


class Phase(StrEnum):
    """What a batch at the provider is to us."""

    RUNNING = "running"
    """It may still answer requests, also where it is being cancelled."""
    ENDED = "ended"
    """It answers no more: completed, expired or cancelled."""
    FAILED = "failed"
    """The provider refused it before it began; nothing is charged."""


@dataclass(frozen=True, slots=True)
class RemoteBatch:
    """A batch as the provider describes it. state: its own word, in lower case. complete: it has
    ended, and was left to carry out every request. token: ours, or "" where the provider keeps
    none. created: seconds since 1970; 0 where it does not say. files: what it has at the provider,
    by purpose (input, output, error). reason: why it failed; too_many_tokens: that is because too
    many are enqueued. answered, failed: requests so far, as it counts them."""

    id: str
    state: str
    phase: Phase
    complete: bool = False
    token: str = ""
    created: float = 0.0
    files: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    too_many_tokens: bool = False
    answered: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a batch's results. status: of HTTP; None where the request never got an answer.
    body: the answer's document, or the error's."""

    custom_id: str
    status: int | None
    body: Any


@dataclass(frozen=True, slots=True)
class NotCreated:
    """The provider is sure not to have made a batch."""

    error: CallError


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """Nobody knows whether the provider has made a batch, or will yet."""

    error: CallError


@dataclass(frozen=True, slots=True)
class Sought:
    """A batch that is sought at the provider. token: with it the custom_ids of its requests end,
    and it is in its metadata, where there are any. since, until: between them it was created,
    seconds since 1970. requests: how many it has. known: ids of other batches."""

    token: str
    since: float
    until: float
    requests: int
    known: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """batches: those with the token, the oldest first. undecided: how many others may have it,
    which shows when they have ended."""

    batches: Sequence[RemoteBatch] = ()
    undecided: int = 0


def oldest_first(listed: Sequence[RemoteBatch]) -> list[RemoteBatch]:
    """A list that begins with the newest, the other way round, also where they are as old."""
    return sorted(listed, key=lambda batch: batch.created, reverse=True)[::-1]


class BatchService(Protocol):
    """A provider's batch endpoint. Every method but `create` raises `CallError`; `create` is asked
    once, and never again by itself."""

    most_requests: int
    """In one batch."""
    most_bytes: int

    def line(self, custom_id: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """A request as it stands in the file."""

    async def stage(self, path: Path, name: str) -> str:
        """Upload a file of such lines, unless one of this name is there; its id. "": requests are
        sent when the batch is created."""

    async def unstage(self, staged: str) -> None:
        """Delete a file that was uploaded: no batch can be made of it from here on."""

    async def create(
        self, staged: str, path: Path, token: str, model: str
    ) -> RemoteBatch | NotCreated | Unconfirmed:
        """Make a batch of the file, all of whose requests are to one model."""

    async def find(self, sought: Sought) -> Found:
        """What there is of a batch, and of what the provider made twice of it."""

    async def get(self, batch_id: str) -> RemoteBatch | None:
        """As it is now; None: the provider has no such batch."""

    async def cancel(self, batch_id: str) -> None:
        """Ask the provider to end it, where that can be asked."""

    def results(self, batch: RemoteBatch, folder: Path) -> AsyncIterator[Line]:
        """What came of it, in any order, by way of files in the folder."""

    async def discard(self, batch: RemoteBatch, *, keep_input: bool = False) -> None:
        """Delete its files, or the batch. keep_input: but for the file of its requests, which
        another has too."""

    async def close(self) -> None:
        """Close the connections."""
