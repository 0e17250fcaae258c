"""Full-text search: both databases find what a naive search of the texts finds, whatever is asked,
and nothing is indexed twice or missed, whoever writes meanwhile."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from support.documents import blocks, text_of

from db import migrate, search_index, search_parts
from db.engine import open_engine, reading
from db.models import FTS
from db.query import run_readonly
from db.search import Found, search
from db.search_index import count_waiting, index_documents, index_for
from db.search_parts import split
from ruie.errors import DatabaseError, UsageError
from ruie.search_query import LONGEST_PHRASE, Term, parse_query
from ruie.words import words

House = Any  # the fixture's class lives in conftest.py, which is not a module to import

_BEFORE = ScriptDirectory.from_config(migrate.config()).get_revision("0009").down_revision
BEFORE = str(_BEFORE)
"""The revision without search."""

TEXTS = {
    "oil": "Crude-oil prices fell 3.5 % as OPEC met in Vienna. Crude is down.",
    "gas": "Gas prices in Zürich rose; the oil price did not.",
    "zh": "国际原油价格下跌，OPEC开会。",
    "ja": "原油価格が下落した。",
    "gold": "Gold's price, in US$/oz: 2,345.",
    "none": "-- … --",
}


@pytest.fixture
def ask(house: House) -> Callable[..., Found]:
    """Searches after everything has been indexed."""

    def ask(query: str, **options: Any) -> Found:
        while index_documents(house.engine):
            pass
        with reading(house.engine) as conn:
            return search(conn, query, **options)

    return ask


def names(found: Found) -> list[str]:
    return [hit.places[0].external_id for hit in found.hits]


class TestQueries:
    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("price", "gas gold"),
            ("price*", "gas gold oil"),
            ("PRICES oil", "gas oil"),
            ('"oil prices"', "oil"),
            ('"prices oil"', ""),
            ("oil -vienna", "gas"),
            ('prices -"in vienna"', "gas"),
            ("vienna OR gold", "gold oil"),
            ("oil vienna OR gold -ounce", "gold oil"),
            ("opec", "oil zh"),
            ("zurich", "gas"),
            ("ZÜRICH", "gas"),
            ("原油", "ja zh"),
            ("原油 -opec", "ja"),
            ("油价", "zh"),
            ("価格", "ja"),
            ("価価", ""),
            ("3.5", "oil"),
            ("3.6", ""),
            ("gold's", "gold"),
            ("2,345", "gold"),
            ("zebra", ""),
            ('"crude oil pri"*', "oil"),
        ],
    )
    def test_what_is_found(
        self, house: House, ask: Callable[..., Found], query: str, expected: str
    ) -> None:
        house.enqueue(house.job(), TEXTS)
        found = ask(query)
        assert sorted(names(found)) == expected.split()
        assert found.total == len(expected.split())

    def test_the_place_is_marked(self, house: House, ask: Callable[..., Found]) -> None:
        house.enqueue(house.job(), TEXTS)
        (hit,) = ask('"crude oil" opec').hits
        made = hit.snippet
        assert TEXTS["oil"][made.char_start : made.char_end] == made.text
        assert [made.text[s:e] for s, e in made.marks] == ["Crude-oil", "OPEC"]

    def test_the_best_come_first(self, house: House, ask: Callable[..., Found]) -> None:
        texts = {str(n): f"oil number {n} of many" for n in range(30)}
        texts |= {
            "rare": "oil zebra text here",
            "often": "oil oil oil zebra",
            "far": "zebra " + "w " * 60,
        }
        house.enqueue(house.job(), texts)
        assert names(ask("oil OR zebra", limit=2)) == ["often", "rare"]
        assert ask("oil OR zebra", limit=2).total == 33
        assert names(ask("zebra"))[-1] == "far"
        scores = [hit.score for hit in ask("oil OR zebra", limit=40).hits]
        assert scores == sorted(scores, reverse=True)
        assert all(score > 0 for score in scores)

    def test_of_one_job(self, house: House, ask: Callable[..., Found]) -> None:
        first, second = house.job("a"), house.job("b")
        house.enqueue(first, {"x": "crude oil", "y": "oil"})
        house.enqueue(second, {"z": "crude oil"})
        (hit,) = ask("crude", job_id=second).hits
        assert [(p.job_id, p.external_id) for p in hit.places] == [(second, "z")]
        (hit,) = ask("crude").hits
        assert [p.external_id for p in hit.places] == ["x", "z"]
        assert names(ask("oil", job_id=second)) == ["z"]
        assert ask("oil", job_id=second).total == 1

    @pytest.mark.parametrize(
        "query",
        ["it's", "a:b", "(", "a & | !", "a <-> b", "NEAR(a b)", "words:a", "^a", "a + b", "{a}",
         "\\", "a\\'b", "'; DROP TABLE jobs", '"', '"a" "', "*a*", "a -", ":a", "%a_", "𝔸 ﷺ",
         "a\x00b", "\ud800a"],
    )  # fmt: skip  # one line reads better
    def test_nothing_is_syntax(self, house: House, ask: Callable[..., Found], query: str) -> None:
        house.enqueue(house.job(), ["It's a b.", "near words"])
        if words(query):
            assert ask(query).total <= 2
        else:
            with pytest.raises(UsageError, match="no word"):
                ask(query)
        assert house.one("SELECT COUNT(*) FROM jobs") == 1

    def test_random_queries_find_what_a_naive_search_finds(
        self, house: House, ask: Callable[..., Found], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Some of the documents in several parts."""
        monkeypatch.setattr(search_parts, "SAME_WORD", 40)
        monkeypatch.setattr(search_parts, "MOST_WORDS", 90)
        rng = random.Random(7)
        vocabulary = ["a", "b", "c", "ab", "abc", "bä", "原", "油", "D-e", "3.5"]
        texts = {
            str(n): f"z{n} " + " ".join(rng.choices(vocabulary, k=rng.choice([3, 6, 300])))
            for n in range(120)
        }
        house.enqueue(house.job(), texts)
        folded = {name: words(text) for name, text in texts.items()}
        for _ in range(120):
            query = _random_query(rng, vocabulary)
            expected = sorted(name for name, every in folded.items() if _naive(query, every))
            assert sorted(names(ask(query, limit=200))) == expected, query


