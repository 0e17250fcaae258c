"""One error tree. Each message says what is wrong and where; each hint says what to do next.

The classes under `CallError` say what a failed LLM call means for the work: try again, give up on
this item, or stop the job. The worker's retry decision uses only the class and its fields.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum

from ruie.secrets import masked
from ruie.usage import Usage


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

    message: what is wrong and where, one sentence. hint: what to do about it, one sentence. Neither
    has a secret in it, whatever it was made from.
    """

    exit_code = ExitCode.FAILED

    def __init__(self, message: str, hint: str = "") -> None:
        self.message = masked(message)
        self.hint = masked(hint)
        super().__init__(self.message)

    def __str__(self) -> str:
        ended = self.message.endswith((".", "!", "?", ":", "…")) or not self.hint
        return f"{self.message}{'' if ended else '.'} {self.hint}".strip()

    @property
    def kind(self) -> str:
        """The class as it is stored and filtered by: `rate_limited`, `output`, `item`."""
        name = type(self).__name__.removesuffix("Error").removesuffix("Call")
        return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


class UsageError(RuieError):
    """The command line, or a call of the library, is wrong."""

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


class DatabaseVersionError(DatabaseError):
    """The database is of another version than this program: whoever works on it must end."""


class UnavailableError(RuieError):
    """A server (Redis, the database, the LLM) cannot be reached, or a part is not installed."""

    exit_code = ExitCode.UNAVAILABLE


class FailedCallsWarning(UserWarning):
    """Results of `Extractor` lack records, because calls failed: `Result.errors`."""


class Concern(StrEnum):
    """Whom a failed call concerns. Each has one consequence: worker/batches/retries.py."""

    ITEM = "item"
    LIMIT = "limit"
    ENDPOINT = "endpoint"
    ACCOUNT = "account"
    MODEL = "model"
    REQUEST = "request"


class CallError(RuieError):
    """An LLM call failed."""

    exit_code = ExitCode.UNAVAILABLE
    concern = Concern.ITEM

    def __init__(
        self,
        message: str,
        hint: str = "",
        *,
        retry_after: float | None = None,
        raw_output: str | None = None,
        usage: Usage | None = None,
        maybe_charged: bool = False,
    ) -> None:
        super().__init__(message, hint)
        self.usage = usage
        """What the provider charged in spite of the error, or None."""
        self.maybe_charged = maybe_charged
        """Whether the call was sent and may have been charged: a time-out, a broken connection."""
        self.retry_after = retry_after
        """Seconds to wait before the next call, as the provider requested, or None."""
        self.raw_output = raw_output
        """The model's output, if there is one."""
        self.alike: int | None = None
        """How often calls were refused in this way with no answer between; None: not counted."""
        self.systemic = False
        """Whether calls of different items fail so: then it is no fault of this item's."""
        self.outages: int | None = None
        """How often the endpoint had been away when the call was sent, where it concerns that."""
        self.status: int | None = None
        """Of HTTP, where the endpoint answered with an error."""


class TransientCallError(CallError):
    """Likely to pass: a time-out, a broken connection, HTTP 408, 409, 425 or 5xx. Try again.

    It concerns the endpoint if different items fail so with no success between them.
    """

    concern = Concern.ENDPOINT


class RateLimitedError(TransientCallError):
    """HTTP 429 or 503: no process should call for `retry_after` seconds (None: unknown)."""

    concern = Concern.LIMIT


class ItemError(CallError):
    """Permanent for this item: another attempt would fail in the same way."""


class ContextTooLongError(ItemError):
    """The prompt does not fit the model's context, even without demonstrations."""


class ContentFilteredError(ItemError):
    """The provider's filter refused the document or the answer."""


class OutputError(TransientCallError):
    """The answer, which is in `raw_output`, cannot be parsed."""

    concern = Concern.ITEM


class TruncatedError(OutputError):
    """The answer ended at the output limit (`finish_reason` is "length")."""


class UnreachableError(TransientCallError):
    """No call reaches the endpoint: a refused connection, no such host, TLS. Never the item's
    fault."""

    concern = Concern.ENDPOINT


class EndpointAwayError(UnreachableError):
    """The call was not sent, because no call reaches the endpoint for now."""


class RequestRefusedError(CallError):
    """HTTP 400 or 422 that does not say whom it concerns: this item, or every call of the job."""

    concern = Concern.REQUEST


class FatalCallError(CallError):
    """No call of this job can succeed until somebody mends what the message says.

    That is so unless others are answered: then it is this item that is refused.
    """

    concern = Concern.REQUEST
    others_answered = False


class AccountError(FatalCallError):
    """The key is refused, the credit is spent, the region is blocked."""

    concern = Concern.ACCOUNT


class ModelError(FatalCallError):
    """The endpoint does not know the model, or has it no more."""

    concern = Concern.MODEL


class ParameterRefusedError(FatalCallError):
    """The model does not take a parameter of the request.

    parameter: its name in the request, `max_tokens`. suggested: the name that the endpoint says to
    use instead, or "". about_value: the parameter is taken, and not the value it had.
    """

    concern = Concern.REQUEST

    def __init__(
        self,
        message: str,
        hint: str = "",
        *,
        parameter: str = "",
        suggested: str = "",
        about_value: bool = False,
    ) -> None:
        super().__init__(message, hint)
        self.parameter = parameter
        self.suggested = suggested
        self.about_value = about_value
