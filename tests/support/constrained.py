"""Endpoints that hold their answers to a grammar or a JSON schema, or only seem to.

Each proves what it holds; `says` is what it answers otherwise.
"""

from __future__ import annotations

import json
from typing import Any

from support.gates import refusal
from support.replies import Reply, answer, failure


def forced(grammar: str) -> Reply:
    return answer(json.loads(grammar.removeprefix("root ::= ")))


def vllm(body: dict[str, Any], _: int) -> Reply:
    """Takes any field, and knows one."""
    held = body.get("structured_outputs")
    return forced(held["grammar"]) if held else answer("Hello!")


def llama_cpp(body: dict[str, Any], _: int) -> Reply:
    return forced(body["grammar"]) if "grammar" in body else answer("Hello!")


def sglang(body: dict[str, Any], _: int) -> Reply:
    """Refuses what it does not know, as servers built on pydantic do."""
    for name in ("structured_outputs", "grammar"):
        if name in body:
            detail = [{"loc": ["body", name], "msg": "Extra inputs are not permitted"}]
            return Reply(json.dumps({"detail": detail}).encode(), 422)
    return forced(body["ebnf"]) if "ebnf" in body else answer("Hello!")


def openai(body: dict[str, Any], _: int) -> Reply:
    for name in ("structured_outputs", "grammar", "ebnf"):
        if name in body:
            return failure(400, message=f"Unrecognized request argument supplied: {name}")
    if "response_format" not in body:
        return answer("Hello!")
    schema = body["response_format"]["json_schema"]["schema"]
    return answer(json.dumps({"word": schema["properties"]["word"]["enum"][0]}))


def reasoning(body: dict[str, Any], n: int) -> Reply:
    if "max_tokens" in body:
        return refusal("max_tokens", "Use 'max_completion_tokens' instead of 'max_tokens'.")
    return openai(body, n)


def ignores(body: dict[str, Any], _: int) -> Reply:
    """Answers 200 to everything, and says what it likes."""
    return answer('{"word": "hello"}' if "response_format" in body else "Hello!")


def fails_on_a_grammar(body: dict[str, Any], n: int) -> Reply:
    if {"structured_outputs", "grammar", "ebnf"} & body.keys():
        return failure(500, message="Internal server error")
    return openai(body, n)
