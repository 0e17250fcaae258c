"""Where a record comes from: the prompt of its call is built again, and recognised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from sqlalchemy import func, select, update
from support import news
from support.web_site import Site

from ruie.bundle import Bundle
from ruie.bundle.retrieval import project
from ruie.db import demonstrations, jobs, queue, results
from ruie.db.job_settings import JobSettings
from ruie.db.models import extractions
from ruie.decoding import Decoding
from ruie.idempotency import prompt_key
from ruie.packaged import packaged_bundle
from ruie.questioner import question
from ruie.records import Query, Task
from ruie.worker.demo import gold


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle.open(packaged_bundle(), threads=1)


def test_the_prompt_is_built_again_as_it_was_sent(site: Site, bundle: Bundle) -> None:
    call = _asked_with(site, bundle)
    page = site.get(f"/documents/calls/{call}")
    assert "This is what was sent: its key is the one that was stored." in page.words
    assert "not known here" not in page.words
    assert page.text.count('<div class="message assistant">') == 4
    # other examples in the schema's descriptions would have made another prompt
    with site.client.engine.begin() as conn:
        conn.execute(
            update(extractions).values(prompt_key="0" * 64).where(extractions.c.id == call)
        )
    assert "what was sent differed" in site.get(f"/documents/calls/{call}").words


def test_added_demonstrations_are_found_by_their_version(site: Site, bundle: Bundle) -> None:
    query = _query()
    added = replace(
        bundle.retrieve([query], 1)[0][0], id="ours-1", text="A transformer was fitted in PyTorch."
    )
    with site.client.engine.begin() as conn:
        version = demonstrations.store(conn, [added], None)
    call = _asked_with(site, bundle.over([added]), ["ours-1"], [version])
    page = site.get(f"/documents/calls/{call}")
    assert "A transformer was fitted in PyTorch." in page.words
    assert "This is what was sent" in page.words


TEXT = "A perceptron was trained with gradient descent in MATLAB."
SCHEMA = gold.corpus("entities").schema


def _query() -> Query:
    return SCHEMA.query(Task.NER, TEXT, None, "")


def _asked_with(
    site: Site, bundle: Bundle, ids: Sequence[str] = (), sets: Sequence[int] = ()
) -> int:
    """The id of a call that a worker made with demonstrations of this bundle."""
    job, query, decoding = _job(site), _query(), Decoding()
    shown = bundle.retrieve([query], 4)[0]
    if ids:
        shown = [project(bundle.demonstration(id_), query) for id_ in ids]
    asked = question(query, shown, "small", decoding, "key")
    with site.client.engine.begin() as conn:
        (batch,) = queue.dispatch(conn, job, 10, 10, 60)
        (item,) = queue.lease(conn, batch.id, "w", 60)
        made = results.NewExtraction(
            key="key", model="small", endpoint=news.ENDPOINT, prompt_version="1",
            bundle_digest=Bundle.open(packaged_bundle(), threads=1).digest,
            schema_digest=SCHEMA.digest, demonstration_ids=[each.id for each in shown],
            prompt_tokens=1, completion_tokens=1, latency_s=1.0, raw_output="None", cost_usd=0.0,
            prompt_key=prompt_key(asked.call, query, decoding, ""),
            demonstration_sets=tuple(sets),
        )  # fmt: skip  # a call
        results.save_result(conn, item, made, [], None)
        return int(conn.execute(select(func.max(extractions.c.id))).scalar_one())


def _job(site: Site) -> str:
    new = jobs.NewJob(
        name="papers", schema_name=SCHEMA.name, schema_body=SCHEMA.body(),
        schema_digest=SCHEMA.digest, model="small", endpoint=news.ENDPOINT,
        prompt_version="1", settings=JobSettings(Decoding()),
    )  # fmt: skip  # a job
    with site.client.engine.begin() as conn:
        job = jobs.create_job(conn, new)
        row = queue.NewDocument(TEXT, "paper-1", None, None, {})
        queue.enqueue_documents(conn, job, [row], [Task.NER])
        jobs.finish_enqueueing(conn, job)
    return job
