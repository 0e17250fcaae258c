"""What an answer in the linear form is worth that was cut off: at the output limit, or with as many
items as its grammar admits."""

from __future__ import annotations

from ruie.llm import Call, Completion
from ruie.parsing import parse
from ruie.records import Query

LEAST = 3
"""Items at the end of an answer that add nothing: more would not, either."""


def exhausted(output: str, query: Query) -> str | None:
    """The complete items of a cut-off answer, if they are all that the model had to say; else None.

    Small models that decode greedily may go on for ever, with the same items or with ones that
    are not in the text. If the last quarter of the complete items, and at least `LEAST`, adds
    nothing to what the others find, the answer without its last, incomplete item counts as whole.
    """
    complete = output.split(";")[:-1]
    tail = max(LEAST, -(-len(complete) // 4))
    if len(complete) <= tail:
        return None
    whole, head = ";".join(complete), ";".join(complete[:-tail])
    if len(parse(whole, query).items) > len(parse(head, query).items):
        return None
    return whole


def truncated(call: Call, completion: Completion) -> tuple[str, str]:
    """What is wrong with an answer that ended at the output limit, and what to do."""
    if completion.finish_reason != "length":
        return (
            f"The answer has as many items as one of {call.max_tokens} tokens may have.",
            "Raise RUIE_LLM_MAX_TOKENS.",
        )
    if completion.reasoned and not completion.text.strip():
        return (
            f"The model thought for {completion.usage.completion:,} tokens and did not come to an "
            "answer.",
            "Raise RUIE_LLM_REASONING_TOKENS, or ask for less thinking (reasoning_effort in "
            "RUIE_LLM_PARAMETERS).",
        )
    return (
        f"The answer did not end within {call.max_tokens} tokens.",
        "Raise RUIE_LLM_MAX_TOKENS.",
    )
