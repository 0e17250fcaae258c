"""A killed training resumes from its last complete checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest

from ruie.exporter.training.trainer import last_checkpoint


def checkpoint(folder: Path, step: int, state: str | None) -> None:
    path = folder / f"checkpoint-{step}"
    path.mkdir()
    if state is not None:
        (path / "trainer_state.json").write_text(state)


@pytest.mark.parametrize("torn", [None, "", '{"global_step": 10'])
def test_half_a_checkpoint_is_not_resumed(tmp_path: Path, torn: str | None) -> None:
    assert last_checkpoint(tmp_path / "absent") is None
    checkpoint(tmp_path, 10, torn)
    assert last_checkpoint(tmp_path) is None
    for step in (8, 9):
        checkpoint(tmp_path, step, "{}")
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-9"
    checkpoint(tmp_path, 100, "{}")
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-100"
