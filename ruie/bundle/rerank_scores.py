"""In which order the most similar demonstrations are shown: by what helped the LLM.

Similarity finds sentences that speak of the same things. An LLM also profits from demonstrations
whose answers have the types of the query's own answer, and from those that show what the query's
own words are. So the score of demonstration d for query q is

    cos(q, d) + a · A(q, d) + m · M(q, d)

A is the agreement to be expected: the Jaccard index of the types of d's answer and of q's, whose
types are known only as probabilities (ruie/bundle/type_model.py): the expected size of what both
have over the expected size of what either has. M is how many of d's gold spans occur in the text
of q, at most `MENTIONS`. a and m are learned for each task (exporter/training/ranking.py).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import regex
from pydantic import BaseModel, ConfigDict, Field

from ruie.records import Task
from ruie.scripts import same_word

Floats = npt.NDArray[np.float32]

MENTIONS = 2
"""More say no more, and sentences that are full of spans would come first always."""

_HANGUL = regex.compile(r"\p{Hangul}|.\p{Hangul}", regex.DOTALL)


class Ranking(BaseModel):
    """What agreement and mentions weigh, and how many demonstrations are looked at."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    agreement: dict[Task, float] = {}
    """a of each task; 0 where none is given."""
    mentions: dict[Task, float] = {}
    """m of each task; 0 where none is given."""
    among: int = Field(default=200, ge=1)
    """So many most similar demonstrations are put in order."""

    def scores(
        self, task: Task, similarities: Floats, agreement: Floats, mentions: Floats
    ) -> Floats:
        """One score a demonstration. All are float32, (N,)."""
        a, m = self.agreement.get(task, 0.0), self.mentions.get(task, 0.0)
        found: Floats = similarities + np.float32(a) * agreement + np.float32(m) * mentions
        return found


def expected_agreement(probabilities: Floats, types: Floats) -> Floats:
    """A of each demonstration, float32 (N,).

    probabilities: (T,), of the types of the query's answer. types: (N, T), 1 where a
    demonstration's answer has the type. Two empty answers agree, with the probability that the
    query's is empty.
    """
    both = types @ probabilities
    own = types.sum(1)
    either = own + probabilities.sum() - both
    found = np.where(own > 0, both / np.maximum(either, 1e-6), np.prod(1 - probabilities))
    return found.astype(np.float32)


def mentions(spans: Iterable[Iterable[str]], text: str) -> Floats:
    """M of each demonstration, float32 (N,). `spans` are those of each, as `text_key` has them, and
    so is `text`."""
    known: dict[str, bool] = {}
    found = []
    for own in spans:
        different = set(own)
        for span in different:
            if span not in known:
                known[span] = occurs(span, text)
        found.append(min(MENTIONS, sum(known[span] for span in different)))
    return np.array(found, dtype=np.float32)


def occurs(span: str, text: str) -> bool:
    """Whether `text` holds `span` as words of its own, not within longer ones."""
    at = text.find(span) if span else -1
    while at >= 0:
        end = at + len(span)
        starts = at == 0 or _between_words(text[at - 1], span[0])
        if starts and (end == len(text) or _between_words(span[-1], text[end])):
            return True
        at = text.find(span, at + 1)
    return False


def _between_words(before: str, after: str) -> bool:
    # Korean has spaces, but its particles follow a word without one, and nearly every word has one
    return not same_word(before, after) or _HANGUL.match(before + after) is not None
