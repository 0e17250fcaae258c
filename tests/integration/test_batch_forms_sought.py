"""Anthropic keeps no token of a batch: which of those at the provider is ours is proven by the
custom_ids of its results."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.batch_forms import Client
from support.batch_provider import BatchProvider
from support.metering import Plan

from ruie.llm.batches import Sought
from ruie.llm.batches.forms import BatchForm


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[BatchProvider]:
    (folder := tmp_path / "provider").mkdir()
    with BatchProvider(Plan(delay_s=(0.0, 0.0)), folder) as running:
        yield running


def test_a_batch_without_metadata_is_proven_when_it_has_ended(
    provider: BatchProvider, tmp_path: Path
) -> None:
    """Until then every batch of as many requests may be it, but for those that are known."""
    client = Client(BatchForm.ANTHROPIC, provider, tmp_path)
    provider.behave_in_batches(in_progress_s=600.0)
    known, stranger = client.made(token="b2" * 12), client.made(token="c3" * 12)
    assert client.found(known=[known.id]) == ([], 1)
    own = client.made()
    assert client.found(known=[known.id]) == ([], 2)
    assert client.found(count=5, known=[known.id]) == ([], 0)
    provider.behave_in_batches()
    client.ended(own)
    client.ended(stranger)
    assert client.found(known=[known.id]) == ([own.id], 0)
    assert client.found() == ([own.id], 0)


def test_a_batch_without_metadata_is_sought_among_those_of_its_minutes(
    provider: BatchProvider, tmp_path: Path
) -> None:
    client = Client(BatchForm.ANTHROPIC, provider, tmp_path)
    provider.behave_in_batches(in_progress_s=600.0)
    client.made()
    at = time.time()

    def undecided(since: float, until: float) -> int:
        return int(client.ask("find", Sought(client.token, since, until, 6)).undecided)

    assert undecided(client.began - 1, at + 1) == 1
    assert undecided(at + 1, at + 2) == 0
    assert undecided(client.began - 2, client.began - 1) == 0
    provider.behave_in_batches()
