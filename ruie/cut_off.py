"""What an answer in the linear form is worth that was cut off: at the output limit, or with as many
items as its grammar admits."""

from __future__ import annotations

import re

from ruie.grounding import Grounder
from ruie.llm import Call, Completion
from ruie.output.run_on import answer_alone
from ruie.parsing import parse
from ruie.records import Query

LEAST = 3
"""Items at the end of an answer that add nothing: more would not, either."""
LONGER = "Raise RUIE_LLM_MAX_TOKENS; an answer that is cut off has a second try with twice as many."
"""`ruie.decoding.LENGTHEN` in words."""

_COMPLETE = re.compile(r"(?<![^;\n])([^;\n]*+)[;\n]")
"""An item with what ends it. It is looked for from where the one before it ends: an answer without
an end is gone through once."""


def exhausted(output: str, query: Query) -> str | None:
    """The complete items of a cut-off answer, if they are all that the model had to say; else None.

    Small models that decode greedily may go on for ever, with the same items or with ones that
    are not in the text. If the last quarter of the complete items, and at least `LEAST`, adds
    nothing to what the others find, the answer without its last, incomplete item counts as whole.
    So does one after which the model went on with the next demonstration, which is not read.
    """
    if answer_alone(output, Grounder(query.text).contains, query.labels) != output:
        return output
    # each with its end; two marks in a row end one item
    complete = [found for found in _COMPLETE.finditer(output) if found[1].strip()]
    tail = max(LEAST, -(-len(complete) // 4))
    if len(complete) <= tail:
        return None
    whole, head = output[: complete[-1].end(1)], output[: complete[-tail - 1].end(1)]
    if len(parse(whole, query).items) > len(parse(head, query).items):
        return None
    return whole


def truncated(call: Call, completion: Completion) -> tuple[str, str]:
    """What is wrong with an answer that ended at the output limit, and what to do."""
    if completion.finish_reason != "length":
        return (
            f"The answer has as many items as one of {call.max_tokens} tokens may have.",
            LONGER,
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
        LONGER,
    )
