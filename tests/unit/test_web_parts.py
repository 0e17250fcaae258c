"""Parts of the pages that need no server: kept answers, charts, how values are written."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.documents import questions as documented
from support.documents import tables_page

from ruie.worker.web import shown, sql
from ruie.worker.web.chart import chart
from ruie.worker.web.kept import LEAST_S, TIMES, Kept


def test_an_answer_is_kept_for_as_long_as_it_took_many_times() -> None:
    now, made = [0.0], []

    def make() -> int:
        now[0] += 2.0
        made.append(now[0])
        return len(made)

    kept = Kept(lambda: now[0])
    assert kept.get("a", make) == 1
    now[0] = 2.0 + TIMES * 2.0 - 0.1
    assert kept.get("a", make) == kept.soon("a", make, 0.0) == 1
    assert kept.get("b", make) == 2
    now[0] += TIMES * 2.0
    assert kept.get("a", make) == 3


def test_a_quick_answer_is_kept_for_a_moment() -> None:
    now = [0.0]
    kept = Kept(lambda: now[0])
    assert kept.get("a", lambda: 1) == 1
    now[0] = LEAST_S - 0.1
    assert kept.get("a", lambda: 2) == 1
    now[0] = LEAST_S
    assert kept.get("a", lambda: 2) == 2


def test_after_a_change_everything_is_asked_anew_also_what_was_being_made() -> None:
    kept = Kept(lambda: 0.0)
    assert kept.get("a", lambda: 1) == 1
    kept.forget()
    assert kept.get("a", lambda: 2) == 2

    def make() -> int:
        kept.forget()  # somebody changes it while it is read
        return 3

    assert kept.get("b", make) == 3
    assert kept.get("b", lambda: 4) == 4


def test_what_takes_long_comes_later() -> None:
    kept, may, done = Kept(lambda: 0.0), threading.Event(), threading.Event()

    def make() -> int:
        may.wait()
        done.set()
        return 1

    assert kept.soon("a", make, 0.0) is None
    may.set()
    assert done.wait(60)
    assert kept.soon("a", make, None) == 1


def test_an_error_is_not_kept() -> None:
    kept = Kept(lambda: 0.0)
    with pytest.raises(ZeroDivisionError):
        kept.soon("a", lambda: 1 // 0, None)
    assert kept.soon("a", lambda: 1, None) == 1


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "0"),
        (1234567, "1,234,567"),
        (0.123456, "0.123"),
        (12.34, "12.3"),
        (None, "–"),
        (2.0, "2"),
    ],
)
def test_numbers(value: float | None, said: str) -> None:
    assert shown.number(value) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "–"),
        (-1, "0 s"),
        (45.4, "45 s"),
        (600, "10 min"),
        (7200, "2 h"),
        (7500, "2 h 5 min"),
        (200_000, "2 d 7 h"),
    ],
)
def test_durations(seconds: float | None, said: str) -> None:
    assert shown.duration(seconds) == said


def test_moments_are_in_utc() -> None:
    assert shown.moment(datetime(2026, 3, 1, 12, tzinfo=UTC)) == "2026-03-01 12:00:00"


def test_a_chart_stands_on_zero_and_has_room_for_the_highest() -> None:
    drawn = chart([0, 5, 10], ["a", "b", "c"], "Things", limit=16)
    heights = [bar.height for bar in drawn.bars]
    assert heights[0] == 0
    assert heights[2] == pytest.approx(2 * heights[1], abs=0.1)
    assert [row.label for row in drawn.rows] == ["0", "10", "20"]
    assert drawn.level is not None
    assert drawn.level < min(bar.y for bar in drawn.bars)
    assert drawn.level_said == "limit 16"
    assert drawn.said == "Things: last 10, most 10 at c, of 16."


def test_negative_numbers_hang_from_zero() -> None:
    drawn = chart([-4, 4], ["a", "b"], "Things")
    below, above = drawn.bars
    assert below.y == pytest.approx(above.y + above.height, abs=0.1)


def test_a_line_has_a_point_for_each_number() -> None:
    assert len(chart([1, 2, 3], ["a", "b", "c"], "Things", kind="line").line.split()) == 3


def test_a_chart_of_nothing() -> None:
    assert chart([], [], "Things").said == "Things: nothing yet."


def test_the_questions_of_the_page_are_those_of_the_document() -> None:
    offered = {question.title: question.sql for question in sql.questions()}
    assert offered == {title: asked.strip() for title, asked in documented(tables_page()).items()}


def test_scripts_and_their_licences_are_named() -> None:
    static = Path(sql.__file__).parent / "static"
    assert (static / "htmx.LICENSE.txt").read_text(encoding="utf-8").startswith("Zero-Clause BSD")
    root = Path(__file__).parents[2]
    assert "htmx 2.0.11" in (root / "NOTICE").read_text(encoding="utf-8")
    assert 'version:"2.0.11"' in (static / "htmx.min.js").read_text(encoding="utf-8")
