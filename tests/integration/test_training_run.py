"""`ruie bundle train` from rows to a bundle, killed on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.tiny import rises, tiny_encoder, tiny_llm
from support.waiting import wait_until

from ruie.bundle import Bundle
from ruie.bundle.ranking import Ranking
from ruie.records import Query, Task

STEPS = 12


@pytest.fixture(scope="module")
def place(minilm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("training")
    tiny_encoder(minilm, folder / "encoder")
    tiny_llm(minilm, folder / "llm")
    rises(folder / "rows.jsonl", 20)
    for name in ("whole", "killed", "two"):
        less_memory = str(name == "killed").lower()  # which changes no result
        (folder / f"{name}.toml").write_text(
            f"""
run = "{name}"
encoder = "encoder"
[[corpora]]
files = ["rows.jsonl"]
[candidates]
top = 12
[preference]
model = "llm"
candidates = 8
[reward]
model = "encoder"
steps = 4
batch = 4
negatives_of = 4
held_out = 0.2
save_steps = 2
gradient_checkpointing = {less_memory}
part_tokens = 256
[distillation]
steps = {STEPS}
batch = 4
negatives_of = 4
held_out = 0.2
save_steps = 2
gradient_checkpointing = {less_memory}
part_tokens = 256
[export]
output = "{name}-bundle"
quantise = "none"
"""
        )
    return folder


def _train(place: Path, name: str, *more: str) -> list[str]:
    return [
        *(sys.executable, "-m", "ruie.worker.cli", "bundle", "train"),
        *("--config", str(place / f"{name}.toml"), "--json", *more),
    ]


def _run(command: list[str]) -> tuple[dict[str, Any], str]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout), done.stderr


def test_a_run_that_was_killed_ends_as_one_that_was_not(
    place: Path, ruie: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    figures, said = _run(_train(place, "whole"))
    stages = ["candidates", "preference", "reward", "judgement", "distillation", "ranking"]
    assert said.split("\n")[:6] == stages
    assert figures["preference"]["pairs"] > 0
    for stage in ("reward", "distillation"):
        measured = [entry for entry in figures[stage]["history"] if "mrr" in entry]
        assert measured[0]["step"] == 0
        assert (place / "whole" / f"{stage}.png").read_bytes().startswith(b"\x89PNG")

    process = subprocess.Popen(
        _train(place, "killed"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    checkpoints = place / "killed" / "distillation" / "checkpoints"
    wait_until(lambda: any(checkpoints.glob("checkpoint-*/trainer_state.json")), 200)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (place / "killed-bundle").exists()
    assert not (place / "killed" / "distillation" / "stage.json").exists()
    again, said = _run(_train(place, "killed"))
    assert said.startswith("distillation\n")  # nothing else is done again
    steps = [[e["step"] for e in f["distillation"]["history"]] for f in (figures, again)]
    assert steps[0] == steps[1]
    for one, other in zip(
        figures["distillation"]["history"], again["distillation"]["history"], strict=True
    ):
        assert one == pytest.approx(other, rel=1e-3, abs=1e-4)

    bundle = Bundle.open(place / "killed-bundle")
    card = bundle.manifest.encoder
    assert (card.keywords, card.query_prefix, card.passage_prefix) == (
        True,
        "query: ",
        "passage: ",
    )
    base = Bundle.open(place / "killed" / "base")
    training = bundle.manifest.training
    assert (training["llm"], training["reward_model"], training["step"]) == (
        "llm",
        "encoder",
        STEPS,
    )
    assert 0 < float(training["mrr"]) <= 1
    _ranked_by_likelihood(bundle, again["ranking"])
    assert base.manifest.ranking is None
    assert not base.manifest.encoder.keywords
    assert [d.id for d in base.demonstrations()] == [d.id for d in bundle.demonstrations()]
    query = Query(Task.NER, "The price of tin rose .", "rows", {"good": "", "day": ""})
    assert len(bundle.retrieve([query], 8)[0]) == 8

    refused = ruie("bundle", "train", "--config", str(place / "killed.toml"))
    assert refused.returncode != 0
    assert "--overwrite" in refused.stderr
    same, said = _run(_train(place, "killed", "--overwrite"))
    assert said.startswith("load the encoder")  # only the export
    assert same["distillation"] == again["distillation"]


def test_two_processes_share_a_run(place: Path) -> None:
    """As `accelerate launch` starts them on two GPUs: each scores its share, both train, one
    writes."""
    launched = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    launched += ["--nproc_per_node", "2"]
    figures, _ = _run([*launched, *_train(place, "two")[1:]])
    folder = place / "two" / "preference"
    shares = [len((folder / f"scores.{n}.jsonl").read_text().splitlines()) for n in (0, 1)]
    assert sum(shares) == figures["preference"]["pairs"]
    assert abs(shares[0] - shares[1]) <= 1
    for stage, steps in (("reward", 4), ("distillation", STEPS)):
        history = figures[stage]["history"]
        assert history[-1]["step"] == steps
    assert len(Bundle.open(place / "two-bundle")) == 60


def _ranked_by_likelihood(bundle: Bundle, learned: dict[str, Any]) -> None:
    """The weights of each task are those with which the gold outputs are likeliest."""
    agreement, mentions = learned["agreement"], learned["mentions"]
    assert bundle.manifest.ranking == Ranking(agreement=agreement, mentions=mentions)
    for task, likelihood in learned["likelihood"].items():
        assert likelihood[f"{agreement[task]} {mentions[task]}"] == max(likelihood.values()) < 0


def test_the_ranking_alone_may_be_learned(place: Path) -> None:
    config = (place / "whole.toml").read_text().replace("whole", "ranked")
    taught = config.replace("[distillation]\n", '[distillation]\nteacher = "none"\n')
    (place / "ranked.toml").write_text(taught + "\n[ranking]\nqueries = 5\n")
    figures, said = _run(_train(place, "ranked"))
    assert said.split("\n")[0] == "ranking"
    assert figures.keys() == {"ranking", "export"}
    assert 0 < figures["ranking"]["queries"] <= 5 * len(figures["ranking"]["agreement"])
    bundle, base = Bundle.open(place / "ranked-bundle"), Bundle.open(place / "ranked" / "base")
    _ranked_by_likelihood(bundle, figures["ranking"])
    assert said.split("\n").count("export to ONNX") == 1  # one encoder, built once for both
    assert bundle.manifest.files == base.manifest.files
    assert base.manifest.ranking is None
    assert bundle.manifest.training == {"llm": "llm"}


def test_the_llm_itself_may_teach(place: Path) -> None:
    config = (place / "whole.toml").read_text().replace("whole", "direct")
    taught = config.replace("[distillation]\n", '[distillation]\nteacher = "llm"\n')
    (place / "direct.toml").write_text(taught)
    figures, said = _run(_train(place, "direct"))
    assert said.split("\n")[:4] == ["candidates", "preference", "distillation", "ranking"]
    assert "reward" not in figures
    assert not (place / "direct" / "reward.png").exists()
    assert "reward_model" not in Bundle.open(place / "direct-bundle").manifest.training
