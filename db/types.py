"""Column types and SQL constructs that mean the same on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    DateTime,
    Dialect,
    Double,
    Integer,
    Numeric,
    String,
    Text,
    literal,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

from ruie.secrets import masked, without_known

# SQLite numbers rows by itself only in a column that is declared INTEGER.
BigId = BigInteger().with_variant(Integer(), "sqlite")
# The cost of a call. Sums that decide anything are of whole billionths (db/spend.py).
Usd = Numeric(18, 9, asdecimal=False)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime in UTC. PostgreSQL: timestamptz. SQLite: text that sorts by time,
    `2026-01-31 08:05:09.123000`."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without a zone cannot be stored: {value!r}")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def storable(text: str) -> str:
    """`text` with every character that a database cannot hold replaced by U+FFFD.

    PostgreSQL refuses NUL, and neither database encodes a lone surrogate; models and damaged files
    produce both. Each is replaced by one character, so that offsets stay right.
    """
    if "\x00" in text:
        text = text.replace("\x00", "\ufffd")
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)
    return text


class StorableText(TypeDecorator[str]):
    """Text of any length from outside; what a database cannot store is replaced (`storable`)."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return value if value is None else storable(value)


class MaskedText(TypeDecorator[str]):
    """What was said about a failure, or an endpoint's URL: stored, and read, without secrets.

    answer: a model's, in which only known secrets are masked, as the rest may be the document's.
    """

    impl = Text
    cache_ok = True

    def __init__(self, *, answer: bool = False) -> None:
        super().__init__()
        self.answer = answer

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return value if value is None else storable(self._mask(value))

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        return value if value is None else self._mask(value)  # rows of earlier versions

    def _mask(self, text: str) -> str:
        return without_known(text) if self.answer else masked(text)


class NameKey(TypeDecorator[str]):
    """The key of a name (ruie/names.py). On PostgreSQL it sorts by code point, as on SQLite: so one
    index serves equality, ranges and LIKE 'prefix%'."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        collation = "C" if dialect.name == "postgresql" else None
        return dialect.type_descriptor(Text(collation=collation))

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return value if value is None else storable(value)


class Json(TypeDecorator[Any]):
    """JSON that keeps the order of its keys (so not jsonb, which also refuses U+0000)."""

    impl = JSON(none_as_null=True)
    cache_ok = True


class utcnow(FunctionElement[datetime]):
    """The DATABASE's clock, `offset_seconds` from now; never this machine's, which may be wrong.

    On PostgreSQL it is the time the statement began, which an index can be compared with; on
    SQLite it has a resolution of one millisecond.
    """

    type = UtcDateTime()
    inherit_cache = True

    def __init__(self, offset_seconds: float | ColumnElement[float] | None = None) -> None:
        if offset_seconds is None:
            super().__init__()
        elif isinstance(offset_seconds, ColumnElement):
            super().__init__(offset_seconds)
        else:
            super().__init__(literal(float(offset_seconds), Double()))


@compiles(utcnow, "postgresql")
def _postgresql_now(element: utcnow, compiler: SQLCompiler, **kw: Any) -> str:
    offset = compiler.process(element.clauses, **kw)
    if not offset:
        return "statement_timestamp()"
    return f"(statement_timestamp() + make_interval(secs => CAST({offset} AS double precision)))"


class utcday(FunctionElement[str]):
    """The date in UTC, `2026-01-31`, by the database's clock."""

    type = String()
    inherit_cache = True


@compiles(utcday, "postgresql")
def _postgresql_day(element: utcday, compiler: SQLCompiler, **kw: Any) -> str:
    return "to_char(statement_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD')"


@compiles(utcday, "sqlite")
def _sqlite_day(element: utcday, compiler: SQLCompiler, **kw: Any) -> str:
    return "strftime('%Y-%m-%d', 'now')"


@compiles(utcnow, "sqlite")
def _sqlite_now(element: utcnow, compiler: SQLCompiler, **kw: Any) -> str:
    # Six digits, as SQLAlchemy writes a datetime there: times are compared as text.
    offset = compiler.process(element.clauses, **kw)
    modifier = f", printf('%+.3f seconds', {offset})" if offset else ""
    return f"(strftime('%Y-%m-%d %H:%M:%f', 'now'{modifier}) || '000')"
