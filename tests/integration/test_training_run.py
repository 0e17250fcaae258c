"""`ruie bundle train` from annotated rows to a bundle, with kills in between."""

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
from support.waiting import PATIENCE_S, wait_until

from ruie.bundle import Bundle
from ruie.bundle.rerank_scores import RerankWeights
from ruie.records import Query, Task

STEPS = 12


@pytest.fixture(scope="module")
def workspace(minilm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("training")
    tiny_encoder(minilm, folder / "encoder")
    tiny_llm(minilm, folder / "llm")
    rises(folder / "rows.jsonl", 20)
    for name in ("whole", "killed", "two"):
        save_memory = str(name == "killed").lower()  # which changes no result
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
gradient_checkpointing = {save_memory}
micro_batch_tokens = 256
[distillation]
steps = {STEPS}
batch = 4
negative_bottom_k = 4
held_out = 0.2
save_steps = 2
gradient_checkpointing = {save_memory}
micro_batch_tokens = 256
[export]
output = "{name}-bundle"
quantise = "none"
"""
        )
    return folder


def _train(workspace: Path, name: str, *more: str) -> list[str]:
    return [
        *(sys.executable, "-m", "ruie.worker.cli", "bundle", "train"),
        *("--config", str(workspace / f"{name}.toml"), "--json", *more),
    ]


def _run(command: list[str]) -> tuple[dict[str, Any], str]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout), done.stderr


def _stages(log: str) -> list[str]:
    """The stages in the order in which they began; on a slow machine there are lines about their
    progress between them."""
    return [line for line in log.splitlines() if ":" not in line]


def _kill_while_it_distils(workspace: Path) -> None:
    """Start the run `killed`, and end it once a checkpoint of its last training is whole."""
    process = subprocess.Popen(
        _train(workspace, "killed"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    checkpoints = workspace / "killed" / "distillation" / "checkpoints"
    wait_until(lambda: any(checkpoints.glob("checkpoint-*/trainer_state.json")))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.slow
def test_a_run_that_was_killed_ends_as_one_that_was_not(
    workspace: Path, ruie: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    figures, log = _run(_train(workspace, "whole"))
    stages = ["candidates", "preference", "reward", "judgement", "distillation", "ranking"]
    assert _stages(log)[:6] == stages
    assert figures["preference"]["pairs"] > 0
    for stage in ("reward", "distillation"):
        measured = [entry for entry in figures[stage]["history"] if "mrr" in entry]
        assert measured[0]["step"] == 0
        assert (workspace / "whole" / f"{stage}.png").read_bytes().startswith(b"\x89PNG")

    _kill_while_it_distils(workspace)
    assert not (workspace / "killed-bundle").exists()
    assert not (workspace / "killed" / "distillation" / "stage.json").exists()
    again, log = _run(_train(workspace, "killed"))
    assert log.startswith("distillation\n")  # no other stage is run again
    steps = [[e["step"] for e in f["distillation"]["history"]] for f in (figures, again)]
    assert steps[0] == steps[1]
    for one, other in zip(
        figures["distillation"]["history"], again["distillation"]["history"], strict=True
    ):
        assert one == pytest.approx(other, rel=1e-3, abs=1e-4)

    bundle = Bundle.open(workspace / "killed-bundle")
    card = bundle.manifest.encoder
    assert (card.keywords, card.query_prefix, card.passage_prefix) == (
        True,
        "query: ",
        "passage: ",
    )
    base = Bundle.open(workspace / "killed" / "base")
    training = bundle.manifest.training
    assert (training["llm"], training["reward_model"], training["step"]) == (
        "llm",
        "encoder",
        STEPS,
    )
    assert 0 < float(training["mrr"]) <= 1
    _check_ranking(bundle, again["ranking"])
    assert base.manifest.ranking is None
    assert not base.manifest.encoder.keywords
    assert [d.id for d in base.demonstrations()] == [d.id for d in bundle.demonstrations()]
    query = Query(Task.NER, "The price of tin rose .", "rows", {"good": "", "day": ""})
    assert len(bundle.retrieve([query], 8)[0]) == 8

    refused = ruie("bundle", "train", "--config", str(workspace / "killed.toml"))
    assert refused.returncode != 0
    assert "--overwrite" in refused.stderr
    same, log = _run(_train(workspace, "killed", "--overwrite"))
    assert log.startswith("load the encoder")  # only the export
    assert same["distillation"] == again["distillation"]


@pytest.mark.slow
def test_two_processes_share_a_run(workspace: Path) -> None:
    """As `accelerate launch` starts them on two GPUs: each scores its share, both train, one
    writes."""
    launched = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    launched += ["--nproc_per_node", "2"]
    figures, _ = _run([*launched, *_train(workspace, "two")[1:]])
    folder = workspace / "two" / "preference"
    shares = [len((folder / f"scores.{n}.jsonl").read_text().splitlines()) for n in (0, 1)]
    assert sum(shares) == figures["preference"]["pairs"]
    assert abs(shares[0] - shares[1]) <= 1
    for stage, steps in (("reward", 4), ("distillation", STEPS)):
        history = figures[stage]["history"]
        assert history[-1]["step"] == steps
    assert len(Bundle.open(workspace / "two-bundle")) == 60


def _check_ranking(bundle: Bundle, learned: dict[str, Any]) -> None:
    """The weights of each task are those with which the gold outputs are likeliest."""
    agreement, mentions = learned["agreement"], learned["mentions"]
    assert bundle.manifest.ranking == RerankWeights(agreement=agreement, mentions=mentions)
    for task, likelihood in learned["likelihood"].items():
        assert likelihood[f"{agreement[task]} {mentions[task]}"] == max(likelihood.values()) < 0


def test_the_ranking_alone_may_be_learned(workspace: Path) -> None:
    config = (workspace / "whole.toml").read_text().replace("whole", "ranked")
    changed = config.replace("[distillation]\n", '[distillation]\nteacher = "none"\n')
    (workspace / "ranked.toml").write_text(changed + "\n[ranking]\nqueries = 5\n")
    figures, log = _run(_train(workspace, "ranked"))
    assert _stages(log)[0] == "ranking"
    assert figures.keys() == {"ranking", "export"}
    assert 0 < figures["ranking"]["queries"] <= 5 * len(figures["ranking"]["agreement"])
    bundle, base = (
        Bundle.open(workspace / "ranked-bundle"),
        Bundle.open(workspace / "ranked" / "base"),
    )
    _check_ranking(bundle, figures["ranking"])
    assert log.split("\n").count("export to ONNX") == 1  # one encoder, built once for both
    assert bundle.manifest.files == base.manifest.files
    assert base.manifest.ranking is None
    assert bundle.manifest.training == {"llm": "llm"}


@pytest.mark.slow
def test_the_llm_itself_may_teach(workspace: Path) -> None:
    config = (workspace / "whole.toml").read_text().replace("whole", "direct")
    changed = config.replace("[distillation]\n", '[distillation]\nteacher = "llm"\n')
    (workspace / "direct.toml").write_text(changed)
    figures, log = _run(_train(workspace, "direct"))
    assert _stages(log)[:4] == ["candidates", "preference", "distillation", "ranking"]
    assert "reward" not in figures
    assert not (workspace / "direct" / "reward.png").exists()
    assert "reward_model" not in Bundle.open(workspace / "direct-bundle").manifest.training
