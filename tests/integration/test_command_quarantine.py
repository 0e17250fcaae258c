"""`ruie quarantine` and `ruie retry` as a user meets them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import insert

from ruie.db import job_states, queue
from ruie.db.engine import open_engine
from ruie.db.models import attempts
from ruie.errors import OutputError, TransientCallError

Run = Callable[..., subprocess.CompletedProcess[str]]
PROMPT = [
    {"role": "user", "content": "Find [the] entities.\n\nSentence: Bo ."},
    {"role": "assistant", "content": "person: Bo"},
    {"role": "user", "content": "Sentence: Ada went to Rome ."},
]


@pytest.fixture
def job(ruie: Run, tmp_path: Path, upgraded: Path) -> str:
    """A job that is done, with two of its three items in quarantine."""
    names = {"a": "Ada went to Rome .", "b": "Bo went to Oslo .", "c": "Cy stayed ."}
    lines = [json.dumps({"id": name, "text": text}) for name, text in names.items()]
    (tmp_path / "in.jsonl").write_text("\n".join(lines) + "\n")
    made = ruie("enqueue", "in.jsonl", "--schema", "news.yaml").stdout.strip()
    engine = open_engine(f"sqlite:///{upgraded}")
    with engine.begin() as conn:
        (batch,) = queue.dispatch(conn, made, 100, 100, 60)
        first, second, third = queue.lease(conn, batch.id, "worker", 60)
        unreadable = OutputError("The answer cannot be read.")
        queue.quarantine(conn, first, unreadable, raw_output="I am [b]sorry[/b]", prompt=PROMPT)
        queue.quarantine(conn, second, TransientCallError("timed out"))
        queue.release(conn, [third])
        conn.execute(
            insert(attempts).values(
                work_item_id=first.id, job_id=made, attempt=1, error_class="transient",
                error="HTTP 500", model="small", prompt_tokens=1200, cost_usd=0.00018,
            )
        )  # fmt: skip  # two lines read better
        job_states.set_job_state(conn, made, "done")
    engine.dispose()
    return made


def test_the_list_says_what_and_why_and_counts_the_classes(ruie: Run, job: str) -> None:
    done = ruie("quarantine", "list", job)
    assert done.returncode == 0, done.stderr
    head, transient, output, summary = (line.split() for line in done.stdout.splitlines())
    assert head[:4] == ["item", "document", "task", "class"]
    assert transient[:5] == ["2", "b", "NER", "transient", "1"]
    assert output[:5] == ["1", "a", "NER", "output", "1"]
    assert " ".join(output).endswith(" The answer cannot be read.")
    assert " ".join(summary) == "in quarantine: output 1, transient 1"
    every = ruie("quarantine", "list", "--limit", "1")
    assert job in every.stdout
    assert "the newest 1 of 2" in every.stderr
    printed = json.loads(ruie("quarantine", "list", "--error", "output", "--json").stdout)
    assert printed["classes"] == {"output": 1, "transient": 1}
    assert [(i["id"], i["external_id"], i["job_id"]) for i in printed["items"]] == [(1, "a", job)]
    assert ruie("quarantine", "list", "job_0").returncode == 4


def test_show_tells_all_that_is_known(ruie: Run, job: str) -> None:
    done = ruie("quarantine", "show", "1")
    assert done.returncode == 0, done.stderr
    for line in (
        f"item       1, NER, of {job}",
        "error      output: The answer cannot be read.",
        "document   a  in.jsonl:1",
        "--- text\nAda went to Rome .\n",
        "--- prompt, user\nFind [the] entities.\n\nSentence: Bo .\n",
        "--- prompt, assistant\nperson: Bo\n",
        "--- answer\nI am [b]sorry[/b]\n",
        "HTTP 500",
        "0.000180",
        f"to retry: ruie retry {job} --error output\n",
    ):
        assert line in done.stdout, line
    printed = json.loads(ruie("quarantine", "show", "1", "--json").stdout)
    assert printed["prompt"] == PROMPT
    assert printed["history"][0]["prompt_tokens"] == 1200
    assert printed["retry"] == f"ruie retry {job} --error output"
    assert "no call was made" in ruie("quarantine", "show", "2").stdout
    missing = ruie("quarantine", "show", "3")
    assert (missing.returncode, "it is pending" in missing.stderr) == (4, True)


def test_retry_asks_again_and_says_how_many(ruie: Run, job: str) -> None:
    none = ruie("retry", job, "--error", "truncated")
    assert none.returncode == 0
    assert none.stdout == (
        f"{job} has nothing of the class truncated in quarantine; it has output (1), "
        "transient (1)\n"
    )
    done = ruie("retry", job, "--error", "output", "--model", "large")
    assert done.stdout == (
        f"1 item of {job} will be retried with the model large; the job is running\n"
    )
    printed = json.loads(ruie("retry", job, "--json").stdout)
    assert (printed["retried"], printed["state"]) == (1, "running")
    assert printed["quarantined_before"] == {"transient": 1}
    assert ruie("retry", job).stdout == f"{job} has nothing in quarantine\n"
    sql = "SELECT state, model FROM work_items ORDER BY id"
    rows = ruie("query", sql, "--format", "csv").stdout
    assert rows == "state,model\npending,large\npending,\npending,\n"
    assert ruie("quarantine", "list").stdout == "in quarantine: nothing\n"


def test_retry_of_a_paused_job_says_what_is_next_and_a_cancelled_one_refuses(
    ruie: Run, job: str
) -> None:
    ruie("retry", job, "--error", "output")
    ruie("pause", job)
    done = ruie("retry", job)
    assert "the job is paused" in done.stdout
    assert f"ruie resume {job}" in done.stderr
    ruie("cancel", job)
    refused = ruie("retry", job)
    assert (refused.returncode, "is cancelled" in refused.stderr) == (4, True)
    assert ruie("retry", "job_0").returncode == 4


def test_a_job_with_a_cap_is_not_retried_with_a_model_without_a_price(ruie: Run, job: str) -> None:
    prices = {"RUIE_LLM_PRICES": '{"small": [0.4, 1.6], "large": [2, 8]}'}
    other = ruie("enqueue", "in.jsonl", "--schema", "news.yaml", "--model", "small",
                 "--cap", "1", **prices).stdout.strip()  # fmt: skip  # one call
    refused = ruie("retry", other, "--model", "larg", **prices)
    assert (refused.returncode, "none is known for larg" in refused.stderr) == (2, True)
    assert ruie("retry", other, "--model", "large", **prices).returncode == 0
