"""`ruie evaluate` as a user meets it: corpora, retrievers, options, files."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.endpoint import Reply, ScriptedEndpoint
from support.gold_model import CORPORA, FILES, QUESTIONS, gold_model, predictions, settings
from support.replies import answer, message

from ruie.bundle import Bundle
from ruie.bundle.layout import seal
from ruie.bundle.rerank_scores import RerankWeights
from ruie.confidence.model import included, opened
from ruie.mistakes import Mistake
from ruie.records import Demonstration, Task

Run = Callable[..., subprocess.CompletedProcess[str]]

RANDOM = ("--retriever", "random")
THREE = ("--retriever", "trained", "--retriever", "bm25", "--retriever", "random")


@pytest.fixture
def endpoint() -> Iterator[ScriptedEndpoint]:
    with ScriptedEndpoint(gold_model()) as running:
        yield running


def test_the_files_and_the_output_have_the_same_figures(
    ruie: Run, endpoint: ScriptedEndpoint, bundle_path: Path, tmp_path: Path
) -> None:
    done = ruie("evaluate", *FILES, *THREE, "--output", "out", **settings(endpoint, bundle_path))
    assert done.returncode == 0, done.stderr
    out = tmp_path / "out"
    report = json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    markdown = (out / "evaluation.md").read_text(encoding="utf-8")
    assert sorted(file.name for file in out.iterdir()) == [
        "confidence.png", "evaluation.json", "evaluation.md", "evaluation.png", "predictions.jsonl",
    ]  # fmt: skip  # a list of names

    lines = predictions(out)
    assert len(lines) == len(endpoint.requests) == 3 * QUESTIONS
    results = report["results"]
    assert [(r["corpus"], r["task"], r["retriever"]) for r in results] == [
        (corpus, task, retriever)
        for corpus, tasks in (
            ("crossner_ai", ("NER",)), ("fewrel_wiki", ("RE",)), ("crudeoilnews", ("ED", "EAE")),
        )
        for task in tasks
        for retriever in ("random", "bm25", "trained")
    ]  # fmt: skip  # a table
    for result in results:
        own = [
            line
            for line in lines
            if all(line[name] == result[name] for name in ("corpus", "task", "retriever"))
        ]
        assert len(own) == result["queries"]
        for count in ("gold", "predicted", "matched"):
            assert result[count] == sum(line["strings"][count] for line in own)
            assert result["offsets"][count] == sum(line["offsets"][count] for line in own)
        for kind in Mistake:
            assert result["mistakes"][kind] == sum(line["mistakes"].get(kind, 0) for line in own)
        for tokens in ("prompt_tokens", "completion_tokens"):
            assert result[tokens] == sum(line[tokens] for line in own)
        cost = (result["prompt_tokens"] + 5 * result["completion_tokens"]) / 1e6
        assert result["cost_usd"] == pytest.approx(cost)
        low, high = result["f1_interval"]
        assert 0 < low < result["f1"] < high < 1
        assert result["difference"]["to"] != result["retriever"]

        f1, span = f"{result['f1']:.3f}", f"{low:.3f} to {high:.3f}"
        who = f"| {result['corpus']} | {result['task']} | {result['retriever']} |"
        (row,) = [x for x in markdown.splitlines() if x.startswith(who) and span in x]
        assert f"| {f1} | {span} |" in row
        assert any(f1 in x and span in x for x in done.stdout.splitlines())
    assert all(len(line["demonstrations"]) == 8 for line in lines if line["task"] != "EAE")
    assert report["settings"]["model"] == "scripted"
    assert report["settings"]["endpoint"] == "127.0.0.1"
    assert report["settings"]["k"] == 8
    png = (out / "evaluation.png").read_bytes()
    assert png.startswith(b"\x89PNG")
    assert "![" in markdown


def test_a_limit_is_a_sample_and_a_larger_one_contains_it(
    ruie: Run, endpoint: ScriptedEndpoint, bundle_path: Path, tmp_path: Path
) -> None:
    given = settings(endpoint, bundle_path)

    def sample(limit: int, seed: int = 0) -> list[str]:
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        ruie("evaluate", FILES[0], "--limit", str(limit), "--sample-seed", str(seed), "--output",
             "out", **given)  # fmt: skip  # one command
        return sorted(line["id"] for line in predictions(tmp_path / "out"))

    five = sample(5)
    first = [f"{row.id}#NER" for row in CORPORA[0].rows[:5]]
    assert len(five) == 5
    assert five == sample(5)
    assert five not in (sorted(first), sample(5, seed=1))
    assert set(five) < set(sample(9))


def test_anthropics_form_has_the_same_figures(
    ruie: Run, endpoint: ScriptedEndpoint, bundle_path: Path, tmp_path: Path
) -> None:
    chat = gold_model()

    def script(body: dict[str, Any], number: int) -> Reply:
        said = json.loads(chat(body, number).body)
        usage = said["usage"]["prompt_tokens"], said["usage"]["completion_tokens"]
        return message(said["choices"][0]["message"]["content"], usage=usage)

    reports = []
    with ScriptedEndpoint(script) as other:
        for api, asked in (("chat", endpoint), ("messages", other)):
            given = settings(asked, bundle_path) | {"RUIE_LLM_API": api}
            done = ruie("evaluate", FILES[0], "--limit", "9", *RANDOM, "--output", api, **given)
            assert done.returncode == 0, done.stderr
            report = json.loads((tmp_path / api / "evaluation.json").read_text(encoding="utf-8"))
            names = ("queries", "f1", "prompt_tokens", "completion_tokens", "cost_usd")
            reports.append([[result[name] for name in names] for result in report["results"]])
        assert len(other.requests) == len(endpoint.requests) > 0
    assert reports[0] == reports[1]


def test_the_base_retriever_needs_a_bundle_of_the_same_demonstrations(
    ruie: Run,
    endpoint: ScriptedEndpoint,
    bundle_path: Path,
    minilm: Path,
    some_demonstrations: list[Demonstration],
    tmp_path: Path,
) -> None:
    from ruie.exporter.build import build_bundle

    given = settings(endpoint, bundle_path)
    command = ("evaluate", FILES[0], "--limit", "3", "--json", "--retriever", "base")
    missing = ruie(*command, **given)
    assert missing.returncode == 2
    assert "--base" in missing.stderr
    unused = ruie(*command[:-1], "trained", "--base", "x", **given)
    assert unused.returncode == 2

    build_bundle(minilm, some_demonstrations[:50], tmp_path / "smaller")
    other = ruie(*command, "--base", "smaller", **given)
    assert other.returncode == 2
    assert "the same demonstrations" in other.stderr

    same = ruie(*command, "--retriever", "trained", "--base", str(bundle_path), **given)
    assert same.returncode == 0, same.stderr
    base, trained = json.loads(same.stdout)["results"]
    assert (base["retriever"], trained["retriever"]) == ("base", "trained")
    assert base["difference"] == {"to": "trained", "f1": 0, "interval": [0, 0]}


def test_the_same_bundle_without_its_ranking(
    ruie: Run,
    endpoint: ScriptedEndpoint,
    bundle_path: Path,
    copied: Path,
    opened: Bundle,
    tmp_path: Path,
) -> None:
    ranking = RerankWeights(mentions=dict.fromkeys(Task, 5.0))
    seal(copied, opened.manifest.model_copy(update={"ranking": ranking}))
    command = ("evaluate", FILES[0], "--limit", "3", "--retriever", "trained")
    both = ("--retriever", "similarity", "--output", "both")
    for more, bundle in ((both, copied), (("--output", "unranked"), bundle_path)):
        done = ruie(*command, *more, **settings(endpoint, bundle))
        assert done.returncode == 0, done.stderr
    shown = {
        (out, name): [p["demonstrations"] for p in predictions(tmp_path / out)
                      if p["retriever"] == name]
        for out, name in (("both", "similarity"), ("both", "trained"), ("unranked", "trained"))
    }  # fmt: skip  # a table
    assert shown["both", "similarity"] == shown["unranked", "trained"] != []
    assert shown["both", "similarity"] != shown["both", "trained"]


def test_k_and_the_model_are_options(
    ruie: Run, endpoint: ScriptedEndpoint, bundle_path: Path
) -> None:
    endpoint.models = ("scripted", "other")
    done = ruie(
        "evaluate", FILES[0], "-k", "2", "--model", "other", "--limit", "2", "--json",
        **settings(endpoint, bundle_path),
    )  # fmt: skip  # one command
    report = json.loads(done.stdout)
    assert (report["settings"]["k"], report["settings"]["model"]) == (2, "other")
    assert report["price"] is None
    assert report["results"][0]["cost_usd"] is None
    assert [len(r.body["messages"]) for r in endpoint.requests] == [5, 5]
    assert {r.body["model"] for r in endpoint.requests} == {"other"}


def test_a_calibration_is_written_and_used(
    ruie: Run, endpoint: ScriptedEndpoint, bundle_path: Path, tmp_path: Path
) -> None:
    given = settings(endpoint, bundle_path)
    asked = ("evaluate", *FILES, *RANDOM, "--output", "out", "--json")
    done = ruie(*asked, "--calibration", "c.json", **given)
    assert done.returncode == 0, done.stderr
    assert "c.json: fitted to the records of these tasks: " in done.stderr
    before = {(r["corpus"], r["task"]): r for r in json.loads(done.stdout)["confidence"]}
    calls = len(endpoint.requests)
    again = ruie(*asked, "--calibration", "c.json", **given, RUIE_CALIBRATION="c.json")
    assert again.returncode == 0, again.stderr
    assert len(endpoint.requests) == calls
    after = json.loads(again.stdout)["confidence"]
    errors = [
        (before[r["corpus"], r["task"]]["calibration_error"], r["calibration_error"]) for r in after
    ]
    assert sum(new for _, new in errors) < sum(old for old, _ in errors)
    assert opened(tmp_path / "c.json") != included()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere/c.json", "There is no folder nowhere."),
        ("other.json", "other.json exists, and is no calibration."),
        ("folder", "folder exists, and is no calibration."),
    ],
)
def test_a_calibration_that_cannot_be_written_is_said_before_anything_is_asked(
    ruie: Run, endpoint: ScriptedEndpoint, bundle_path: Path, tmp_path: Path, name: str, said: str
) -> None:
    (tmp_path / "other.json").write_text('{"mine": 1}')
    (tmp_path / "folder").mkdir()
    done = ruie("evaluate", *FILES, "--calibration", name, **settings(endpoint, bundle_path))
    assert done.returncode == 2
    assert said in done.stderr
    assert not endpoint.requests
    assert (tmp_path / "other.json").read_text() == '{"mine": 1}'


def test_without_a_record_there_is_no_calibration(
    ruie: Run, bundle_path: Path, tmp_path: Path
) -> None:
    with ScriptedEndpoint(lambda _body, _number: answer("None")) as silent:
        done = ruie(
            "evaluate", *FILES, *RANDOM, "--calibration", "c.json", **settings(silent, bundle_path)
        )
    assert done.returncode != 0
    assert "c.json was not written: no answer had a record." in done.stderr
    assert "0.000" in done.stdout  # the scores are there all the same
    assert not (tmp_path / "c.json").exists()


@pytest.mark.parametrize("retriever", ["trained", "similarity", "bm25", "random"])
def test_the_demonstrations_of_a_schema_are_shown_as_in_a_job(
    ruie: Run, bundle_path: Path, tmp_path: Path, retriever: str
) -> None:
    rows = [
        {"id": str(n), "text": f"The {name} sailed at noon.",
         "entities": [{"type": "SHIP", "text": name, "start": 4, "end": 4 + len(name)}]}
        for n, name in enumerate(("Orion", "Vega", "Lyra"))
    ]  # fmt: skip  # a row
    for file, some in (("demos.jsonl", rows[:2]), ("gold.jsonl", rows[2:])):
        (tmp_path / file).write_text("".join(f"{json.dumps(row)}\n" for row in some))
    (tmp_path / "ships.yaml").write_text(
        "name: ships\nentities: {SHIP: a ship}\ndemonstrations: demos.jsonl\n"
    )
    with ScriptedEndpoint(lambda _body, _number: answer("SHIP: Lyra")) as asked:
        done = ruie(
            "evaluate", "gold.jsonl", "--schema", "ships.yaml", "--retriever", retriever,
            "--output", "out", **settings(asked, bundle_path),
        )  # fmt: skip  # its options
    assert done.returncode == 0, done.stderr
    (line,) = predictions(tmp_path / "out")
    assert len(line["demonstrations"]) == 2
    assert "Orion" in json.dumps(asked.requests[0].body)
