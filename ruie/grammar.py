"""The linear form as a grammar, for servers that decode under one: only an answer that can be read
can then be written.

    root  ::= "None" | item more{0,10} | item more{11} ";"?
    more  ::= "; " item
    item  ::= label ": " span
    label ::= "person" | "place"
    span  ::= [!-:<-~\\u00a1-...] [^;\\n]*

The notation is what xgrammar's EBNF (vLLM, SGLang, OpenVINO GenAI) and llama.cpp's GBNF have in
common. Spans are free text: held to pieces of the text as well, a model that invents something ends
up with a false record instead of a rejected one (benchmarks/grammar.md).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from ruie.output import linear
from ruie.records import Query, Task

MAX_ITEMS = 12
"""Items of an answer of `TOKENS` tokens; a longer one may have more in proportion. So one that was
cut off is asked for again with twice as many (benchmarks/grammar.md)."""
TOKENS = 256
CUT_OFF = ";"
"""How an answer ends that had more to say: what follows its last item, and nothing after it."""


def most_items(max_tokens: int) -> int:
    """How many items an answer may have. One that would have more ends in `CUT_OFF`."""
    return max(MAX_ITEMS, MAX_ITEMS * max_tokens // TOKENS)


def grammar(query: Query, max_tokens: int = TOKENS) -> str:
    """The grammar of the answer to a query."""
    return _grammar(tuple(query.labels), query.task is Task.RE, most_items(max_tokens))


_VISIBLE = (
    r"-~\u00a1-\u167f\u1681-\u1fff\u200b-\u2027\u202a-\u202e\u2030-\u205e\u2060-\u2fff"
    r"\u3001-\ud7ff\ue000-\U0010ffff"
)
"""With what a span may begin, from a character of ASCII on: no white space and no control
characters. xgrammar fails in a set of what is not to come if that is not ASCII."""


@lru_cache(maxsize=1024)  # for each schema and task, not for each call
def _grammar(labels: tuple[str, ...], pairs: bool, items: int) -> str:
    # a head or tail without a comma: 1.7 % of arguments hold one, and head and tail are told apart
    free = rf"[!-+\x2d-:<{_VISIBLE}] [^;,\n]*" if pairs else rf"[!-:<{_VISIBLE}] [^;\n]*"
    parts = 'span ", " span' if pairs else "span"
    return "\n".join(
        [
            f"root ::= {literal(linear.NOTHING)} | item more{{0,{items - 2}}}"
            f' | item more{{{items - 1}}} "{CUT_OFF}"?',
            'more ::= "; " item',
            f'item ::= label ": " {parts}',
            f"label ::= {' | '.join(map(literal, labels))}",
            f"span ::= {free}",
        ]
    )


def exactly(word: str) -> str:
    """A grammar of this one answer."""
    return f"root ::= {literal(word)}"


def literal(text: str) -> str:
    """A quoted string; what is not printable ASCII as it is or, below 32, escaped."""
    return '"' + "".join(_escaped(linear.one_line(text))) + '"'


def _escaped(text: str) -> Iterable[str]:
    for char in text:
        if char in '"\\':
            yield "\\" + char
        elif ord(char) < 32 or ord(char) == 127:
            yield f"\\x{ord(char):02x}"
        else:
            yield char
