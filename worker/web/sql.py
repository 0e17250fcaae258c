"""SQL: a query over the tables and views, its rows as a table, a file or a chart."""

from __future__ import annotations

import io
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from threading import BoundedSemaphore
from typing import IO, Any, TypeVar, cast
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from ruie.db.catalogue import relations
from ruie.db.engine import reading
from ruie.db.query import QueryResult, run_as_reader
from ruie.db.query_values import size_of
from ruie.errors import RuieError, UnavailableError, UsageError
from ruie.worker.answers import write_csv, write_parquet
from ruie.worker.web.chart import Chart, chart
from ruie.worker.web.door import Door
from ruie.worker.web.example_values import about, example_values
from ruie.worker.web.long_queries import LONGEST, LongQueries
from ruie.worker.web.pages import HERE, address, door, form, render

SOON_S: float | None = 0.5
"""A question waits so long for the names and types of this database; else it has those of the
documentation."""
SHOWN = 1000
"""Rows of a table, at most."""
SHOWN_BYTES = 2_000_000
"""Likewise, of its text."""
SHOWN_CHARS = 500
"""Of a value in a table."""
CHARTED = 200
AT_ONCE = BoundedSemaphore(4)
"""Queries of people at the same time; each has a thread of the server."""
PIECE = 65_536
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Question:
    """An example: what it asks and its SQL."""

    title: str
    sql: str


