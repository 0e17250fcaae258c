"""What is too long for an index: refused with its size, alike on both databases; the rest gets in.

The texts are of random characters, which PostgreSQL cannot compress.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from support.job_database import JobDatabase

from ruie.db import endpoints, targets
from ruie.db.canonical import list_names, map_names
from ruie.db.query import run_readonly
from ruie.errors import SettingsError, UsageError
from ruie.lengths import LONGEST_BYTES, LONGEST_MODEL_BYTES, LONGEST_URL_BYTES, size_of
from ruie.llm.ledger import Failure, Target
from ruie.names import name_key
from ruie.records import Grounding, Item, Span, Task
from ruie.schema import Schema
from ruie.settings import load
from ruie.worker.client import Client
from ruie.worker.ingest.enqueue import Enqueued
from ruie.worker.schedules import Schedules

SCHEMA = Schema("news", entities={"person": ""})
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"


def noise(length: int, letters: str = LETTERS, seed: int = 1) -> str:
    return "".join(random.Random(seed).choices(letters, k=length))


@pytest.fixture
def client(url: str, engine: Engine) -> Client:
    return Client(load(database_url=url), engine)


def rows(*ids: str) -> list[dict[str, str]]:
    return [{"id": id_, "text": f"Ada met person {n}."} for n, id_ in enumerate(ids)]


def reasons(done: Enqueued) -> list[str]:
    return [error.reason for error in done.errors]


def test_an_id_that_is_too_long_is_one_refusal_and_the_others_get_in(client: Client) -> None:
    done = client.enqueue(rows("a", "https://x.example/" + noise(2817), "b"), SCHEMA)
    assert (done.documents, done.refused) == (2, 1)
    assert reasons(done) == [f"'id' has 2835 bytes, more than {LONGEST_BYTES}"]
    assert done.errors[0].line == 2


@pytest.mark.parametrize("letters", [LETTERS, "äöüßÄÖÜ", "".join(map(chr, range(0x4E00, 0x9000)))])
def test_the_longest_id_gets_in_and_is_found_again(client: Client, url: str, letters: str) -> None:
    each = size_of(letters[0])
    longest = noise(LONGEST_BYTES // each, letters)
    over = noise(LONGEST_BYTES // each + 1, letters, seed=2)
    assert client.enqueue(rows(longest, over), SCHEMA).documents == 1
    found = run_readonly(
        url, "SELECT COUNT(*) FROM origins WHERE external_id = :id", {"id": longest}
    )
    assert list(found.rows) == [(1,)]


def test_an_id_and_its_corpus_share_the_room(client: Client) -> None:
    corpus = noise(1000)
    fits, over = noise(LONGEST_BYTES - 1000), noise(LONGEST_BYTES - 999, seed=2)
    done = client.enqueue(rows(fits, over), SCHEMA, corpus=corpus)
    assert done.documents == 1
    assert reasons(done) == ["'id' has 1651 bytes, more than 1650 beside the name of its corpus"]
    again = client.enqueue(rows(fits), SCHEMA, corpus=corpus)
    assert (again.documents, again.unchanged, again.refused) == (0, 1, 0)


def deep(folder: Path, size: int) -> Path:
    """A folder whose path has `size` bytes, made step by step: the system refuses it at once."""
    seed = 0
    while (room := size - size_of(str(folder))) > 1:
        folder /= noise(min(room - 1, 200), seed=(seed := seed + 1))
        folder.mkdir()
    return folder


def test_a_path_that_is_too_long_is_one_refusal_of_its_source(
    client: Client, tmp_path: Path
) -> None:
    line = '{"text": "Ada met Bob."}\n'
    (tmp_path / "good.jsonl").write_text(line)
    folder = deep(tmp_path, 3383)
    (folder / "d.jsonl").write_text(line)
    good = client.enqueue_files([tmp_path / "good.jsonl"], SCHEMA, corpus="news")
    assert good.documents == 1
    done = client.enqueue_files([tmp_path], SCHEMA, corpus="news", new_job=True)
    (error,) = done.errors
    assert error.reason == f"cannot be read: its name has 3391 bytes, more than {LONGEST_BYTES}"
    assert str(error.source).endswith("… (3,391 bytes)")
    assert (done.unchanged + done.documents, done.refused, done.removed) == (1, 1, 0)
    counted = client.dry_run([tmp_path], SCHEMA, corpus="news", new_job=True)
    assert counted.refused == 1
    assert counted.errors[0].reason == error.reason


def test_the_longest_path_gets_in(client: Client, tmp_path: Path) -> None:
    folder = deep(tmp_path, LONGEST_BYTES - len("/d.jsonl"))
    (folder / "d.jsonl").write_text('{"id": "1", "text": "Ada."}\n{broken\n')
    done = client.enqueue_files([folder], SCHEMA)
    assert size_of(str(done.errors[0].source)) == LONGEST_BYTES
    assert done.documents == 1


@pytest.mark.parametrize(
    ("option", "limit"),
    [("name", LONGEST_BYTES), ("corpus", LONGEST_BYTES), ("model", LONGEST_MODEL_BYTES)],
)
def test_names_of_a_job(client: Client, tmp_path: Path, option: str, limit: int) -> None:
    options: dict[str, Any] = {option: noise(limit)}
    job = client.enqueue(rows("a") if option != "corpus" else [], SCHEMA, **options).job_id
    assert getattr(client.job(job), option) == options[option]
    options = {option: noise(limit + 1)}
    refusal = rf"{option}.* has {limit + 1:,} bytes, more than {limit:,}"
    with pytest.raises(UsageError, match=refusal):
        client.enqueue(rows("b"), SCHEMA, **options)
    (tmp_path / "a.jsonl").write_text('{"text": "Ada."}')
    with pytest.raises(UsageError, match=refusal):
        client.dry_run([tmp_path], SCHEMA, **options)
    with pytest.raises(UsageError, match=refusal):
        Schedules(client).add("s", "0 2 * * *", "UTC", [tmp_path], SCHEMA, **options)
    if option != "corpus":
        with pytest.raises(UsageError, match=refusal):
            client.change_job(job, **options)


def test_the_name_of_a_schedule(client: Client, tmp_path: Path) -> None:
    schedules = Schedules(client)
    longest = noise(LONGEST_BYTES)
    assert schedules.add(longest, "0 2 * * *", "UTC", [tmp_path], SCHEMA).name == longest
    with pytest.raises(UsageError, match="name of the schedule has 2,651 bytes"):
        schedules.add(longest + "x", "0 2 * * *", "UTC", [tmp_path], SCHEMA)


def test_an_endpoint_and_a_model_fit_one_index(engine: Engine) -> None:
    url = f"https://x.example/{noise(LONGEST_URL_BYTES - 18)}"
    model = noise(LONGEST_MODEL_BYTES)
    config = load(llm_base_url=url, llm_model=model)
    with engine.begin() as conn:
        target = Target(config.llm_endpoint, config.llm_model, "s" * 16)
        targets.add(conn, target)
        assert targets.find(conn, target) is not None
        endpoints.failed(conn, target.endpoint, Failure("x", "away", ("i",)), certain=True)
    with pytest.raises(SettingsError, match="RUIE_LLM_BASE_URL: it has 2,001 bytes"):
        load(llm_base_url=url + "x")
    with pytest.raises(SettingsError, match="RUIE_LLM_MODEL: it has 601 bytes"):
        load(llm_model=model + "x")


def test_records_of_any_length_are_kept_and_found(database: JobDatabase, url: str) -> None:
    """Their keys have 200 characters; a label 100."""
    letters = "".join(map(chr, [*range(0x20000, 0x20400), *range(0x1F600, 0x1F640)]))
    word = noise(10_000, letters)
    job = database.job("long")
    database.enqueue(job, {"a": word}, Task.NER)
    (item,) = database.take(job)
    label = noise(100, letters, seed=2)
    assert database.save(item, [Item(label, (Span(word, 0, len(word), Grounding.EXACT),))])
    key = name_key(word)
    assert size_of(key) == 800
    whole = "SELECT text FROM entity_mentions WHERE name_key = :key AND type = :type"
    assert list(run_readonly(url, whole, {"key": key, "type": label}).rows) == [(word,)]
    within = "SELECT COUNT(*) FROM entity_mentions WHERE name_key >= :low AND name_key < :high"
    values = {"low": key[:5], "high": key[:4] + chr(ord(key[4]) + 1)}
    assert list(run_readonly(url, within, values).rows) == [(1,)]
    begins = "SELECT COUNT(*) FROM entity_mentions WHERE name_key LIKE :begin"
    assert list(run_readonly(url, begins, {"begin": key[:5] + "%"}).rows) == [(1,)]
    with database.engine.begin() as conn:
        assert map_names(conn, {word: noise(10_000, letters, seed=3)})
        assert [name.key for name in list_names(conn, word, mapped=True)] == [key]


def test_a_refused_source_is_stored_with_its_reason(client: Client, tmp_path: Path) -> None:
    (deep(tmp_path, 3000) / "x.jsonl").write_text("{}")
    (tmp_path / "good.jsonl").write_text(json.dumps({"text": "Ada."}))
    done = client.enqueue_files([tmp_path], SCHEMA)
    stored = run_readonly(
        client.config.database_url,
        "SELECT reason FROM input_errors WHERE job_id = :job",
        {"job": done.job_id},
    )
    assert [row[0] for row in stored.rows] == [error.reason for error in done.errors]
