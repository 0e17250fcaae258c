"""Full-text search: both databases find what a naive search finds, for any query."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from support.documents import blocks, text_of
from support.job_database import JobDatabase

from ruie.db import search_parts
from ruie.db.engine import reading
from ruie.db.models import FTS
from ruie.db.query import run_readonly
from ruie.db.search import SearchResult, search
from ruie.db.search_index import index_documents
from ruie.db.search_parts import split
from ruie.errors import DatabaseError, UsageError
from ruie.search_query import LONGEST_PHRASE, Term, parse_query
from ruie.words import words

TEXTS = {
    "oil": "Crude-oil prices fell 3.5 % as OPEC met in Vienna. Crude is down.",
    "gas": "Gas prices in Zürich rose; the oil price did not.",
    "zh": "国际原油价格下跌，OPEC开会。",
    "ja": "原油価格が下落した。",
    "gold": "Gold's price, in US$/oz: 2,345.",
    "none": "-- … --",
}


@pytest.fixture
def ask(database: JobDatabase) -> Callable[..., SearchResult]:
    """Searches after everything has been indexed."""

    def ask(query: str, **options: Any) -> SearchResult:
        while index_documents(database.engine):
            pass
        with reading(database.engine) as conn:
            return search(conn, query, **options)

    return ask


def names(result: SearchResult) -> list[str]:
    return [hit.places[0].external_id for hit in result.hits]


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
        self, database: JobDatabase, ask: Callable[..., SearchResult], query: str, expected: str
    ) -> None:
        database.enqueue(database.job(), TEXTS)
        result = ask(query)
        assert sorted(names(result)) == expected.split()
        assert result.total == len(expected.split())

    def test_the_place_is_marked(
        self, database: JobDatabase, ask: Callable[..., SearchResult]
    ) -> None:
        database.enqueue(database.job(), TEXTS)
        (hit,) = ask('"crude oil" opec').hits
        made = hit.snippet
        assert TEXTS["oil"][made.char_start : made.char_end] == made.text
        assert [made.text[s:e] for s, e in made.marks] == ["Crude-oil", "OPEC"]

    def test_the_best_come_first(
        self, database: JobDatabase, ask: Callable[..., SearchResult]
    ) -> None:
        texts = {str(n): f"oil number {n} of many" for n in range(30)}
        texts |= {
            "rare": "oil zebra text here",
            "often": "oil oil oil zebra",
            "far": "zebra " + "w " * 60,
        }
        database.enqueue(database.job(), texts)
        assert names(ask("oil OR zebra", limit=2)) == ["often", "rare"]
        assert ask("oil OR zebra", limit=2).total == 33
        assert names(ask("zebra"))[-1] == "far"
        scores = [hit.score for hit in ask("oil OR zebra", limit=40).hits]
        assert scores == sorted(scores, reverse=True)
        assert all(score > 0 for score in scores)

    def test_of_one_job(self, database: JobDatabase, ask: Callable[..., SearchResult]) -> None:
        first, second = database.job("a"), database.job("b")
        database.enqueue(first, {"x": "crude oil", "y": "oil"})
        database.enqueue(second, {"z": "crude oil"})
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
    def test_nothing_is_syntax(
        self, database: JobDatabase, ask: Callable[..., SearchResult], query: str
    ) -> None:
        database.enqueue(database.job(), ["It's a b.", "near words"])
        if words(query):
            assert ask(query).total <= 2
        else:
            with pytest.raises(UsageError, match="no word"):
                ask(query)
        assert database.one("SELECT COUNT(*) FROM jobs") == 1

    def test_random_queries_find_what_a_naive_search_finds(
        self,
        database: JobDatabase,
        ask: Callable[..., SearchResult],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Some of the documents in several parts."""
        monkeypatch.setattr(search_parts, "SAME_WORD", 40)
        monkeypatch.setattr(search_parts, "MOST_WORDS", 90)
        rng = random.Random(7)
        vocabulary = ["a", "b", "c", "ab", "abc", "bä", "原", "油", "D-e", "3.5"]
        texts = {
            str(n): f"z{n} " + " ".join(rng.choices(vocabulary, k=rng.choice([3, 6, 300])))
            for n in range(60)
        }
        database.enqueue(database.job(), texts)
        folded = {name: words(text) for name, text in texts.items()}
        for _ in range(60):
            query = _random_query(rng, vocabulary)
            expected = sorted(name for name, every in folded.items() if _naive(query, every))
            assert sorted(names(ask(query, limit=200))) == expected, query


