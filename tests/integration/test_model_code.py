"""Code that a model brings is not run, and nobody is asked whether it should be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
from pathlib import Path
Path({mark!r}).write_text("run")
from transformers import BertConfig, BertModel

class OddConfig(BertConfig):
    model_type = "odd"

class OddModel(BertModel):
    config_class = OddConfig
"""


@pytest.fixture
def odd(minilm: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A model whose folder has code, and the file that the code would write."""
    pytest.importorskip("transformers", reason="the exporter is not installed")
    folder, mark = tmp_path / "odd", tmp_path / "mark"
    folder.mkdir()
    (folder / "odd.py").write_text(CODE.format(mark=str(mark)))
    config = json.loads((minilm / "config.json").read_text())
    auto = {"AutoConfig": "odd.OddConfig", "AutoModel": "odd.OddModel",
            "AutoModelForSequenceClassification": "odd.OddModel",
            "AutoModelForCausalLM": "odd.OddModel"}  # fmt: skip  # a table
    config |= {"model_type": "odd", "architectures": ["OddModel"], "auto_map": auto}
    (folder / "config.json").write_text(json.dumps(config))
    for file in minilm.glob("*oken*"):
        (folder / file.name).symlink_to(file)
    return folder, mark


LOAD = """
import sys, transformers
from ruie.errors import RuieError
from ruie.exporter.base_encoder import load_pretrained
try:
    load_pretrained(getattr(transformers, sys.argv[1]), "encoder", sys.argv[2])
except RuieError as error:
    print(error.message, error.hint)
"""


def load(kind: str, folder: Path, home: Path, **settings: str) -> str:
    """What it says; somebody who would say yes is at the keyboard."""
    done = subprocess.run(
        [sys.executable, "-c", LOAD, kind, str(folder)],
        input="y\n" * 20,
        env={**os.environ, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1", **settings},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    "kind",
    [
        "AutoModel",
        pytest.param("AutoModelForSequenceClassification", marks=pytest.mark.slow),
        pytest.param("AutoModelForCausalLM", marks=pytest.mark.slow),
    ],
)
def test_it_is_not_run(odd: tuple[Path, Path], tmp_path: Path, kind: str) -> None:
    folder, mark = odd
    said = load(kind, folder, tmp_path / "home")
    assert not mark.exists()
    assert "brings Python code of its own, which is not run" in said
    assert "RUIE_MODEL_CODE" in said
    assert "[y/N]" not in said


def test_a_setting_says_otherwise(odd: tuple[Path, Path], tmp_path: Path) -> None:
    folder, mark = odd
    said = load("AutoModel", folder, tmp_path / "home", RUIE_MODEL_CODE="true")
    assert mark.exists(), said
    assert "[y/N]" not in said


def test_every_call_says_so() -> None:
    root = Path(__file__).parents[2]
    called = 0
    for folder in ("exporter", "benchmarks", "worker", "ruie"):
        for file in root.joinpath(folder).rglob("*.py"):
            text = file.read_text(encoding="utf-8")
            for call in text.split(".from_pretrained(")[1:]:
                if not call.startswith("model, **options)`"):  # a docstring
                    called += 1
                    assert "trust_remote_code=" in call[:200], file
    assert called >= 3
