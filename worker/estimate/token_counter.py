"""Counting tokens as exactly as this machine can, and stating the method."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruie.errors import SettingsError
from ruie.tokens import MESSAGE_TOKENS, estimate_tokens


@dataclass(frozen=True, slots=True)
class TokenCounter:
    """Counts tokens. method: in words. count: the tokens of a text."""

    method: str
    count: Callable[[str], int]

    def messages(self, messages: Iterable[Mapping[str, str]]) -> int:
        """Tokens of a chat prompt."""
        return sum(self.count(message["content"]) + MESSAGE_TOKENS for message in messages)


def token_counter(model: str, tokenizer: str) -> TokenCounter:
    """The best counter there is for a model.

    tokenizer: path of its tokenizer.json, the setting `llm_tokenizer`. Without it, tiktoken, if it
    is installed and has the model's vocabulary here; else the rule of ruie/tokens.py. Raises
    SettingsError where the file is not a tokenizer.
    """
    if tokenizer:
        return _from_file(Path(tokenizer))
    return _tiktoken(model) or TokenCounter(
        "estimated (4 ASCII characters a token)", estimate_tokens
    )


def _from_file(path: Path) -> TokenCounter:
    from tokenizers import Tokenizer

    try:
        loaded = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises Exception itself
        raise SettingsError(
            f"RUIE_LLM_TOKENIZER: {path} is not a tokenizer ({error}).",
            "Set it to the model's tokenizer.json, or leave it empty.",
        ) from None
    loaded.no_truncation()
    loaded.no_padding()
    return TokenCounter(
        f"counted by {path}", lambda text: len(loaded.encode(text, add_special_tokens=False).ids)
    )


def _tiktoken(model: str) -> TokenCounter | None:
    if importlib.util.find_spec("tiktoken") is None:
        return None
    tiktoken: Any = importlib.import_module("tiktoken")
    load: Any = importlib.import_module("tiktoken.load")
    fetch = load.read_file

    def refuse(url: str) -> bytes:
        raise OSError(f"{url} is not on this machine")

    # tiktoken downloads a vocabulary when it is first used. An estimate sends nothing anywhere: a
    # vocabulary that is not on this machine is not used.
    load.read_file = refuse
    try:
        encoding = tiktoken.encoding_for_model(model)
    except (KeyError, OSError, ValueError):
        return None
    finally:
        load.read_file = fetch
    return TokenCounter(
        f"counted by tiktoken ({encoding.name})",
        lambda text: len(encoding.encode(text, disallowed_special=())),
    )