def _random_query(rng: random.Random, vocabulary: list[str]) -> str:
    sides = []
    for _ in range(rng.choice([1, 1, 2])):
        side = []
        for i in range(rng.randint(1, 3)):
            term = " ".join(rng.choices(vocabulary, k=rng.choice([1, 1, 2, 3, 5])))
            term = f'"{term}"' + rng.choice(["", "", "*"])
            side.append(("-" if i and rng.random() < 0.4 else "") + term)
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
    def test_two_million_characters(
        self, database: JobDatabase, ask: Callable[..., SearchResult]
    ) -> None:
        """Words far apart, phrases across the ends of parts, and where they stand."""
        sentence = "The price of crude fell again as the ministers met in the city. "
        body = (sentence * 32_000)[: 2_000_000 - 40]
        long = f"Zebra first. {body} Last wörd omega."
        assert len(long) <= 2_000_000
        database.enqueue(database.job(), {"long": long, "short": "Zebra alone. The omega."})
        assert names(ask("zebra omega crude")) == ["long"]
        assert names(ask("zebra -crude")) == ["short"]
        assert names(ask("ministers OR zebra -omega")) == ["long"]
        (hit,) = ask('"last word omega"').hits
        made = hit.snippet
        assert long[made.char_start : made.char_end] == made.text
        assert [made.text[s:e] for s, e in made.marks] == ["Last wörd omega"]
        assert made.char_end == len(long)
        every = database.rows("SELECT char_start, char_end FROM document_parts ORDER BY id")
        assert len(every) > 300
        assert database.indexed() == 2

    def test_every_phrase_is_whole_in_some_part(self, database: JobDatabase) -> None:
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

    def test_what_a_tsvector_cannot_hold(
        self, database: JobDatabase, ask: Callable[..., SearchResult]
    ) -> None:
        """Half a million different words, each long; one endless word; one word all the time."""
        texts = {
            "different": " ".join(f"{n:07x}" for n in range(250_000)),
            "wide": " ".join(chr(0x10280 + n % 25) * 199 + f" {n:x}" for n in range(3000)),
            "endless": "é" * 500_000,
            "same": "same " * 100_000,
        }
        database.enqueue(database.job(), texts)
        assert names(ask("0000000 003d08f")) == ["different"]
        assert names(ask("same")) == ["same"]
        assert names(ask("eeee*")) == ["endless"]
        assert names(ask("bb7 0")) == ["wide"]


class TestSql:
    def test_the_examples_of_the_documentation(
        self, database: JobDatabase, url: str, ask: Callable[..., SearchResult]
    ) -> None:
        """On a connection that can only read; each database's own syntax finds the same."""
        database.enqueue(
            database.job(),
            {**TEXTS, "both": "Crude prices and natural gas.", "q": "Crude pricing."},
        )
        expected = ask('crude pri* -"natural gas"')
        assert sorted(names(expected)) == ["oil", "q"]
        language = "sql" if database.engine.dialect.name == "sqlite" else "pgsql"
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
    def test_that_connection_cannot_write_it(
        self, database: JobDatabase, url: str, statement: str
    ) -> None:
        database.enqueue(database.job(), ["crude"])
        index_documents(database.engine)
        with pytest.raises(DatabaseError, match="refuses"):
            list(run_readonly(url, statement).rows)
        assert database.indexed() == 1
