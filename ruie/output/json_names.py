"""The names that models give to lists, types and spans, without case and joints."""

from __future__ import annotations

import re

LISTS = frozenset(
    [
     "items", "entities", "relations", "relationships", "relationtriples", "triples", "events",
     "triggers", "arguments", "roles", "namedentities", "results", "result", "output", "outputs",
     "answer", "answers", "data", "extractions", "extracted", "annotations", "records",
     "mentions", "spans", "response", "list"]
)  # fmt: skip
ITEMS = frozenset(
    ["items", "entities", "relations", "relationships", "relationtriples", "triples", "events",
     "triggers", "arguments", "roles", "namedentities", "extractions", "annotations", "mentions",
     "spans"]
)  # fmt: skip
"""Of these, the ones that name items and nothing else: `null` for them is that there are none."""
TYPES: tuple[str, ...] = (
    "type", "role", "label", "entitytype", "relationtype", "eventtype", "relation", "predicate",
    "category", "class", "tag", "kind", "entitylabel", "entitygroup", "argumentrole",
    "argumenttype", "relationship", "labels")  # fmt: skip
SPANS: tuple[str, ...] = (
    "span", "text", "value", "mention", "trigger", "argument", "entity", "event", "name",
    "word", "phrase", "string", "content", "entitytext", "entityname", "entityvalue",
    "spantext", "triggerword", "triggertext", "argumenttext")  # fmt: skip
HEADS: tuple[str, ...] = (
    "head", "subject", "subj", "source", "from", "arg1", "entity1", "headentity",
    "subjectentity", "e1", "h")  # fmt: skip
TAILS: tuple[str, ...] = (
    "tail", "object", "obj", "target", "to", "arg2", "entity2", "tailentity", "objectentity",
    "e2", "t")  # fmt: skip


def plain_key(key: str) -> str:
    """A name as it is in the lists above."""
    return re.sub(r"[\s_-]+", "", str(key)).casefold()
