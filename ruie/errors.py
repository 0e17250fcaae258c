"""One error tree. Each message says what is wrong and where; each hint says what to do next.

The classes under `CallError` say what a failed LLM call means for the work: try again, give up on
this item, or stop the job. The worker's retry decision uses only the class and its fields.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the `ruie` command returns; documented in docs/command.md."""

    OK = 0
    FAILED = 1  # the work was done, and some of it failed (quarantined items, failed checks)
    USAGE = 2  # the command line, a schema or a setting is wrong
    UNAVAILABLE = 3  # a server or an installed part that is needed is missing or unreachable
    DATA = 4  # a bundle or a database is missing, damaged or from another version
    INTERRUPTED = 130


class RuieError(Exception):
    """Base of every error that the project raises on purpose.

    message: what is wrong and where, one sentence. hint: what to do about it, one sentence.
    """

    exit_code = ExitCode.FAILED

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()

    @property
    def kind(self) -> str:
        """The class as it is stored and filtered by: `rate_limited`, `output`, `item`."""
        name = type(self).__name__.removesuffix("Error").removesuffix("Call")
        return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


class UsageError(RuieError):
    """The command line is wrong."""

    exit_code = ExitCode.USAGE


class SettingsError(RuieError):
    """A setting in the environment or in ruie.toml is wrong."""

    exit_code = ExitCode.USAGE


class SchemaError(RuieError):
    """A schema file is wrong; the message names the file and the line."""

    exit_code = ExitCode.USAGE


class AnnotationError(RuieError):
    """An annotated row (gold data or a demonstration) is wrong; the message names file and line."""

    exit_code = ExitCode.USAGE


class BundleError(RuieError):
    """A bundle is missing, damaged or from another format version; the message names the file."""

    exit_code = ExitCode.DATA


class DatabaseError(RuieError):
    """The database is from another version, or refuses a statement."""

    exit_code = ExitCode.DATA


class UnavailableError(RuieError):
    """A server (Redis, the database, the LLM) cannot be reached, or a part is not installed."""

    exit_code = ExitCode.UNAVAILABLE


class CallError(RuieError):
    """An LLM call failed."""

    exit_code = ExitCode.UNAVAILABLE

    def __init__(
        self,
        message: str,
        hint: str = "",
        *,
        retry_after: float | None = None,
        raw_output: str | None = None,
        usage: tuple[int, int] | None = None,
        maybe_charged: bool = False,
    ) -> None:
        super().__init__(message, hint)
        self.usage = usage
        """Prompt and completion tokens that the provider charged in spite of the error, or None."""
        self.maybe_charged = maybe_charged
        """Whether the call was sent and may have been charged: a time-out, a broken connection."""
        self.retry_after = retry_after
        """Seconds to wait before the next call, as the provider requested, or None."""
        self.raw_output = raw_output
        """The model's output, if there is one."""


class TransientCallError(CallError):
    """Likely to pass: a time-out, a broken connection, HTTP 408, 409, 425 or 5xx. Try again."""


class RateLimitedError(TransientCallError):
    """HTTP 429 or 503: no process should call for `retry_after` seconds (None: unknown)."""


class ItemError(CallError):
    """Permanent for this item: another attempt would fail in the same way."""


class ContextTooLongError(ItemError):
    """The prompt does not fit the model's context, even without demonstrations."""


class ContentFilteredError(ItemError):
    """The provider's filter refused the document or the answer."""


class OutputError(TransientCallError):
    """The answer, which is in `raw_output`, cannot be parsed."""


class TruncatedError(OutputError):
    """The answer ended at the output limit (`finish_reason` is "length")."""


class FatalCallError(CallError):
    """No call of this job can succeed: the key is refused, or the model is unknown."""
