"""docs/failures.md says of each error what the code does."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from support.documents import sections, table_rows, text_of

from ruie.errors import CallError, Concern, ParameterRefusedError
from ruie.worker.batches.retries import (
    Attempt,
    AwaitEndpoint,
    PauseEndpoint,
    PauseJob,
    Quarantine,
    Retry,
    RetryPolicy,
    decide,
)

PAGE = text_of("docs/failures.md")
ROWS = {row[0].strip("`"): row for row in table_rows(sections(PAGE)["Classes of errors"])}
WORDS = {
    Retry: "retried",
    Quarantine: "quarantined",
    PauseEndpoint: "fleet pauses",
    PauseJob: "job pauses",
    AwaitEndpoint: "waits for the endpoint",
}


def tree(root: type[CallError]) -> Iterator[type[CallError]]:
    """The classes under `root` that the project has."""
    for each in root.__subclasses__():
        if each.__module__ == CallError.__module__:
            yield each
            yield from tree(each)


def make(kind: type[CallError]) -> CallError:
    return kind("x", parameter="seed") if kind is ParameterRefusedError else kind("x")


def test_every_concern_and_every_class_has_a_row() -> None:
    concerns = [row[0] for row in table_rows(sections(PAGE)["Whom a failure concerns"])]
    assert sorted(concerns) == sorted(Concern)
    assert sorted(ROWS) == sorted({make(kind).kind for kind in tree(CallError)})


@pytest.mark.parametrize("kind", list(tree(CallError)))
def test_a_class_concerns_and_leads_to_what_is_said(kind: type[CallError]) -> None:
    error = make(kind)
    _, concern, _, then = ROWS[error.kind]
    assert concern == error.concern
    decision = decide(error, Attempt(1, 256, 8), RetryPolicy(), random.Random(1))
    assert then.startswith(WORDS[type(decision)])
