"""The error tree: what a person reads, what is stored, and what the command returns."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from ruie import errors
from ruie.errors import ExitCode, RuieError

TREE = [
    value
    for _, value in inspect.getmembers(errors, inspect.isclass)
    if issubclass(value, RuieError)
]


def test_a_message_and_what_to_do_about_it() -> None:
    error = errors.SchemaError("a.yaml, line 2: no.", "Write yes.")
    assert str(error) == "a.yaml, line 2: no. Write yes."
    assert (error.message, error.hint) == ("a.yaml, line 2: no.", "Write yes.")
    assert str(errors.SchemaError("No.")) == "No."


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.TransientCallError, "transient"),
        (errors.RateLimitedError, "rate_limited"),
        (errors.ItemError, "item"),
        (errors.ContextTooLongError, "context_too_long"),
        (errors.ContentFilteredError, "content_filtered"),
        (errors.OutputError, "output"),
        (errors.TruncatedError, "truncated"),
        (errors.FatalCallError, "fatal"),
        (errors.SchemaError, "schema"),
    ],
)
def test_kinds(error: type[RuieError], kind: str) -> None:
    assert error("x").kind == kind


def test_no_two_kinds_are_the_same() -> None:
    kinds = [error("x").kind for error in TREE]
    assert len(set(kinds)) == len(TREE) > 10
    assert all(re.fullmatch(r"[a-z_]*", kind) for kind in kinds)


def test_a_call_error_keeps_what_is_known() -> None:
    error = errors.TruncatedError("x", retry_after=2.5, raw_output="PER: A")
    assert (error.retry_after, error.raw_output) == (2.5, "PER: A")
    assert errors.ItemError("x").retry_after is None
    assert errors.ItemError("x").raw_output is None


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.RuieError, ExitCode.FAILED),
        (errors.UsageError, ExitCode.USAGE),
        (errors.SettingsError, ExitCode.USAGE),
        (errors.SchemaError, ExitCode.USAGE),
        (errors.AnnotationError, ExitCode.USAGE),
        (errors.BundleError, ExitCode.DATA),
        (errors.DatabaseError, ExitCode.DATA),
        (errors.UnavailableError, ExitCode.UNAVAILABLE),
        (errors.FatalCallError, ExitCode.UNAVAILABLE),
    ],
)
def test_exit_codes(error: type[RuieError], code: ExitCode) -> None:
    assert error.exit_code is code
    assert code != ExitCode.OK


def test_every_error_says_what_it_means() -> None:
    for error in TREE:
        assert error.__doc__, error


def test_the_kernel_raises_no_plain_errors_on_purpose() -> None:
    """`raise RuntimeError(...)` and its like would reach a user as a traceback."""
    for file in Path(inspect.getfile(errors)).parent.glob("*.py"):
        assert not re.search(r"raise (RuntimeError|Exception|AssertionError)\b", file.read_text())
