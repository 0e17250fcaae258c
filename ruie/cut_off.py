"""What an answer in the linear form is worth that was cut off: at the output limit, or with as many
items as its grammar admits."""

from __future__ import annotations

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
