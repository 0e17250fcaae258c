"""`Questioner`: from queries to answers. Retrieve demonstrations, prompt, call, parse, ground.

What `Extractor` and the workers have in common. The workers add a hook for limits and spend around
each call.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Protocol

from ruie import prompts
from ruie.chunking import Chunker
from ruie.confidence.model import ConfidenceModel, included
from ruie.confidence.signals import signals
from ruie.cut_off import exhausted, truncated
from ruie.decoding import LENGTHEN, Decoding
from ruie.errors import CallError, FatalCallError, OutputError, TruncatedError
from ruie.grammar import CUT_OFF, grammar
from ruie.idempotency import prompt_key, question_key
from ruie.llm import Call, Completion, LLMClient
from ruie.modes import FLEX_TIMEOUT_S, is_flex
from ruie.parsing import OutputForm, parse
from ruie.questions import Answer, Question
from ruie.records import Demonstration, Query, Reject, RejectReason

STOPS = {"stop", "stop_sequences"}
"""How the parameter for stop sequences is called."""


class Retriever(Protocol):
    """What an extractor needs of a bundle."""

    @property
    def digest(self) -> str:
        """Part of every idempotency key: equal only for equal results."""
        ...

    def retrieve(self, queries: Sequence[Query], k: int) -> list[list[Demonstration]]:
        """For each query at most k demonstrations, the best first."""
        ...


class Questioner:
    """Asks one model. Not thread-safe; for one event loop."""

    def __init__(
        self,
        retriever: Retriever | None,
        llm: LLMClient,
        model: str,
        decoding: Decoding | None = None,
        salt: str = "",
        chunker: Chunker | None = None,
        confidence: ConfidenceModel | None = None,
    ) -> None:
        """salt: part of every idempotency key: a new one makes every call be made again.
        confidence: of items; default, the model that comes with ruie."""
        self.confidence = confidence or included()
        self.retriever = retriever
        self.salt = salt
        self.chunker = chunker or Chunker()
        self.llm = llm
        self.model = model
        self.decoding = decoding or Decoding()

    def key(self, query: Query) -> str:
        """The idempotency key: an answer is stored under it, and paid for once. SHA-256,
        hexadecimal."""
        digest = self.retriever.digest if self.retriever else None
        return question_key(query, self.model, self.decoding, digest, self.salt)

    def prompt_key(self, question: Question) -> str:
        """The key of what is sent, whatever chose its demonstrations. SHA-256, hexadecimal."""
        return prompt_key(question.call, question.query, self.decoding, self.salt)

    def prepare(self, queries: Sequence[Query]) -> list[Question]:
        """Retrieve demonstrations and build prompts, for many queries at once. CPU-bound."""
        k = self.decoding.demonstrations
        if self.retriever is not None and k > 0:
            retrieved = self.retriever.retrieve(queries, k)
        else:
            retrieved = [[] for _ in queries]
        return [self._question(q, demos) for q, demos in zip(queries, retrieved, strict=True)]

    def _question(self, query: Query, demonstrations: Sequence[Demonstration]) -> Question:
        return question(query, demonstrations, self.model, self.decoding, self.key(query))

    async def resolve(self) -> None:
        """Find the model, if none is named, and the form, if it is to be proved. Raises
        `CallError`, `UnavailableError`."""
        if not self.model:
            self.model = await self.llm.resolve_model()
        if not self.decoding.proved:
            decoding = self.decoding
            constraint = await self.llm.constraint(
                self.model, decoding.parameters, decoding.reasoning_tokens
            )
            self.decoding = decoding.resolved(constraint)

    async def ask(
        self, question: Question, sending: Callable[[Call], Awaitable[object]] | None = None
    ) -> Answer:
        """Make the call and parse the answer. `sending`: see `LLMClient.complete`.

        Raises `CallError`; of these, `TruncatedError` and `OutputError` as `read` does.
        """
        completion = await self.llm.complete(question.call, sending)
        return self.read(question, completion)

    async def answer(self, question: Question) -> Answer:
        """As `ask`, but an answer that is cut off is asked for again, as in `complete`."""
        return self.read(question, await self.complete(question))

    async def complete(self, question: Question) -> Completion:
        """Make the call, and once more with room for a longer answer where the first was cut off,
        as a worker does. The usage is that of both. Raises `CallError`."""
        first = await self.llm.complete(question.call)
        if self._whole(question, first) is not None:
            return first
        try:
            longer = await self.llm.complete(self._longer(question))
        except FatalCallError:
            raise
        except CallError as error:
            # it is cut off as before; what the second call was charged counts all the same
            return replace(first, usage=first.usage + error.usage) if error.usage else first
        return replace(longer, usage=first.usage + longer.usage)

    def _longer(self, question: Question) -> Call:
        tokens = question.call.max_tokens * LENGTHEN
        held = grammar(question.query, tokens) if question.call.grammar else ""
        return replace(question.call, max_tokens=tokens, grammar=held)

    def _whole(self, question: Question, completion: Completion) -> str | None:
        """The answer, if it is complete; of one that was cut off what is complete, if the model had
        nothing more to say. None for any other."""
        text = completion.text
        bounded = bool(question.call.grammar) and text.endswith(CUT_OFF)
        if completion.finish_reason != "length" and not bounded:
            return text
        return None if self.decoding.form is OutputForm.JSON else exhausted(text, question.query)

    def read(self, question: Question, completion: Completion) -> Answer:
        """Parse and ground a completion.

        Raises `OutputError` if nothing in it can be parsed, `TruncatedError` if it ended at the
        output limit, or with as many items as its grammar admits, unless it had nothing more to
        say.
        """
        text = self._whole(question, completion)
        if text is None:
            raise TruncatedError(
                *truncated(question.call, completion),
                raw_output=completion.text,
                usage=completion.usage,
            )
        parsed = parse(text, question.query, question.demonstrations, self.decoding.form)
        if half := completion.text[len(text) :].strip("; \t\r\n"):  # of a cut-off answer
            cut_off = Reject(RejectReason.MALFORMED, half)
            parsed = replace(parsed, rejects=(*parsed.rejects, cut_off))
        if not parsed.readable:
            raise OutputError(
                "The answer cannot be read.", raw_output=completion.text, usage=completion.usage
            )
        found = signals(parsed.items, parsed.written, completion.log_probs, question.demonstrations)
        items = tuple(
            replace(item, confidence=self.confidence.confidence(question.query.task, each))
            for item, each in zip(parsed.items, found, strict=True)
        )
        return Answer(question, completion, replace(parsed, items=items))


def question(
    query: Query,
    demonstrations: Sequence[Demonstration],
    model: str,
    decoding: Decoding,
    key: str,
) -> Question:
    """The question as it is sent. demonstrations: most similar first, of which those are shown that
    fit. key: its idempotency key."""
    prompt = prompts.build(query, demonstrations, decoding.form, decoding.prompt_tokens)
    as_json = decoding.form is OutputForm.JSON
    response_format = {
        "type": "json_schema",
        "json_schema": {"name": "answer", "strict": True, "schema": prompts.json_schema(query)},
    }
    call = Call(
        model=model,
        messages=prompt.messages,
        max_tokens=decoding.max_tokens,
        prompt_tokens=prompt.tokens,
        key=key,
        response_format=response_format if as_json else None,
        # those of the parameters take their place
        stop=() if as_json or STOPS & decoding.parameters.keys() else decoding.stop,
        grammar=grammar(query, decoding.max_tokens) if decoding.constraint else "",
        constraint=decoding.constraint,
        reasoning_tokens=decoding.reasoning_tokens,
        log_probs=decoding.log_probs,
        parameters=decoding.parameters,
        timeout_s=FLEX_TIMEOUT_S if is_flex(decoding.parameters) else None,
    )
    return Question(query, prompt.demonstrations, call)
