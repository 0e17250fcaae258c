"""The line of a batch as the answer of its call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ruie.llm.call import Call, Completion
from ruie.llm.client import cut
from ruie.llm.failures import answered_error
from ruie.llm.profile import RequestProfile
from ruie.llm.response import read_completion
from ruie.llm.usage import read_usage
from ruie.usage import Usage


def line_usage(line: Mapping[str, Any]) -> Usage | None:
    """What a line says that it used; None: it was answered, and does not say. An error that says
    nothing used nothing."""
    usage = read_usage(line["body"])
    if usage.tokens != (0, 0) or usage.cost_usd is not None:
        return usage if usage.counted else None
    return None if line["status"] is not None and line["status"] < 400 else Usage()


def read_line(line: Mapping[str, Any], profile: RequestProfile, call: Call, url: str) -> Completion:
    """The completion of a line. Raises `CallError`. line: `status` and `body`."""
    status, body = line["status"], line["body"]
    if status is None or status >= 400:
        error = answered_error(status, {}, body, url, call.model)
        error.usage = error.usage or line_usage(line)
        error.maybe_charged = False
        raise error
    completion = read_completion(body, {}, 0.0, profile.limited(call), url)
    return completion if profile.sends_stop else cut(completion, call.stop)
