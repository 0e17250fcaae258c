"""BM25 and the random sample over a real bundle: its rules, and what is special to each."""

from __future__ import annotations

import math
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from ruie.bm25 import K1, B
from ruie.bundle import Bundle, retrieval_text
from ruie.bundle.manifest import MANIFEST
from ruie.bundle.retrieval import project, text_key, usable_partitions
from ruie.errors import UnavailableError
from ruie.questioner import Retriever
from ruie.records import Demonstration, Query, Task
from ruie.retrievers import BM25, Random

Make = Callable[[Bundle], Retriever]
MAKES = [pytest.param(BM25, id="bm25"), pytest.param(Random, id="random")]


@pytest.fixture(scope="module")
def bundle(bundle_path: Path) -> Bundle:
    return Bundle.open(bundle_path, threads=1)


def query_of(row: Demonstration, text: str = "", labels: int | None = None) -> Query:
    shown = dict.fromkeys(row.labels[:labels], "")
    return Query(row.task, text or row.text, row.schema, shown, row.trigger)


def queries(bundle: Bundle) -> list[Query]:
    """Of every partition: of its own texts, of another text, and of some of its types."""
    found: list[Query] = []
    rows = bundle.demonstrations()
    for part in bundle.manifest.partitions:
        first = rows[part.start]
        found += [query_of(row) for row in rows[part.start : part.stop][:3]]
        found += [query_of(first, "Oil prices rose ."), query_of(first, labels=1)]
    assert {query.task for query in found} == set(Task)
    return found


@pytest.mark.parametrize("make", MAKES)
@pytest.mark.parametrize("k", [0, 1, 8])
def test_the_rules_are_the_bundles(bundle: Bundle, make: Make, k: int) -> None:
    rows = bundle.demonstrations()
    every = queries(bundle)
    found = make(bundle).retrieve(every, k)
    for query, shown in zip(every, found, strict=True):
        pool = [
            row
            for part in usable_partitions(query, bundle.manifest.partitions)
            for row in rows[part.start : part.stop]
            if text_key(row.text) != text_key(query.text)
        ]
        assert len(shown) == min(k, len(pool))
        assert len({one.id for one in shown}) == len(shown)
        allowed = {row.id: project(row, query) for row in pool}
        assert all(allowed[one.id] == one for one in shown)


@pytest.mark.parametrize("make", MAKES)
def test_who_has_nothing_to_show_shows_nothing(bundle: Bundle, make: Make) -> None:
    stranger = Query(Task.NER, "Oil rose .", "none", {"no such type": ""})
    assert make(bundle).retrieve([stranger], 8) == [[]]
    assert make(bundle).retrieve([], 8) == []


@pytest.mark.parametrize("make", MAKES)
def test_what_is_shown_depends_on_the_query_alone(bundle: Bundle, make: Make) -> None:
    every = queries(bundle)
    together = make(bundle).retrieve(every, 4)
    alone = make(bundle)
    assert [alone.retrieve([query], 4)[0] for query in every[::-1]] == together[::-1]


def stems(text: str) -> list[str]:
    import bm25s
    import Stemmer

    (found,) = bm25s.tokenize(
        [text],
        stopwords="en",
        stemmer=Stemmer.Stemmer("english"),
        return_ids=False,
        show_progress=False,
    )
    return list(found)


def naive_bm25(query: str, texts: list[str]) -> list[float]:
    """The formula of the docstring, word by word and text by text."""
    listed = [stems(text) for text in texts]
    mean = sum(map(len, listed)) / len(listed)
    scores = []
    for words in listed:
        score = 0.0
        for word in stems(query):
            has = sum(word in other for other in listed)
            weight = math.log(1 + (len(listed) - has + 0.5) / (has + 0.5))
            times = words.count(word)
            score += weight * times / (times + K1 * (1 - B + B * len(words) / mean))
        scores.append(score)
    return scores


@pytest.mark.parametrize("task", Task)
def test_bm25_equals_its_formula(bundle: Bundle, task: Task) -> None:
    rows = bundle.demonstrations()
    part = max((p for p in bundle.manifest.partitions if p.task is task), key=len)
    pool = rows[part.start : part.stop]
    texts = [retrieval_text(row) for row in pool]
    for row in pool[:5]:
        query = query_of(row)
        scores = dict(
            zip([one.id for one in pool], naive_bm25(retrieval_text(query), texts), strict=True)
        )
        (found,) = BM25(bundle).retrieve([query], 5)
        others = [one.id for one in pool if text_key(one.text) != text_key(query.text)]
        best = sorted((scores[name] for name in others), reverse=True)[: len(found)]
        assert [scores[one.id] for one in found] == pytest.approx(best, rel=1e-5)


def test_stop_words_alone_give_the_first_rows(bundle: Bundle) -> None:
    part = next(p for p in bundle.manifest.partitions if p.task is Task.NER)
    rows = bundle.demonstrations()[part.start : part.stop]
    (found,) = BM25(bundle).retrieve([query_of(rows[0], "It is the of and .")], 3)
    assert [one.id for one in found] == [row.id for row in rows[:3]]


def test_the_seed_and_the_text_determine_a_random_sample(bundle: Bundle) -> None:
    every = queries(bundle)
    one, again, other = Random(bundle, 1), Random(bundle, 1), Random(bundle, 2)
    assert one.retrieve(every, 5) == again.retrieve(every, 5) != other.retrieve(every, 5)
    first = every[0]
    changed = Query(first.task, first.text + " Again .", first.schema, first.labels)
    assert one.retrieve([first], 5) != one.retrieve([changed], 5)


def test_a_random_sample_is_uniform(bundle: Bundle) -> None:
    part = next(p for p in bundle.manifest.partitions if p.task is Task.NER)
    row = bundle.demonstrations()[part.start]
    every = [query_of(row, f"Sentence {number} .") for number in range(3000)]
    counts = Counter(one.id for shown in Random(bundle).retrieve(every, 4) for one in shown)
    mean = 4 * len(every) / len(part)
    assert len(counts) == len(part)
    # five standard deviations of a binomial count
    assert all(abs(count - mean) < 5 * math.sqrt(mean) for count in counts.values())


def test_each_has_a_digest_of_its_own(bundle: Bundle) -> None:
    digests = [bundle.digest, BM25(bundle).digest, Random(bundle, 1).digest, Random(bundle).digest]
    assert len(set(digests)) == len(digests)
    assert digests[1:3] == [BM25(bundle).digest, Random(bundle, 1).digest]


def test_a_digest_is_of_the_demonstrations_alone(bundle: Bundle, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(bundle.path, other)
    training = {"learned": "anew"}
    raw = bundle.manifest.model_copy(update={"training": training}).sealed(bundle.manifest.files)
    (other / MANIFEST).write_bytes(raw.to_bytes())
    again = Bundle.open(other, threads=1)
    assert again.digest != bundle.digest
    for make in (BM25, Random):
        assert make(again).digest == make(bundle).digest


def test_without_the_library_bm25_says_what_to_install(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bm25s", None)
    with pytest.raises(UnavailableError, match=r"ruie\[train\]"):
        BM25(bundle)
