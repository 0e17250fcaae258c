"""Where an answer ends and the model goes on with the next demonstration, as base models do.

The end of a line ends no answer: items may have a line each. What ends it is a message of the user
in the model's own words: the line `Sentence:` of the prompt, with another sentence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

CUES = ("Context:", "Sentence:")
"""How the lines of a message of the user begin (`ruie.prompts`)."""

_CUE = re.compile(rf"[ \t>*#]{{0,9}}(?:{'|'.join(CUES)})[*]{{0,2}}(?P<said>.*)")
_ROLE = re.compile(r"\W{0,20}(?:im_start\W{1,9})?(?:user|human)\W{0,20}", re.IGNORECASE)
"""What stands before a message where the marks of a chat template are left out, or not."""


def answer_alone(output: str, contains: Callable[[str], bool], labels: Collection[str] = ()) -> str:
    """The output up to where it goes on with another sentence. contains: whether the text of the
    query has a piece. The query repeated before the answer is no other sentence, nor is a label."""
    if not any(cue in output for cue in CUES) or any(f"{label}:" in CUES for label in labels):
        return output
    at = answered = 0
    for line in output.splitlines(keepends=True):
        found = _CUE.match(line) if answered else None
        if found is not None and (said := found["said"].strip()) and not contains(said):
            return output[:answered]
        at += len(line)
        if line.strip() and not _ROLE.fullmatch(line.strip()):
            answered = at
    return output
