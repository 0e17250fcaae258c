"""Values that a query on PostgreSQL returns, made such as SQLite would return them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def size_of(row: Sequence[Any]) -> int:
    """Bytes of a row, roughly."""
    return sum(len(value) if isinstance(value, str | bytes) else 16 for value in row)


def load_plain_values(connection: Any) -> None:
    """Load values of types that SQLite does not have as SQLite would return them."""
    from psycopg.adapt import Loader  # the driver is needed for PostgreSQL alone
    from psycopg.types.string import TextLoader

    class Time(Loader):
        def load(self, data: Any) -> str:
            moment = bytes(data).decode().removesuffix("+00")
            whole, _, fraction = moment.partition(".")
            return f"{whole}.{fraction:0<6}"

    class Number(Loader):
        def load(self, data: Any) -> int | float | str:
            # A sum of integers is a whole number, and none of a cost is: that has nine digits.
            written = bytes(data)
            if not written.lstrip(b"-").isdigit():
                return float(written)
            # Python refuses to read a number of more than 4,300 digits.
            return int(written) if len(written) < 4000 else written.decode()

    class Truth(Loader):
        def load(self, data: Any) -> int:
            return int(bytes(data) == b"t")

    connection.adapters.register_loader("numeric", Number)
    connection.adapters.register_loader("bool", Truth)
    for name in ("timestamptz", "timestamp"):
        connection.adapters.register_loader(name, Time)
    for name in ("json", "jsonb", "date", "time", "interval", "uuid"):
        connection.adapters.register_loader(name, TextLoader)
