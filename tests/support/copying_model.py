"""An endpoint script that knows nothing but its prompt: what a demonstration in it calls a span,
that it calls the same words in the sentence. So it is as good as the demonstrations it is shown."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any

from support.replies import Reply, answer


def copy_spans(body: dict[str, Any], _: int) -> Reply:
    """Answer a question about entities in the linear form."""
    shown: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for asked, told in pairwise(body["messages"]):
        if told["role"] == "assistant" and asked["content"].rstrip().endswith("Entities:"):
            for item in told["content"].split("; "):
                type_, colon, span = item.partition(": ")
                if colon:
                    shown[span][type_] += 1
    sentence = body["messages"][-1]["content"].rpartition("Sentence: ")[2].rpartition("\n")[0]
    found = []
    for span in sorted(shown, key=len, reverse=True):
        place = re.search(rf"(?<!\w){re.escape(span)}(?!\w)", sentence)
        if place:
            found.append(f"{shown[span].most_common(1)[0][0]}: {span}")
            # what is in a longer span is not one of its own
            sentence = f"{sentence[: place.start()]} # {sentence[place.end() :]}"
    return answer("; ".join(found) or "None")