def _random_query(rng: random.Random, vocabulary: list[str]) -> str:
    sides = []
    for _ in range(rng.choice([1, 1, 2])):
        side = []
        for i in range(rng.randint(1, 3)):
            said = " ".join(rng.choices(vocabulary, k=rng.choice([1, 1, 2, 3, 5])))
            said = f'"{said}"' + rng.choice(["", "", "*"])
            side.append(("-" if i and rng.random() < 0.4 else "") + said)
        sides.append(" ".join(side))
    return " OR ".join(sides)


def _naive(query: str, every: list[str]) -> bool:
    return any(
        all(_has(every, term) for term in alternative.required)
        and not any(_has(every, term) for term in alternative.excluded)
        for alternative in parse_query(query)
    )


def _has(every: list[str], term: Term) -> bool:
    size = len(term.words)
    for i in range(len(every) - size + 1):
        *middle, last = every[i : i + size]
        fits = last.startswith(term.words[-1]) if term.prefix else last == term.words[-1]
        if fits and middle == list(term.words[:-1]):
            return True
    return False


class TestLongDocuments:
    def test_two_million_characters(self, house: House, ask: Callable[..., Found]) -> None:
        """Words far apart, phrases across the ends of parts, and where they stand."""
        sentence = "The price of crude fell again as the ministers met in the city. "
        body = (sentence * 32_000)[: 2_000_000 - 40]
        long = f"Zebra first. {body} Last wörd omega."
        assert len(long) <= 2_000_000
        house.enqueue(house.job(), {"long": long, "short": "Zebra alone. The omega."})
        assert names(ask("zebra omega crude")) == ["long"]
        assert names(ask("zebra -crude")) == ["short"]
        assert names(ask("ministers OR zebra -omega")) == ["long"]
        (hit,) = ask('"last word omega"').hits
        made = hit.snippet
        assert long[made.char_start : made.char_end] == made.text
        assert [made.text[s:e] for s, e in made.marks] == ["Last wörd omega"]
        assert made.char_end == len(long)
        every = house.rows("SELECT char_start, char_end FROM document_parts ORDER BY id")
        assert len(every) > 300
        assert count_all(house) == 2

    def test_every_phrase_is_whole_in_some_part(self, house: House) -> None:
        rng = random.Random(3)
        text = " ".join(rng.choices(["a", "b", "ccc", "dddd", "é"], k=5000))
        every, parts = words(text), split(text)
        assert len(parts) > 3
        assert (parts[0].char_start, parts[-1].char_end) == (0, len(text))
        held = {
            tuple(part.words[i : i + LONGEST_PHRASE])
            for part in parts
            for i in range(len(part.words) - LONGEST_PHRASE + 1)
        }
        for i in range(len(every) - LONGEST_PHRASE + 1):
            assert tuple(every[i : i + LONGEST_PHRASE]) in held
        for part in parts:
            assert words(text[part.char_start : part.char_end]) == part.words
            assert max(part.words.count(word) for word in set(part.words)) <= 255

    def test_what_a_tsvector_cannot_hold(self, house: House, ask: Callable[..., Found]) -> None:
        """Half a million different words, each long; one endless word; one word all the time."""
        texts = {
            "different": " ".join(f"{n:07x}" for n in range(250_000)),
            "wide": " ".join(chr(0x10280 + n % 25) * 199 + f" {n:x}" for n in range(3000)),
            "endless": "é" * 500_000,
            "same": "same " * 100_000,
        }
        house.enqueue(house.job(), texts)
        assert names(ask("0000000 003d08f")) == ["different"]
        assert names(ask("same")) == ["same"]
        assert names(ask("eeee*")) == ["endless"]
        assert names(ask("bb7 0")) == ["wide"]


