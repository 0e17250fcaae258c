"""Pruning while workers take what goes, and pruning that is killed."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from support.aged import NEW, OLD, ROLES, AgedCorpus, gone, sums
from support.job_database import JobDatabase

from ruie.db import kept_answers, reused_results
from ruie.db.engine import reading
from ruie.db.pruning import prune as pruning
from ruie.db.pruning.parts import Kind
from ruie.db.reused_results import AnswerPrunedError
from ruie.records import Task


@pytest.fixture
def corpus(database: JobDatabase) -> AgedCorpus:
    return AgedCorpus(database)


def test_an_answer_that_is_pruned_while_a_worker_takes_it_is_asked_for_anew(
    corpus: AgedCorpus,
) -> None:
    corpus.run(OLD)
    corpus.run(NEW)
    corpus.count()
    later = corpus.enqueue(OLD)
    item = next(each for each in corpus.database.take(later) if each.task is Task.NER)
    key, _ = corpus.keys(item)
    with reading(corpus.database.engine) as conn:
        paid = kept_answers.find_paid(conn, [key])[key]
    with corpus.database.engine.begin() as conn:  # as if the corpus had not read it again
        conn.execute(
            text("UPDATE origins SET state = 'removed', changed_at = :at WHERE state = 'current'"),
            {"at": "2026-01-01 00:00:00.000000"},
        )
    corpus.prune(Kind.RECORDS)
    with pytest.raises(AnswerPrunedError), corpus.database.engine.begin() as conn:
        reused_results.reuse_result(conn, item, paid, ROLES)
    corpus.work(item)
    with reading(corpus.database.engine) as conn:
        assert kept_answers.find_paid(conn, [key])[key].id != paid.id
    assert corpus.progress(later).done == 1


@pytest.mark.parametrize("server", ["postgresql"], indirect=True)
def test_an_answer_that_a_worker_takes_is_not_pruned(corpus: AgedCorpus) -> None:
    corpus.run(OLD)
    corpus.run(NEW)
    corpus.count()
    later = corpus.enqueue(OLD)
    item = next(each for each in corpus.database.take(later) if each.task is Task.NER)
    key, _ = corpus.keys(item)
    with reading(corpus.database.engine) as conn:
        paid = kept_answers.find_paid(conn, [key])[key]
    with corpus.database.engine.begin() as conn:
        assert reused_results.reuse_result(conn, item, paid, ROLES)
        corpus.prune(Kind.RECORDS)  # it does not wait for the worker
    corpus.prune(Kind.RECORDS)
    assert (
        corpus.database.one(f"SELECT COUNT(*) FROM entity_mentions WHERE job_id = '{later}'") == 1
    )


def test_pruning_that_is_killed_is_continued(
    corpus: AgedCorpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "LEAST", 1)
    monkeypatch.setattr(pruning, "MOST", 1)
    texts = {str(n): f"Crude fell {n} times." for n in range(5)}
    first = corpus.run(texts)
    second = corpus.run({key: f"{text} Now" for key, text in texts.items()})
    before = sums(corpus, first, second)
    steps = 0

    def killed(*_: object) -> None:
        nonlocal steps
        steps += 1
        if steps % 3 == 0:
            raise KeyboardInterrupt

    for _ in range(100):
        try:
            corpus.prune(report=killed)
            break
        except KeyboardInterrupt:
            assert sums(corpus, first, second) == before
    assert sums(corpus, first, second) == before
    assert steps > 20
    assert gone(corpus.prune()) == {}
    assert corpus.rows("attempts", "entities", "events") == {
        "attempts": 0, "entities": 5, "events": 5,
    }  # fmt: skip  # by table
