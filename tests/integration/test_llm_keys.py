"""Keys from a file or a command, read again when the endpoint refuses them."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from support.clients import CALL
from support.endpoint import ScriptedEndpoint, answer, failure

from ruie.errors import AccountError, CallError
from ruie.llm import Completion, LLMClient, Transport, connect
from ruie.llm.keys import Key
from ruie.settings import load


class Guarded(ScriptedEndpoint):
    """An endpoint that admits one key, and counts those that it refuses."""

    def __init__(self, key: str) -> None:
        super().__init__(answer("None"))
        self.key = key
        self.refused = 0

    async def _list(self, request: web.Request) -> web.StreamResponse:
        return await self._guard(request) or await super()._list(request)

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        return await self._guard(request) or await super()._chat(request)

    async def _guard(self, request: web.Request) -> web.StreamResponse | None:
        if request.headers.get("Authorization") == f"Bearer {self.key}":
            return None
        self.refused += 1
        return await self._send(failure(401), request)


def calls(client: LLMClient, count: int = 1) -> list[Completion | BaseException]:
    async def all_at_once() -> list[Completion | BaseException]:
        try:
            each = [client.complete(CALL) for _ in range(count)]
            return list(await asyncio.gather(*each, return_exceptions=True))
        finally:
            await client.close()

    return asyncio.run(all_at_once())


def written(path: Path) -> tuple[Callable[[str], object], dict[str, Any]]:
    """A way to change the key, and the setting that names it."""
    return lambda key: path.write_text(f" {key}\n"), {"llm_api_key_file": str(path)}


def printed(path: Path) -> tuple[Callable[[str], object], dict[str, Any]]:
    """Likewise, of a command that counts how often it runs."""
    script = path.with_suffix(".py")
    script.write_text(
        "import sys, pathlib\n"
        "where = pathlib.Path(sys.argv[1])\n"
        "with open(where.with_suffix('.runs'), 'a') as runs: runs.write('x')\n"
        "print(where.read_text())\n"
    )
    return path.write_text, {"llm_api_key_command": f"{sys.executable} '{script}' '{path}'"}


@pytest.mark.parametrize("source", [written, printed])
def test_a_key_that_has_changed_is_read_again(tmp_path: Path, source: Any) -> None:
    change, setting = source(tmp_path / "the key")
    change("sk-1")
    with Guarded("sk-1") as endpoint:
        client = connect(load(llm_base_url=endpoint.url, **setting))
        assert isinstance(calls(client)[0], Completion)
        endpoint.key = "sk-2"
        change("sk-2")
        assert all(isinstance(each, Completion) for each in calls(client, 8))
        assert endpoint.refused <= 8
        assert endpoint.count == 9
    runs = tmp_path / "the key.runs"
    assert not runs.exists() or runs.read_text() == "xx", "many refusals read it once"


def test_a_key_that_stays_refused_is_an_error_of_the_account(tmp_path: Path) -> None:
    change, setting = printed(tmp_path / "key")
    change("sk-1")
    with Guarded("sk-2") as endpoint:
        client = connect(load(llm_base_url=endpoint.url, **setting))
        errors = calls(client, 4)
    assert all(isinstance(error, CallError) for error in errors)
    assert endpoint.refused == 4, "nothing is repeated with the same key"


def test_the_list_of_models_is_read_with_the_new_key(tmp_path: Path) -> None:
    change, setting = written(tmp_path / "key")
    change("sk-1")
    with Guarded("sk-2") as endpoint:
        client = connect(load(llm_base_url=endpoint.url, **setting))

        async def check() -> list[str]:
            client._transport.prepare()
            change("sk-2")
            try:
                return await client.check("scripted")
            finally:
                await client.close()

        assert asyncio.run(check()) == ["scripted"]
        assert endpoint.refused == 1


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (Key(file="none.txt"), "cannot be read from none.txt: No such file"),
        (Key(file="empty.txt"), "is empty. Correct RUIE_LLM_API_KEY_FILE."),
        (Key(file="lines.txt"), "a line break"),
        (Key(file="bytes.txt"), "cannot be read from bytes.txt: it is no text"),
        (Key(command="no-such-command --now"), "`no-such-command --now` cannot be run: No such"),
        (Key(command="cat 'a"), "`cat 'a` cannot be run: No closing quotation"),
        (Key(command="false"), "`false`, which prints the key, ended with 1"),
        (Key(command="true"), "is empty. Correct RUIE_LLM_API_KEY_COMMAND."),
        (Key(command="echo a | tr a b"), ""),
        (Key("sk\u2026"), "cannot be sent"),
    ],
    ids=repr,
)
def test_a_key_that_cannot_be_had(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, key: Key, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty.txt").write_text(" \n")
    Path("lines.txt").write_text("sk-1\nsk-2\n")
    Path("bytes.txt").write_bytes(b"\xff\xfe\x00")
    if not said:
        assert key.read() == "a | tr a b", "there is no shell"
        return
    with pytest.raises(AccountError) as caught:
        key.read()
    assert said in str(caught.value)
    (error,) = calls(LLMClient(Transport("http://127.0.0.1:9/v1", key)))
    assert isinstance(error, AccountError)


def test_a_command_s_own_words_are_repeated() -> None:
    said = json.dumps("import sys; sys.exit('log in first')")
    with pytest.raises(AccountError, match=r"ended with 1: log in first"):
        Key(command=f"{sys.executable} -c {said}").read()