@dataclass(frozen=True, slots=True)
class Table:
    """The first rows of an answer. more: whether there are others."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    more: bool
    seconds: float

    @property
    def cut(self) -> bool:
        """Whether a text is longer than is shown of it."""
        return any(isinstance(v, str) and len(v) > SHOWN_CHARS for row in self.rows for v in row)

    @property
    def numeric(self) -> list[bool]:
        """Which columns hold numbers only."""
        return [
            any(row[place] is not None for row in self.rows)
            and all(isinstance(row[place], int | float | None) for row in self.rows)
            for place in range(len(self.columns))
        ]


@cache
def questions() -> tuple[Question, ...]:
    """The questions of docs/sql.md."""
    text = (HERE / "questions.sql").read_text(encoding="utf-8")
    return tuple(
        Question(title, sql.strip())
        for title, _, sql in (part.partition("\n") for part in f"\n{text}".split("\n-- ")[1:])
    )


def ask(request: Request) -> Response:
    """The box, empty or with an example, which is not run; or with the query of the address and its
    first rows."""
    given = request.query_params
    asked = given.get("question", "")
    number = int(asked) if asked.isdecimal() else -1
    if 0 <= number < len(questions()):
        return _page(request, about(questions()[number].sql, _values(door(request))))
    written = given.get("sql")
    if digest := given.get("long"):
        written = _long(request).get(digest)
        if written is None:
            gone = UsageError("This query is not kept any longer.", "Write it again.")
            return _page(request, "", problem=gone, code=404)
    if written is None:
        return _page(request, "")
    if request.headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        # a page elsewhere may make a browser ask for any address: a person has to want it run
        return _page(request, written)
    try:
        table = _limited(lambda: _table(door(request), written))
    except RuieError as error:
        return _page(request, written, problem=error, code=400)
    return _page(request, written, table=table)


def _values(web: Door) -> dict[str, str]:
    def read() -> dict[str, str]:
        with reading(web.engine) as conn:
            return example_values(conn)

    return web.kept.soon("example values", read, SOON_S) or {}


def run(request: Request) -> Response:
    """Go on to the address of a query, which shows its rows and can be shared."""
    given = form(request)
    query: dict[str, Any] = {name: given.get(name, "") for name in ("kind", "value", "label")}
    written = given.get("sql", "")
    if len(urlencode({"sql": written})) > LONGEST:
        return RedirectResponse(
            address(request, "sql", {"long": _long(request).keep(written), **query}), 303
        )
    place = address(request, "sql", query)
    return RedirectResponse(
        f"{place}{'&' if '?' in place else '?'}{urlencode({'sql': written})}", 303
    )


def _long(request: Request) -> LongQueries:
    state = request.app.state
    if not hasattr(state, "long_queries"):
        state.long_queries = LongQueries()
    return cast(LongQueries, state.long_queries)


def download(request: Request) -> Response:
    """Run a query and send all of its rows as a file."""
    written, form_ = form(request).get("sql", ""), request.path_params["form"]
    try:
        file = _limited(lambda: _file(_answer(door(request), written), form_))
    except RuieError as error:
        return _page(request, written, problem=error, code=400)
    kind = "text/csv; charset=utf-8" if form_ == "csv" else "application/vnd.apache.parquet"
    disposition = {"Content-Disposition": f'attachment; filename="ruie.{form_}"'}
    return StreamingResponse(_pieces(file), media_type=kind, headers=disposition)


def _page(
    request: Request,
    written: str,
    *,
    table: Table | None = None,
    problem: RuieError | None = None,
    code: int = 200,
) -> Response:
    given = form(request) or request.query_params
    label, value, kind = (given.get(name, "") for name in ("label", "value", "kind"))
    return render(
        request, "sql.html", code, sql=written, table=table, problem=problem,
        questions=questions(), relations=relations().values(), most=SHOWN,
        longest=SHOWN_CHARS,
        chart=_chart(table, label, value, kind) if table else None,
        label=label, value=value, kind=kind,
    )  # fmt: skip  # the page's values


def _answer(web: Door, written: str) -> QueryResult:
    url = web.config.query_database_url or web.config.database_url
    return run_as_reader(url, written, timeout_s=web.config.query_timeout_s)


def _limited(work: Callable[[], Result]) -> Result:
    if not AT_ONCE.acquire(timeout=10):
        raise UnavailableError("Other queries are running.", "Try again when they have ended.")
    try:
        return work()
    finally:
        AT_ONCE.release()


def _table(web: Door, written: str) -> Table:
    began = time.monotonic()
    answer = _answer(web, written)
    rows: list[tuple[Any, ...]] = []
    size, more = 0, False
    for row in answer.rows:
        if len(rows) == SHOWN or size > SHOWN_BYTES:
            more = True
            break
        rows.append(row)
        size += size_of(row)
    return Table(answer.columns, rows, more, time.monotonic() - began)


def _file(answer: QueryResult, kind: str) -> IO[bytes]:
    """All rows, in a file that vanishes when it is closed."""
    file = tempfile.TemporaryFile()  # noqa: SIM115  # it is closed when it has been sent
    try:
        if kind == "parquet":
            write_parquet(answer, file)
        else:
            text = io.TextIOWrapper(file, encoding="utf-8", newline="")
            # it is opened in spreadsheets: what they would compute is written as text
            write_csv(answer, text, spreadsheet=True)
            text.flush()
            text.detach()
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(PIECE):
            yield piece


def _chart(table: Table, label: str, value: str, kind: str) -> Chart | None:
    """Of the columns that were chosen, or of the first that holds numbers by the first of the
    others; None where there is nothing to draw."""
    kinds = zip(table.columns, table.numeric, strict=True)
    numbers = [name for name, is_number in kinds if is_number]
    names = [name for name in table.columns if name not in numbers]
    wanted = value if value in numbers else next(iter(numbers), "")
    beside = label if label in table.columns else next(iter([*names, *table.columns]), "")
    rows = table.rows[:CHARTED]
    if kind not in ("bar", "line") or not wanted or len(rows) < 2:
        return None
    x, y = table.columns.index(beside), table.columns.index(wanted)
    known: Sequence[tuple[str, float]] = [
        (str(row[x]), float(row[y])) for row in rows if row[y] is not None
    ]
    drawn = chart([n for _, n in known], [name for name, _ in known], f"{wanted} by {beside}",
                  kind=kind, height=220)  # fmt: skip
    return drawn if known else None


ROUTES = [
    Route("/sql", ask, name="sql"),
    Route("/sql", run, name="sql_run", methods=["POST"]),
    Route("/sql/file.{form:str}", download, name="sql_file", methods=["POST"]),
]
