"""How f1.py asks: each question once, and once more where its answer was cut off, as a worker does;
what was answered is kept in a file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from f1_model import Model, Output, Request

from ruie.decoding import LENGTHEN, Decoding
from ruie.errors import OutputError, TruncatedError
from ruie.extractor import Extractor
from ruie.llm import Completion, LLMClient, Usage
from ruie.llm.profile import GRAMMARS
from ruie.parsing import OutputForm
from ruie.questioner import Retriever
from ruie.questions import Question
from ruie.records import Item, Query

K = 8
DECODING = {
    False: Decoding(demonstrations=K),
    True: Decoding(demonstrations=K, form=OutputForm.GRAMMAR, constraint=GRAMMARS[0]),
}
"""By whether answers are held to a grammar."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was found for a query, by one call or two. failed: cut off, or not readable."""

    items: tuple[Item, ...]
    failed: bool
    cut_off: bool
    tokens: int
    seconds: float


class Answers:
    """The model's answers; those in the file, of equal requests, are not made again."""

    def __init__(self, model: Model, file: Path, held: bool) -> None:
        self._model = model
        self._file = file
        self._decoding = DECODING[held]
        self._known: dict[str, Output] = {}
        if file.exists():
            for line in file.read_text(encoding="utf-8").splitlines():
                key, output = json.loads(line)
                if isinstance(output, dict):  # a text alone: of an older file
                    self._known[key] = Output(**output)

    def outcomes(self, retriever: Retriever, queries: Sequence[Query]) -> list[Outcome]:
        """One for each query."""
        found = self._ask(retriever, queries, self._decoding)
        cut_off = [at for at, each in enumerate(found) if each.cut_off]
        if not cut_off:
            return found
        longer = self._decoding.max_tokens * LENGTHEN
        decoding = replace(self._decoding, max_tokens=longer)
        again = self._ask(retriever, [queries[at] for at in cut_off], decoding)
        for at, second in zip(cut_off, again, strict=True):
            first = found[at]
            found[at] = replace(
                second,
                tokens=first.tokens + second.tokens,
                seconds=first.seconds + second.seconds,
            )
        return found

    def _ask(
        self, retriever: Retriever, queries: Sequence[Query], decoding: Decoding
    ) -> list[Outcome]:
        # the endpoint is never called: this process answers
        extractor = Extractor(retriever, LLMClient("http://127.0.0.1/v1"), "model", decoding)
        questions = extractor.prepare(queries)
        prompts = self._model.tokenise([(each.call.messages, "") for each in questions])
        requests = [
            Request(prompt.prompt, question.call.max_tokens, question.call.grammar)
            for prompt, question in zip(prompts, questions, strict=True)
        ]
        outputs = self._answers(requests)
        return [_outcome(extractor, *each) for each in zip(questions, outputs, strict=True)]

    def _answers(self, requests: Sequence[Request]) -> list[Output]:
        left = [each for each in requests if _key(each) not in self._known]
        ordered = sorted(dict.fromkeys(left), key=lambda each: len(each.prompt))
        while ordered:
            batch = [ordered.pop() for _ in range(min(self._model.batch, len(ordered)))]
            outputs = self._model.generate(batch)
            with self._file.open("a", encoding="utf-8") as file:
                for request, output in zip(batch, outputs, strict=True):
                    self._known[_key(request)] = output
                    file.write(json.dumps([_key(request), asdict(output)]) + "\n")
        return [self._known[_key(each)] for each in requests]


def _key(request: Request) -> str:
    return hashlib.sha256(json.dumps(asdict(request)).encode()).hexdigest()


def _outcome(extractor: Extractor, question: Question, output: Output) -> Outcome:
    usage = Usage(completion=output.tokens)
    completion = Completion(output.text, output.finish_reason, usage, output.seconds)
    items: tuple[Item, ...] = ()
    cut_off = failed = False
    try:
        items = extractor.read(question, completion).items
    except OutputError as error:
        failed, cut_off = True, isinstance(error, TruncatedError)
    return Outcome(items, failed, cut_off, output.tokens, output.seconds)
