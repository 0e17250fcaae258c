"""The one message of the queue: it names a batch. What else lies there is dropped as it is taken.

Celery and kombu trust what a queue holds: of a message without the fields they expect, the error
ends the worker; others name callbacks, times or compressions. So each message is checked, and
written anew from what was checked, before they see it.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
from contextlib import suppress
from typing import Annotated, Any, Literal

from celery.app.amqp import AMQP
from kombu.connection import Connection
from kombu.transport import redis as transport
from kombu.transport import virtual
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from redis import Redis

from ruie.db.jobs import Priority

log = logging.getLogger("ruie.messages")

QUEUE = "ruie"
BATCH_TASK = "ruie.batch"
KEY_PREFIX = "ruie:"
MAX_BYTES = 16_384
"""Ours have about 1,300."""
LOOKED_AT = 10
"""So many messages are looked at to find one that is ours."""

_Id = Annotated[str, Field(pattern=r"^[0-9A-Za-z-]{1,64}$")]


class _Part(BaseModel):
    # What is not listed here never reaches Celery: its later versions may add fields.
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class _Delivery(_Part):
    exchange: Literal[""]
    routing_key: Literal["ruie"]


class _Properties(_Part):
    body_encoding: Literal["base64"]
    correlation_id: _Id
    delivery_info: _Delivery
    delivery_mode: Literal[2]
    delivery_tag: _Id
    priority: Annotated[int, Field(ge=0, le=9)]


class _Headers(_Part):
    lang: Literal["py"]
    task: Literal["ruie.batch"]
    id: _Id
    root_id: _Id
    parent_id: None = None
    eta: None = None
    expires: None = None
    group: None = None
    retries: Literal[0]
    timelimit: Annotated[list[None], Field(min_length=2, max_length=2)]
    ignore_result: bool | None = None


class _Message(_Part):
    body: str
    headers: _Headers
    properties: _Properties
    content_encoding: Literal["utf-8"] = Field(alias="content-encoding")
    content_type: Literal["application/json"] = Field(alias="content-type")


class _Nothing(_Part):
    model_config = ConfigDict(strict=True, extra="forbid")


class _Embed(_Part):
    callbacks: None = None
    errbacks: None = None
    chain: None = None
    chord: None = None


_BatchId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
_Body = TypeAdapter(tuple[tuple[_BatchId, int], _Nothing, _Embed])


def _batch_of(item: bytes) -> str:
    """The batch that a message names. Raises `ValueError` for one that is not ours."""
    message = _Message.model_validate_json(item)
    (batch_id, _), _, _ = _Body.validate_json(base64.b64decode(message.body), strict=True)
    return batch_id


def next_batch(redis: Redis, message_priority: int) -> str | None:
    """The batch whose message is taken next of those of this priority; None: none waits."""
    key = KEY_PREFIX + QUEUE
    if message_priority:
        key += f"{_Channel.sep}{message_priority}"
    items: Any = redis.lrange(key, -LOOKED_AT, -1)  # annotated for an asynchronous client, too
    for item in reversed(items):
        with suppress(ValueError):
            return _batch_of(item)
    return None


def checked(item: bytes) -> bytes:
    """A message as we send it, without anything else. Raises `ValueError` for any other."""
    if len(item) > MAX_BYTES:
        raise ValueError("it is too long")
    try:
        message = _Message.model_validate_json(item)
        (batch_id, priority), _, embed = _Body.validate_json(
            base64.b64decode(message.body, validate=True), strict=True
        )
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        # the names are those of our fields: of what came, nothing is repeated
        where = ".".join(str(part) for part in first["loc"]) or "JSON"
        raise ValueError(f"{where} is not what we send ({first['type']})") from None
    except binascii.Error:
        raise ValueError("its body is not base64") from None
    if priority not in set(Priority):
        raise ValueError("it has no class of jobs")
    body = json.dumps([[batch_id, priority], {}, embed.model_dump()]).encode()
    ours = message.model_copy(update={"body": base64.b64encode(body).decode()})
    return ours.model_dump_json(by_alias=True).encode()


def _ours(item: bytes) -> bytes | None:
    try:
        return checked(item)
    except ValueError as error:
        log.warning("dropped a message of %d bytes that is not ours: %s", len(item), error)
        return None


def _popped(item: bytes | None, **_: Any) -> bytes | None:
    return None if item is None else _ours(item)


def _waited_for(answer: list[bytes] | None, **_: Any) -> tuple[bytes, bytes] | None:
    if not answer:
        return None
    key, item = answer
    ours = _ours(item)
    return None if ours is None else (key, ours)


class _Taken(virtual.QoS):
    def restore_unacked(self) -> list[Any]:
        """Put back what was taken and not begun. Where Redis is away it is lost, and sent again by
        the coordinator: of what is returned here, kombu would write a file that nobody deletes."""
        lost: list[Any] = super().restore_unacked()  # type: ignore[no-untyped-call]  # kombu ships few types
        if lost:
            log.info("%d messages could not be put back; they are sent again", len(lost))
        return []


class _Channel(transport.Channel):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)  # type: ignore[no-untyped-call]  # likewise
        self.QoS = _Taken  # type: ignore[assignment]  # kombu puts it there itself

    def _create_client(self, asynchronous: bool = False) -> Any:
        """A client to which a message that is not ours is as none."""
        client: Any = super()._create_client(asynchronous)  # type: ignore[no-untyped-call]  # kombu ships few types
        client.set_response_callback("RPOP", _popped)
        client.set_response_callback("BRPOP", _waited_for)
        return client


class _Transport(transport.Transport):
    Channel = _Channel


class _Connection(Connection):
    def get_transport_cls(self) -> type[_Transport]:
        return _Transport


class CheckedMessages(AMQP):  # type: ignore[misc]  # Celery ships no types
    """Celery's messaging, with connections that give it nothing but messages of ours."""

    Connection = _Connection
