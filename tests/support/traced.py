"""Documents and an endpoint with which calls fail in every way, and a fleet full of secrets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.endpoint import Reply, ScriptedEndpoint, answer, failure
from support.fleet import Fleet

from ruie.packaged import packaged_bundle

TEXTS = ["Ada met Bo .", "Bea waits .", "Cy is slow .", "Dee rambles ."]
RAMBLES = "I would rather not say anything about it today"
KEY = "sk-planted-in-a-span-77"
SECRETS = (KEY, "pass-planted-9", "query-planted-8", "collector-planted-6")
USAGE = {
    "prompt_tokens": 120,
    "completion_tokens": 9,
    "prompt_tokens_details": {"cached_tokens": 100},
}


class Script:
    """Bea is refused once for the rate, Cy's endpoint fails once, Dee's answers cannot be read. The
    endpoint repeats the prompt and the key in its errors."""

    def __init__(self) -> None:
        self.seen: set[str] = set()

    def __call__(self, body: dict[str, Any], _: int) -> Reply:
        prompt = body["messages"][-1]["content"]
        name = next((n for n in ("Bea", "Cy", "Dee") if n in prompt), "Ada")
        first = name not in self.seen
        self.seen.add(name)
        if name == "Bea" and first:
            return failure(429, message=f"slow down: {prompt} {KEY}", retry_after="1")
        if name == "Cy" and first:
            return failure(500, message=f"failed on: {prompt} {KEY}")
        if name == "Dee":
            return answer(RAMBLES)
        return answer("person: Ada", usage=USAGE, model="scripted-2026")


@contextmanager
def fleet_at(folder: Path, endpoint: ScriptedEndpoint, **settings: object) -> Iterator[Fleet]:
    """With a secret wherever one can be, and the documents."""
    url = endpoint.url.replace("http://", "http://ada:pass-planted-9@")
    with Fleet(
        folder,
        f"sqlite:///{folder}/ruie.db",
        packaged_bundle(),
        f"{url}?api-key=query-planted-8",
        llm_api_key=KEY,
        llm_model="scripted",
        llm_parameters={"top_p": 0.5},
        max_attempts=2,
        demonstrations=2,
        **settings,
    ) as running:
        (folder / "names.yaml").write_text("name: names\nentities: [person]\n")
        lines = (json.dumps({"id": f"d{n}", "text": t}) for n, t in enumerate(TEXTS))
        (folder / "names.jsonl").write_text("\n".join(lines))
        running.start("coordinator")
        yield running


def process(fleet: Fleet, **env: str) -> str:
    """Enqueue the documents and wait until the job is done; returns its id."""
    job_id = fleet.ruie("enqueue", "names.jsonl", "--schema", "names.yaml", "--new", **env)
    fleet.wait_done(job_id)
    return job_id
