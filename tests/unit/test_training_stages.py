"""Stages: skipped while unchanged, resumed after a kill, started anew with other inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ruie.errors import UsageError
from ruie.exporter.training.config import TrainConfig
from ruie.exporter.training.pipeline import (
    distillation_inputs,
    preference_inputs,
    reward_inputs,
)
from ruie.exporter.training.stages import Stage, append_rows, file_digest, read_rows


def _stage(run: Path, **inputs: Any) -> Stage:
    return Stage(run, "work", 1, inputs)


def test_a_finished_stage_is_skipped_until_its_inputs_change(tmp_path: Path) -> None:
    calls: list[Path] = []

    def work(folder: Path) -> dict[str, Any]:
        calls.append(folder)
        (folder / "made").write_text(str(len(calls)))
        return {"n": len(calls)}

    assert _stage(tmp_path, a=1).run(work)["n"] == 1
    assert _stage(tmp_path, a=1).run(work)["n"] == 1
    assert len(calls) == 1
    assert _stage(tmp_path, a=2).figures is None
    assert _stage(tmp_path, a=2).run(work)["n"] == 2


def test_a_killed_stage_resumes_in_its_folder_and_one_with_other_inputs_is_cleared(
    tmp_path: Path,
) -> None:
    def killed(folder: Path) -> dict[str, Any]:
        (folder / "half").write_text("so far")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _stage(tmp_path, a=1).run(killed)
    assert _stage(tmp_path, a=1).figures is None
    figures = _stage(tmp_path, a=1).run(lambda folder: {"half": (folder / "half").exists()})
    assert figures["half"] is True
    with pytest.raises(KeyboardInterrupt):
        _stage(tmp_path, a=2).run(killed)
    figures = _stage(tmp_path, a=3).run(lambda folder: {"half": (folder / "half").exists()})
    assert figures["half"] is False


def test_the_digest_of_a_folder_is_that_of_its_contents(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "weights").write_bytes(b"1234")
    assert file_digest(tmp_path / "one") == file_digest(tmp_path / "two")
    for cache in (".cache", "__pycache__"):
        (tmp_path / "two" / cache).mkdir()
        (tmp_path / "two" / cache / "file").write_bytes(b"of no consequence")
    assert file_digest(tmp_path / "one") == file_digest(tmp_path / "two")
    (tmp_path / "two" / "weights").write_bytes(b"1235")
    assert file_digest(tmp_path / "one") != file_digest(tmp_path / "two")


GOOD = 'run = "r"\nencoder = "e"\n[[corpora]]\nfiles = ["a.jsonl"]\n[preference]\nmodel = "m"\n'


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "e").mkdir()
    (tmp_path / "train.toml").write_text(GOOD)
    config = TrainConfig.load(tmp_path / "train.toml")
    assert config.run == tmp_path / "r"
    assert config.corpora[0].files == (tmp_path / "a.jsonl",)
    assert config.encoder == str(tmp_path / "e")  # a folder that exists
    assert config.preference.model == "m"  # a hub's id
    assert (config.reward.steps, config.distillation.steps) == (3000, 6000)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("run = ", "Invalid value"),
        (GOOD + 'colour = "red"\n', "preference.colour"),
        (GOOD.replace('["a.jsonl"]', "[]"), "corpora.0.files"),
        (GOOD + "candidates = 8\n", "more than the 8 candidates"),
    ],
)
def test_a_wrong_file_is_named_with_the_entry(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "train.toml").write_text(text)
    with pytest.raises(UsageError, match=r"train\.toml") as error:
        TrainConfig.load(tmp_path / "train.toml")
    assert message in str(error.value)


def test_former_names_of_entries_are_read(tmp_path: Path) -> None:
    old = "positives_of = 2\nnegatives_of = 9\npart_tokens = 512\n"
    (tmp_path / "train.toml").write_text(f"{GOOD}[reward]\n{old}[distillation]\n{old}")
    config = TrainConfig.load(tmp_path / "train.toml")
    for training in (config.reward, config.distillation):
        assert (training.positive_top_k, training.negative_bottom_k) == (2, 9)
        assert training.micro_batch_tokens == 512


def test_a_stage_depends_on_the_stage_before_and_on_its_settings(tmp_path: Path) -> None:
    (tmp_path / "train.toml").write_text(GOOD)
    config = TrainConfig.load(tmp_path / "train.toml")
    for inputs, section in (
        (preference_inputs, "preference"),
        (reward_inputs, "reward"),
        (distillation_inputs, "distillation"),
    ):
        settings = getattr(config, section).model_copy(update={"max_tokens": 100})
        changed = config.model_copy(update={section: settings})
        keys = {
            Stage(tmp_path, section, 1, inputs(*arguments)).key
            for arguments in ((config, "a"), (config, "b"), (changed, "a"))
        }
        assert len(keys) == 3, section


def test_rows_of_a_killed_stage_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    assert list(read_rows(path)) == []
    append_rows(path, [[1, [2, 3], 0.5]])
    append_rows(path, [[4, [], -1.0], [5, [6], 2.0]])
    with path.open("ab") as file:
        file.write(b"[7, [8")  # killed here
    append_rows(path, [[9, [], 0.0]])
    assert list(read_rows(path)) == [[1, [2, 3], 0.5], [4, [], -1.0], [5, [6], 2.0], [9, [], 0.0]]
