"""Reranking the most similar demonstrations by what benefits the LLM.

Similarity finds sentences on the same subject. An LLM also benefits from demonstrations whose
answers have the types of the query's own answer, and from those whose gold spans occur in the
query's text. So the score of demonstration d for query q is

    cos(q, d) + a · A(q, d) + m · M(q, d)

A is the expected agreement: the Jaccard index of the types of d's answer and of q's, which are
known only as probabilities (ruie/bundle/type_model.py): the expected size of the intersection over
the expected size of the union. M is how many of d's gold spans occur in the text of q, at most
`MAX_MENTIONS`. a and m are learned for each task (exporter/training/ranking.py).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import regex
from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from ruie.records import Task
from ruie.scripts import same_word

Floats = npt.NDArray[np.float32]

MAX_MENTIONS = 2
"""Mentions above are not counted: sentences full of spans would always come first."""

_HANGUL = regex.compile(r"\p{Hangul}|.\p{Hangul}", regex.DOTALL)


class RerankWeights(BaseModel):
    """The weights of agreement and mentions, and how many demonstrations are reranked."""

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True)

    agreement: dict[Task, float] = {}
    """a of each task; 0 if missing."""
    mentions: dict[Task, float] = {}
    """m of each task; 0 if missing."""
    depth: int = Field(
        default=200,
        ge=1,
        validation_alias=AliasChoices("among", "depth"),
        serialization_alias="among",  # its name in the manifests of existing bundles
    )
    """How many of the most similar demonstrations are reranked."""

    def scores(
        self, task: Task, similarities: Floats, agreement: Floats, mentions: Floats
    ) -> Floats:
        """The score of each demonstration. All arrays are float32, shape (N,)."""
        a, m = self.agreement.get(task, 0.0), self.mentions.get(task, 0.0)
        scores: Floats = similarities + np.float32(a) * agreement + np.float32(m) * mentions
        return scores


def expected_agreement(probabilities: Floats, types: Floats) -> Floats:
    """A of each demonstration: float32, shape (N,).

    probabilities: shape (T,), of the types of the query's answer. types: shape (N, T), 1 where a
    demonstration's answer has the type. An empty answer agrees with the probability that the
    query's answer is empty.
    """
    both = types @ probabilities
    own = types.sum(1)
    either = own + probabilities.sum() - both
    agreement = np.where(own > 0, both / np.maximum(either, 1e-6), np.prod(1 - probabilities))
    return agreement.astype(np.float32)


def mentions(spans: Iterable[Iterable[str]], text: str) -> Floats:
    """M of each demonstration: float32, shape (N,).

    spans: those of each demonstration. Spans and text are in the form of `text_key`.
    """
    known: dict[str, bool] = {}
    counts = []
    for own in spans:
        distinct = set(own)
        for span in distinct:
            if span not in known:
                known[span] = occurs(span, text)
        counts.append(min(MAX_MENTIONS, sum(known[span] for span in distinct)))
    return np.array(counts, dtype=np.float32)


def occurs(span: str, text: str) -> bool:
    """Whether `span` occurs in `text` as whole words."""
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
