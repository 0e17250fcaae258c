"""A query that names a table or column that is not there: what there is, the closest first."""

from __future__ import annotations

import re
import sqlite3

from ruie.closest import closest_first, listed
from ruie.db.catalogue import Relation, relations
from ruie.db.outage import error_text

SHOWN_COLUMNS = 30
"""More columns than any table of ours has, and fewer than fill a screen."""

_UNKNOWN = re.compile(r"no such (table|column): \"?([\w.]{1,200}+)")
_UNDEFINED = {"42P01": "table", "42703": "column"}
_QUOTED = re.compile(r"[\"»«„]([\w.]{1,200}+)[\"»«“]|\b(\w{1,100}+\.\w{1,100}+)")
_NAMED = re.compile(
    # the alias is not consumed: after the last column of a SELECT, what stands there is FROM
    r"(?:\bfrom|\bjoin|,)\s++\"?(\w++)\"?(?=(?:\s++(?:as\s++)?+(\w++))?)",
    re.IGNORECASE,
)


def what_there_is(error: Exception, statement: str) -> str:
    """A hint for a query that the database refused; "" where it refused no name."""
    kind, name = _unknown(error)
    if not name:
        return ""
    table, _, column = name.rpartition(".")
    if kind == "table":
        near = closest_first(column, relations())
        return f"There are {listed(near)}; `ruie tables` lists them all."
    asked = _asked(statement, table)
    if not asked:
        return "`ruie tables` lists the tables and views, `ruie tables NAME` the columns of one."
    names = " and ".join(one.name for one in asked)
    text = f"Text stands in single quotes: '{column}'. " if f'"{column}"' in statement else ""
    columns = dict.fromkeys(column.name for one in asked for column in one.columns)
    near = closest_first(column, columns)
    return (
        f"{text}The columns of {names} are {listed(near, SHOWN_COLUMNS)};"
        f" `ruie tables {asked[0].name}` says what they mean."
    )


def _unknown(error: Exception) -> tuple[str, str]:
    """`table` or `column`, and the name that is not there; two empty texts for other errors."""
    text = error_text(error)
    if isinstance(error, sqlite3.Error):
        found = _UNKNOWN.match(text)
        return (found[1], found[2]) if found else ("", "")
    kind = _UNDEFINED.get(str(getattr(error, "sqlstate", "")), "")
    found = _QUOTED.search(text)  # the server may speak any language
    return (kind, found[1] or found[2]) if kind and found else ("", "")


def _asked(statement: str, table: str) -> list[Relation]:
    """Those of our tables and views that a statement reads from; the one that `table` names, which
    may be an alias, if it names one."""
    known = relations()
    asked: dict[str, Relation] = {}
    for name, alias in _NAMED.findall(statement):
        if name.lower() in known:
            if table and table.lower() in (alias.lower(), name.lower()):
                return [known[name.lower()]]
            asked[name.lower()] = known[name.lower()]
    return list(asked.values())
