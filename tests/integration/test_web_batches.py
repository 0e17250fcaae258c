"""Batches at the provider in `ruie web`."""

from __future__ import annotations

import pytest
from support.job_database import JobDatabase
from support.provider_job import ProviderJob
from support.web_site import Site

from ruie.db import provider_batches


@pytest.fixture
def job(site: Site) -> ProviderJob:
    """A job of which two requests are in a batch, and one waits."""
    made = ProviderJob(JobDatabase(site.client.engine), name="batched")
    made.enqueue(["Crude fell.", "Gold fell.", "Corn fell."])
    *first, last = made.database.take(made.id)
    made.submit(first)
    made.sent()
    made.submit([last])
    return made


def test_the_page_of_a_job_has_its_batches(site: Site, job: ProviderJob) -> None:
    with site.client.engine.begin() as conn:
        provider_batches.look_again(conn, 1, 5.0, "It answers <nothing>.")
    page = site.get(f"/jobs/{job.id}")
    for said in ("Batches 1 request waits for a batch.", "running in_progress",
                 "In batches, or waiting for one", "Mode batch", "Cancel batch 1",
                 "It answers <nothing>."):  # fmt: skip
        assert said in page.words


def test_a_batch_that_was_never_sent_waits_to_be_sent(site: Site, job: ProviderJob) -> None:
    job.cut()
    for path in (f"/jobs/{job.id}", "/fleet"):
        words = site.get(path).words
        assert "preparing waiting to be sent" in words
        assert "at the provider" not in words
        assert words.count("waiting to be sent") == 1


def test_a_batch_is_cancelled(site: Site, job: ProviderJob) -> None:
    page = site.get(f"/jobs/{job.id}")
    done = site.visitor.post(f"/jobs/{job.id}/batches/1/cancel", {}, page)
    assert "Batch 1 is cancelled, and the job paused" in done.words
    assert site.client.batch(1).cancelling
    assert site.client.job(job.id).state == "paused"
    page = site.get(f"/jobs/{job.id}")
    assert "cancelling" in page.words
    assert "Cancel batch 1" not in page.words
    with site.client.engine.begin() as conn:
        provider_batches.ended(conn, 1, "cancelled")
    refused = site.visitor.post(f"/jobs/{job.id}/batches/1/cancel", {}, page)
    assert refused.status == 409
    assert "The batch 1 has ended (ended)." in refused.words


def test_the_fleet_has_the_batches_of_all_jobs(site: Site, job: ProviderJob) -> None:
    page = site.get("/fleet")
    assert "Batches 1 request waits" in page.words
    assert page.link(f"/jobs/{job.id}") == f"/jobs/{job.id}"
    assert "1 request waits for a batch." in page.words


def test_a_job_without_batches_says_nothing_of_them(site: Site) -> None:
    page = site.get(f"/jobs/{site.job}")
    assert 'id="batches"' not in page.text
    assert "In batches" not in page.words
    assert "Mode standard" in page.words
    assert 'id="batches"' not in site.get("/fleet").text
