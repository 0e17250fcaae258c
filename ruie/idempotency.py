"""The keys under which answers are kept, so that none is paid for twice.

A question's key needs no demonstrations: while a bundle stays as it is, nothing is encoded to find
an answer again. A prompt's key is that of what is really sent, whatever chose its demonstrations:
where another bundle chooses the same ones, the answer is there.

Neither has the endpoint: a model that moves to another host, or is reached through a proxy, is the
same model and is not paid for again. OpenRouter's `provider` and `route` choose a host likewise and
are in no key; `models`, which may choose another model, is in both.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from ruie import prompts
from ruie.decoding import Decoding, stored_stop
from ruie.llm import Call
from ruie.records import Query
from ruie.request_parameters import shaping


def question_key(
    query: Query, model: str, decoding: Decoding, retriever_digest: str | None, salt: str
) -> str:
    """SHA-256, hexadecimal, of the text, the task with its types, the event, the context, the
    prompt's version, the model, the decoding and the bundle."""
    trigger = query.trigger
    return _digest(
        [
            query.text,
            str(query.task),
            query.schema,
            list(query.labels.items()),
            [trigger.type, trigger.span.start, trigger.span.end] if trigger else None,
            prompts.PROMPT_VERSION,
            model,
            decoding.body(),
            retriever_digest,
            *([{"context": query.context}] if query.context else []),
            *([salt] if salt else []),
        ]
    )


def prompt_key(call: Call, query: Query, decoding: Decoding, salt: str) -> str:
    """SHA-256, hexadecimal, of the model, the messages, the form of the answer, its types and the
    parameters that shape it.

    Not of the most tokens that it may have: an answer that is kept was not cut off. Nor of a
    grammar: it follows from the form and the types.
    """
    return _digest(
        [
            call.model,
            [[message["role"], message["content"]] for message in call.messages],
            str(query.task),
            list(query.labels),
            str(decoding.form),
            call.response_format,
            stored_stop(call.stop),
            shaping(call.parameters),
            *([salt] if salt else []),
        ]
    )


def _digest(parts: Sequence[Any]) -> str:
    encoded = json.dumps(parts, ensure_ascii=False)
    # half a surrogate pair, which damaged text may hold, has no UTF-8
    return hashlib.sha256(encoded.encode("utf-8", "surrogatepass")).hexdigest()