def count_all(house: House) -> int:
    """Documents that are indexed; fails where one is twice."""
    twice = house.rows(
        "SELECT document_id, char_start FROM document_parts GROUP BY document_id, char_start"
        " HAVING COUNT(*) > 1"
    )
    assert twice == []
    assert house.rows(
        f"SELECT COUNT(*), COUNT(DISTINCT f.rowid) FROM document_parts p JOIN {FTS} f"
        " ON f.rowid = p.id"
    ) == house.rows("SELECT COUNT(*), COUNT(*) FROM document_parts")
    return int(house.one("SELECT COUNT(DISTINCT document_id) FROM document_parts"))


class TestIndexing:
    def test_in_batches_and_not_again(self, house: House) -> None:
        house.enqueue(house.job(), [f"text {n}" for n in range(25)])
        with reading(house.engine) as conn:
            assert count_waiting(conn) == 25
        assert [index_documents(house.engine, 10) for _ in range(4)] == [10, 10, 5, 0]
        assert count_all(house) == 25
        with reading(house.engine) as conn:
            assert count_waiting(conn) == 0
        assert house.one("SELECT indexed_to FROM search_state") == 25

    def test_a_batch_has_no_more_characters_than_it_may(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(search_index, "CHARS", 100)
        house.enqueue(house.job(), ["a" * 60, "b" * 300, "c" * 60])
        assert [index_documents(house.engine) for _ in range(5)] == [1, 1, 1, 0, 0]
        house.enqueue(house.job(), ["d" * 50, "e" * 50])
        assert [index_documents(house.engine) for _ in range(2)] == [2, 0]

    def test_for_a_while(self, house: House) -> None:
        house.enqueue(house.job(), [f"text {n}" for n in range(25)])
        assert index_for(house.engine, 0.0, limit=10) == 10
        assert index_for(house.engine, 60.0, limit=10) == 15
        assert index_for(house.engine, 60.0) == 0

    def test_several_at_once_index_nothing_twice(self, house: House) -> None:
        house.enqueue(house.job(), [f"text {n}" for n in range(400)])
        with ThreadPoolExecutor(4) as pool:
            counts = list(pool.map(lambda _: index_for(house.engine, 60.0, 20), range(4)))
        assert sum(counts) == 400
        assert count_all(house) == 400

    def test_while_two_enqueue(self, house: House, url: str) -> None:
        job = house.job()
        started, stop = threading.Barrier(3), threading.Event()
        engines = [open_engine(url) for _ in range(3)]

        def enqueue(number: int) -> None:
            started.wait()
            other = type(house)(engines[number])
            for batch in range(20):
                other.enqueue(job, [f"text {number} {batch} {n}" for n in range(20)])

        def index() -> int:
            started.wait()
            total = 0
            while not stop.is_set():
                total += index_documents(engines[2], 30)
            return total

        with ThreadPoolExecutor(3) as pool:
            indexing = pool.submit(index)
            try:
                for writer in [pool.submit(enqueue, n) for n in range(2)]:
                    writer.result(60)
            finally:
                stop.set()
            done = indexing.result(60)
        done += index_for(house.engine, 60.0)
        for engine in engines:
            engine.dispose()
        assert done == 800
        assert count_all(house) == 800
        index_documents(house.engine)
        assert house.one("SELECT indexed_to FROM search_state") == house.one(
            "SELECT MAX(id) FROM documents"
        )

    def test_an_interrupted_batch_leaves_nothing(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        house.enqueue(house.job(), ["a b", "c d"])
        name = house.engine.dialect.name
        parts, entries = search_index._INSERT[name]
        broken = {name: (parts, entries.replace(FTS, "nowhere"))}
        with monkeypatch.context() as patch:
            patch.setattr(search_index, "_INSERT", broken)
            with pytest.raises(Exception, match="nowhere"):
                index_documents(house.engine)
        assert count_all(house) == 0
        assert index_documents(house.engine) == 2


@pytest.mark.parametrize("server", ["postgresql"], indirect=True)
class TestLateCommits:
    """PostgreSQL: ids are handed out before their transactions commit. (SQLite has one writer.)"""

    def insert(self, conn: Any, text_: str) -> None:
        conn.execute(
            text("INSERT INTO documents (digest, text, chars, created_at)"
                 " VALUES (md5(:t), :t, 1, now())"),
            {"t": text_},
        )  # fmt: skip  # one statement

    def mark(self, house: House) -> tuple[int, int]:
        (row,) = house.rows("SELECT indexed_to, settled_to FROM search_state")
        return (row[0], row[1])

    def test_a_document_that_appears_below_others_is_not_missed(self, house: House) -> None:
        with house.engine.connect() as late, house.engine.connect() as later:
            self.insert(late, "one")
            for n in range(5):
                with house.engine.begin() as conn:
                    self.insert(conn, f"two {n}")
                index_documents(house.engine, 2)
            assert count_all(house) == 5
            assert self.mark(house) == (0, 0)
            self.insert(later, "three")
            late.commit()
            # the mark goes on to the id that was the last when `late` was first seen, whatever
            # began since
            assert index_documents(house.engine) == 1
            assert self.mark(house) == (2, 2)
            later.commit()
        assert index_documents(house.engine) == 1
        assert index_documents(house.engine) == 0
        assert self.mark(house) == (7, 7)
        assert count_all(house) == 7

    def test_one_that_took_an_id_and_writes_later(self, house: House) -> None:
        with house.engine.connect() as late:
            late.execute(text("SELECT nextval(pg_get_serial_sequence('documents', 'id'))"))
            with house.engine.begin() as conn:
                self.insert(conn, "two")
            assert index_documents(house.engine) == 1
            late.execute(text("INSERT INTO documents (id, digest, text, chars, created_at)"
                              " VALUES (1, 'x', 'one', 3, now())"))  # fmt: skip  # one statement
            assert index_documents(house.engine) == 0
            late.commit()
        assert index_documents(house.engine) == 1
        assert count_all(house) == 2

    def test_one_that_is_rolled_back_holds_nothing_up(self, house: House) -> None:
        with house.engine.connect() as late:
            self.insert(late, "one")
            with house.engine.begin() as conn:
                self.insert(conn, "two")
            index_documents(house.engine)
            late.rollback()
        index_documents(house.engine)
        assert self.mark(house) == (2, 2)

    def test_readers_and_writers_of_other_tables_hold_nothing_up(self, house: House) -> None:
        house.enqueue(house.job(), ["a"])
        with house.engine.connect() as reader, house.engine.connect() as writer:
            reader.execute(text("SELECT * FROM documents"))
            writer.execute(
                text("INSERT INTO chunks (document_id, ordinal, char_start, char_end, digest)"
                     " VALUES (1, 9, 0, 0, 'x')")
            )  # fmt: skip  # one statement
            index_documents(house.engine)
            assert self.mark(house) == (1, 1)


class TestMigration:
    def test_documents_that_are_there_are_indexed_later(self, house: House) -> None:
        migrate.downgrade(house.engine, BEFORE)
        tables = set(inspect(house.engine).get_table_names())
        assert not {name for name in tables if name.startswith((FTS, "document_parts", "search"))}
        add = text(
            "INSERT INTO documents (digest, text, chars, created_at)"
            " VALUES (:digest, :text, 8, '2026-01-31 08:05:09.123000')"
        )
        with house.engine.begin() as conn:
            conn.execute(add, [{"digest": str(n), "text": f"crude {n}"} for n in range(30)])
        migrate.upgrade(house.engine)
        assert count_all(house) == 0
        assert index_for(house.engine, 60.0, 20) == 30
        with reading(house.engine) as conn:
            assert search(conn, "crude 7").total == 1
        migrate.downgrade(house.engine, BEFORE)
        assert house.one("SELECT COUNT(*) FROM documents") == 30
        migrate.upgrade(house.engine)
        assert index_for(house.engine, 60.0) == 30


class TestSql:
    def test_the_examples_of_the_documentation(
        self, house: House, url: str, ask: Callable[..., Found]
    ) -> None:
        """On a connection that can only read; each database's own syntax finds the same."""
        house.enqueue(
            house.job(), {**TEXTS, "both": "Crude prices and natural gas.", "q": "Crude pricing."}
        )
        expected = ask('crude pri* -"natural gas"')
        assert sorted(names(expected)) == ["oil", "q"]
        language = "sql" if house.engine.dialect.name == "sqlite" else "pgsql"
        section = text_of("docs/sql.md").partition("\n# Full-text search\n")[2]
        first = next(block.text for block in blocks(section) if block.language == language)
        answer = run_readonly(url, first)
        assert {row[0] for row in answer.rows} == {hit.document_id for hit in expected.hits}

    @pytest.mark.parametrize(
        "statement",
        [
            f"INSERT INTO {FTS} (rowid, words) VALUES (9, 'a')",
            f"INSERT INTO {FTS} ({FTS}) VALUES ('rebuild')",
            f"DELETE FROM {FTS}",
            f"DROP TABLE {FTS}",
        ],
    )
    def test_that_connection_cannot_write_it(self, house: House, url: str, statement: str) -> None:
        house.enqueue(house.job(), ["crude"])
        index_documents(house.engine)
        with pytest.raises(DatabaseError, match="refuses"):
            list(run_readonly(url, statement).rows)
        assert count_all(house) == 1


def test_a_search_that_goes_on_holds_nobody_up(house: House) -> None:
    house.enqueue(house.job(), ["crude one"])
    index_documents(house.engine)
    with reading(house.engine) as conn:
        assert search(conn, "crude").total == 1
        house.enqueue(house.job("b"), ["crude two"])
        assert index_for(house.engine, 60.0) == 1
    with reading(house.engine) as conn:
        assert search(conn, "crude").total == 2
