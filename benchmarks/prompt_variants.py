"""The variants of `prompts.py`: which demonstrations, in which words, under which grammar."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from ruie.grammar import grammar, literal
from ruie.questions import Question
from ruie.records import Demonstration, Query, Task

TOKEN = re.compile(r"\w+|[^\w\s]")

Choice = Callable[[list[Demonstration], int], list[Demonstration]]
Rewording = Callable[[Question], list[str]]
Grammar = Callable[[Query, int], str]


@dataclass(frozen=True, slots=True)
class Variant:
    """choice: of twice as many retrieved demonstrations as there are to be, the best first, those
    that are shown. rewording: the contents of the messages."""

    demonstrations: int = 8
    choice: Choice = lambda found, k: found[:k]
    rewording: Rewording = lambda question: contents(question)
    defined: bool = False
    grammar: Grammar = grammar


def contents(question: Question) -> list[str]:
    return [message["content"] for message in question.call.messages]


def only_answered(found: list[Demonstration], k: int) -> list[Demonstration]:
    """Without those whose answer is `None`."""
    return [one for one in found if one.items][:k]


def one_unanswered(found: list[Demonstration], k: int) -> list[Demonstration]:
    """At most one whose answer is `None`."""
    nothing = [one for one in found if not one.items][1:]
    return [one for one in found if one not in nothing][:k]


def without_repetition(found: list[Demonstration], k: int) -> list[Demonstration]:
    """Each type and text once in an answer."""

    def once(one: Demonstration) -> Demonstration:
        items = {(i.type, *(s.text for s in i.spans)): i for i in reversed(one.items)}
        return replace(one, items=tuple(reversed(items.values())))

    return [once(one) for one in found[:k]]


def types_at_the_end(question: Question) -> list[str]:
    """The types once more, just before the answer."""
    *before, last = contents(question)
    sentence, _, asked = last.rpartition("\n")
    return [*before, f"{sentence}\nTypes: {', '.join(question.query.labels)}.\n{asked}"]


def without_types(question: Question) -> list[str]:
    """No list of types: the demonstrations and the grammar have them."""
    first, *rest = contents(question)
    instruction, _, message = first.partition("\n\n")
    lines = [line for line in instruction.split("\n") if " types: " not in line[:20]]
    lines = [line for line in lines if not line.startswith("Argument roles: ")]
    return ["\n".join(lines) + "\n\n" + message, *rest]


def without_instruction(question: Question) -> list[str]:
    """Nothing but the demonstrations and the sentence."""
    first, *rest = contents(question)
    return [first.partition("\n\n")[2], *rest]


def _spans(query: Query, rules: str, max_tokens: int) -> str:
    """The grammar with other rules for spans."""
    given, _, _ = grammar(query, max_tokens).rpartition("\nspan ::= ")
    return f"{given}\n{rules}"


def _excluded(query: Query) -> str:
    return ";," if query.task is Task.RE else ";"


def pieces_of_the_text(query: Query, max_tokens: int) -> str:
    """Spans are whole tokens of the text, as they stand there one after the other."""
    text, excluded = query.text, _excluded(query)
    tokens = [token for token in TOKEN.finditer(text) if token[0] not in excluded]
    rules = []
    for number, token in enumerate(tokens):
        rule = f"w{number} ::= {literal(token[0])}"
        if number + 1 < len(tokens):
            between = text[token.end() : tokens[number + 1].start()]
            if not between.strip():
                rule += f' (" " w{number + 1})?' if between else f" w{number + 1}?"
        rules.append(rule)
    first = " | ".join(f"w{number}" for number in range(len(tokens)))
    return _spans(query, "\n".join([f"span ::= {first}", *rules]), max_tokens)


def words_of_the_text(query: Query, max_tokens: int) -> str:
    """Spans are tokens of the text in any order."""
    excluded = _excluded(query)
    tokens = dict.fromkeys(t for t in TOKEN.findall(query.text) if t not in excluded)
    return _spans(
        query,
        f'span ::= token (" "? token){{0,19}}\ntoken ::= {" | ".join(map(literal, tokens))}',
        max_tokens,
    )


def characters_of_the_text(query: Query, max_tokens: int) -> str:
    """Spans have no character that is not in the text."""
    characters = sorted(set(query.text) - set(_excluded(query)) - set(" \n"))
    allowed = " | ".join(map(literal, characters))
    return _spans(query, f'span ::= char (char | " ")*\nchar ::= {allowed}', max_tokens)


def ten_words(query: Query, max_tokens: int) -> str:
    """Spans of at most ten words."""
    word = rf"[^{_excluded(query)}\n ]+"
    return _spans(query, f'span ::= word (" " word){{0,9}}\nword ::= {word}', max_tokens)


def no_longer_than_the_text(query: Query, max_tokens: int) -> str:
    """Spans of at most as many words as the text has, up to the next power of two: a grammar is
    compiled once for many texts."""
    word = rf"[^{_excluded(query)}\n ]"
    more = (1 << (max(8, len(query.text.split())) - 1).bit_length()) - 1
    return _spans(query, f'span ::= {word}+ (" " word){{0,{more}}}\nword ::= {word}*', max_tokens)


def free(query: Query, max_tokens: int) -> str:
    """No grammar."""
    return ""


def with_commas(query: Query, max_tokens: int) -> str:
    """Heads, too, may hold a comma."""
    return _spans(query, r"span ::= [^;\n ] [^;\n]*", max_tokens)


VARIANTS = {
    "8 demonstrations": Variant(),
    "4 demonstrations": Variant(4),
    "12 demonstrations": Variant(12),
    "16 demonstrations": Variant(16),
    "most similar first": Variant(choice=lambda found, k: found[:k][::-1]),
    "no None": Variant(choice=only_answered),
    "one None": Variant(choice=one_unanswered),
    "no repetition": Variant(choice=without_repetition),
    "types at the end": Variant(rewording=types_at_the_end),
    "no types": Variant(rewording=without_types),
    "no instruction": Variant(rewording=without_instruction),
    "definitions": Variant(defined=True),
    "pieces of the text": Variant(grammar=pieces_of_the_text),
    "words of the text": Variant(grammar=words_of_the_text),
    "characters of the text": Variant(grammar=characters_of_the_text),
    "ten words": Variant(grammar=ten_words),
    "as many words as the text": Variant(grammar=no_longer_than_the_text),
    "no grammar": Variant(grammar=free),
    "commas": Variant(grammar=with_commas),
}
