"""The next run is better for what people corrected: a run, corrections, more demonstrations, a run.

The LLM's place is taken by a script that answers from the demonstrations in its prompt alone.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from support.commands import ROOT
from support.copying_model import copy_spans
from support.endpoint import ScriptedEndpoint
from support.fleet import Fleet

CORPUS = ROOT / "benchmarks" / "corpora" / "crossner_ai"
CORRECTED, SIMILAR = 150, 50


def gold(part: str, count: int) -> dict[str, dict[str, Any]]:
    with gzip.open(CORPUS / f"{part}.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line, _ in zip(lines, range(count), strict=False)]
    return {row["id"]: row for row in rows}


def run(fleet: Fleet, rows: dict[str, dict[str, Any]]) -> str:
    """Enqueue the texts and wait for their records; gives the job."""
    lines = (json.dumps({"id": row["id"], "text": row["text"]}) for row in rows.values())
    (fleet.folder / "in.jsonl").write_text("\n".join(lines), encoding="utf-8")
    job = fleet.ruie("enqueue", "in.jsonl", "--schema", "schema.yaml")
    fleet.wait_done(job)
    return job


def correct(fleet: Fleet, job: str, rows: dict[str, dict[str, Any]]) -> None:
    """What a person does: the export's rows, with the entities that are right, imported."""
    exported = [json.loads(line) for line in fleet.ruie("export", job).splitlines()]
    for row in exported:
        row["entities"] = rows[row["id"]]["entities"]
    written = "".join(json.dumps(row) + "\n" for row in exported)
    (fleet.folder / "corrected.jsonl").write_text(written, encoding="utf-8")
    fleet.ruie("review", "import", "corrected.jsonl", "--job", job)


def f1(fleet: Fleet, job: str) -> float:
    """Of entities, against the reviews of the job's documents."""
    scores = json.loads(fleet.ruie("review", "score", job, "--json"))
    assert scores["documents"] == SIMILAR
    (entities,) = scores["tasks"]
    return float(entities["f1"])


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_corrected_rows_make_the_next_run_better(
    tmp_path: Path, database_url: str, bundle_path: Path
) -> None:
    labels = json.loads((CORPUS / "schema.json").read_text(encoding="utf-8"))["labels"]
    (tmp_path / "schema.yaml").write_text(f"name: crossner_ai\nentities: {labels}\n")
    first, similar = gold("dev", CORRECTED), gold("test", SIMILAR)
    with (
        ScriptedEndpoint(copy_spans) as endpoint,
        Fleet(tmp_path, database_url, bundle_path, endpoint.url, llm_model="scripted") as fleet,
    ):
        fleet.start("coordinator")
        worker = fleet.start("worker")
        job, before = run(fleet, first), run(fleet, similar)
        correct(fleet, job, first)
        fleet.ruie("review", "export", job, "-o", "gold.jsonl")
        fleet.ruie("bundle", "add", str(bundle_path), "gold.jsonl", "-o", "better")

        worker.terminate()
        fleet.start("worker", RUIE_BUNDLE=str(tmp_path / "better"))
        calls = endpoint.count
        after = run(fleet, similar)
        assert endpoint.count == calls + SIMILAR  # other demonstrations: no old answer is taken
        correct(fleet, before, similar)
        scores = f1(fleet, before), f1(fleet, after)
    print(f"F1 {scores[0]:.3f} before, {scores[1]:.3f} with {CORRECTED} corrected sentences")
    assert 0 < scores[0] < scores[1] - 0.02
