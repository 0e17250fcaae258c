"""The body of a call, in the form that its endpoint speaks."""

from __future__ import annotations

from typing import Any

from ruie.llm.api import Api
from ruie.llm.call import Call
from ruie.llm.messages import message_body
from ruie.llm.profile import RequestProfile


def request_body(profile: RequestProfile, call: Call) -> dict[str, Any]:
    """The JSON document that is posted, or is one request of a batch."""
    if call.api is Api.MESSAGES:
        return message_body(profile, call)
    return profile.request(call)
