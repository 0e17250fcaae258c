"""Tokens are counted by the model's own tokenizer where there is one, else by the stated rule."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from ruie.errors import SettingsError
from ruie.tokens import MESSAGE_TOKENS
from ruie.worker.estimate.token_counter import token_counter


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    """A token for each word, cut at 3: a limit of an encoder's, which no count may keep to."""
    made = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.enable_truncation(3)
    made.enable_padding(length=3)
    path = tmp_path / "tokenizer.json"
    made.save(str(path))
    return path


def test_by_the_file(tokenizer: Path) -> None:
    counter = token_counter("m", str(tokenizer))
    assert counter.count("one two three four five") == 5
    assert counter.count("one") == 1
    messages = [{"role": "user", "content": "one two"}, {"role": "assistant", "content": "three"}]
    assert counter.messages(messages) == 3 + 2 * MESSAGE_TOKENS
    assert str(tokenizer) in counter.method


@pytest.mark.parametrize("content", [None, "{}", "nonsense"])
def test_a_file_that_is_none_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "tokenizer.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SettingsError, match="RUIE_LLM_TOKENIZER"):
        token_counter("m", str(path))


def test_by_the_rule() -> None:
    counter = token_counter("an unknown model", "")
    assert counter.count("abcdefgh") == 2
    assert "estimated" in counter.method


TIKTOKEN = """
from tiktoken import load
class Encoding:
    name = "words"
    def encode(self, text, disallowed_special):
        return text.split()
def encoding_for_model(model):
    if model != "known":
        raise KeyError(model)
    {fetch}
    return Encoding()
"""


@pytest.mark.parametrize(
    ("model", "fetch", "tokens"),
    [("known", "", 2), ("known", 'load.read_file("place")', 3), ("other", "", 3)],
)
def test_by_tiktoken_only_if_the_vocabulary_is_here_already(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model: str, fetch: str, tokens: int
) -> None:
    """A library of the real one's outline, which may or may not be installed."""
    package = tmp_path / "tiktoken"
    package.mkdir()
    (package / "__init__.py").write_text(TIKTOKEN.replace("{fetch}", fetch or "pass"))
    (package / "load.py").write_text("def read_file(place): raise SystemExit('it is fetched')")
    for name in ("tiktoken", "tiktoken.load"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    assert token_counter(model, "").count("abcdef ghij") == tokens
    monkeypatch.delitem(sys.modules, "tiktoken")
    monkeypatch.delitem(sys.modules, "tiktoken.load")
