"""`ruie learn`, and what is said of types without demonstrations."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from ruie.bundle import Bundle
from ruie.settings import load
from ruie.worker.cli.serve import warn_of_undemonstrated

Ruie = Callable[..., subprocess.CompletedProcess[str]]

AD = "A cook who knows soup is wanted ."


def write(path: Path, *rows: Mapping[str, object]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture
def job(ruie: Ruie, upgraded: Path, tmp_path: Path) -> str:
    """A job about two documents, of a type that no bundle knows."""
    (tmp_path / "jobs.yaml").write_text("name: jobs\nentities: [SKILL]\n")
    write(tmp_path / "ads.jsonl", {"id": "a", "text": AD}, {"id": "b", "text": "A clerk ."})
    done = ruie("enqueue", "ads.jsonl", "--schema", "jobs.yaml")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def reviewed(ruie: Ruie, job: str, tmp_path: Path) -> str:
    """The same, with a review of the first."""
    start = AD.index("soup")
    soup = {"type": "SKILL", "text": "soup", "start": start, "end": start + 4}
    write(tmp_path / "corrected.jsonl", {"id": "a", "text": AD, "entities": [soup]})
    done = ruie("review", "import", "corrected.jsonl", "--job", job)
    assert done.returncode == 0, done.stderr
    return job


def test_types_without_demonstrations_are_named_before_anything_is_sent(
    ruie: Ruie, upgraded: Path, tmp_path: Path
) -> None:
    write(tmp_path / "ads.jsonl", {"id": "a", "text": AD})
    (tmp_path / "jobs.yaml").write_text(
        "name: jobs\nentities: [SKILL]\nevents: {Hire: [Who], End: []}\n"
    )
    done = ruie("enqueue", "ads.jsonl", "--schema", "jobs.yaml", "--dry-run")
    assert "No demonstrations for entities, events and arguments of Hire: " in done.stderr
    assert "demonstrations: FILE" in done.stderr

    gold = {"id": "g", "text": AD, "entities": [], "events": []}
    write(tmp_path / "gold.jsonl", gold)
    (tmp_path / "jobs.yaml").write_text(
        "name: jobs\nentities: [SKILL]\nevents: {End: []}\ndemonstrations: gold.jsonl\n"
    )
    done = ruie("enqueue", "ads.jsonl", "--schema", "jobs.yaml", "--dry-run")
    assert "No demonstrations" not in done.stderr
    assert done.returncode == 0


def test_a_job_whose_types_have_none_is_named_by_status_and_up(
    ruie: Ruie, job: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = f"{job} has no demonstrations for entities: "
    for command in (("status",), ("status", job)):
        assert told in " ".join(ruie(*command).stderr.split())
    assert json.loads(ruie("status", job, "--json").stdout)["undemonstrated"] == ["entities"]
    warn_of_undemonstrated(load(database_url=f"sqlite:///{tmp_path / 'ruie.db'}"))
    said = capsys.readouterr().err
    assert told in said
    assert f"`ruie learn {job}`" in said


def test_what_was_learned_is_packed_into_a_bundle(
    ruie: Ruie, reviewed: str, tmp_path: Path
) -> None:
    nothing = ruie("bundle", "pack", "jobs", "-o", "bundle")
    assert nothing.returncode == 2
    assert "Nothing was learned for a schema jobs." in nothing.stderr
    assert ruie("learn", reviewed, "--only").returncode == 0
    done = ruie("bundle", "pack", "jobs", "-o", "bundle")
    assert done.returncode == 0, done.stderr
    assert "1 added, 0 older ones replaced." in done.stdout
    packed = Bundle.open(tmp_path / "bundle")
    packed.check()
    assert [row.text for row in packed.demonstrations() if row.schema == "jobs"] == [AD]
    assert ruie("bundle", "pack", "jobs", "-o", "bundle").returncode != 0, "it is there"


def test_a_job_whose_types_were_learned_is_not(ruie: Ruie, reviewed: str) -> None:
    assert ruie("learn", reviewed, "--yes").returncode == 0
    assert "no demonstrations" not in ruie("status").stderr
    assert json.loads(ruie("status", reviewed, "--json").stdout)["undemonstrated"] == []


def test_a_wrong_row_of_the_schemas_file_is_named(
    ruie: Ruie, upgraded: Path, tmp_path: Path
) -> None:
    write(tmp_path / "ads.jsonl", {"id": "a", "text": AD})
    (tmp_path / "jobs.yaml").write_text(
        "name: jobs\nentities: [SKILL]\ndemonstrations: gold.jsonl\n"
    )
    wrong = {"type": "SKIL", "text": "A", "start": 0, "end": 1}
    write(tmp_path / "gold.jsonl", {"id": "g", "text": AD, "entities": [wrong]})
    done = ruie("enqueue", "ads.jsonl", "--schema", "jobs.yaml")
    assert done.returncode == 2
    assert "gold.jsonl, line 1" in done.stderr
    assert "SKIL" in done.stderr


def test_it_says_what_it_costs_and_asks(ruie: Ruie, reviewed: str) -> None:
    done = ruie("learn", reviewed, RUIE_LLM_BASE_URL="", RUIE_LLM_MODEL="m")
    assert "1 review: 1 demonstration" in done.stderr
    assert "of 2 calls about 2 are asked anew, 0 were answered before; at no known price" in (
        done.stderr
    )
    assert "Ask them again?" in done.stderr
    assert done.returncode == 130  # nobody answered
    stored = ruie("query", "SELECT COUNT(*) n FROM demonstration_sets", "--format", "json")
    assert json.loads(stored.stdout) == {"n": 0}


def test_with_only_nothing_is_asked(ruie: Ruie, reviewed: str) -> None:
    done = ruie("learn", reviewed, "--only", "--json")
    assert json.loads(done.stdout) == {"version": 1, "reviews": 1, "demonstrations": 1}
    again = ruie("learn", reviewed, "--only")
    assert "as in version 1, which is in force" in again.stderr
    jobs = ruie("query", "SELECT COUNT(*) n FROM jobs", "--format", "json")
    assert json.loads(jobs.stdout) == {"n": 1}
    sample = ruie("enqueue", "ads.jsonl", "--schema", "jobs.yaml", "--dry-run")
    assert "No demonstrations" not in sample.stderr


def test_without_a_review_it_says_where_to_begin(ruie: Ruie, job: str) -> None:
    done = ruie("learn", job, "--yes")
    assert done.returncode == 2
    assert "There is no review of the schema jobs" in done.stderr
    assert f"ruie review sample {job}" in done.stderr


def test_a_corpus_is_refreshed_and_not_copied(ruie: Ruie, upgraded: Path, tmp_path: Path) -> None:
    (tmp_path / "jobs.yaml").write_text("name: jobs\nentities: [SKILL]\n")
    write(tmp_path / "ads.jsonl", {"id": "a", "text": AD}, {"id": "b", "text": "A clerk ."})
    enqueue = ("enqueue", "ads.jsonl", "--schema", "jobs.yaml", "--corpus", "ads")
    job = ruie(*enqueue).stdout.strip()
    write(tmp_path / "corrected.jsonl", {"id": "a", "text": AD, "entities": []})
    ruie("review", "import", "corrected.jsonl", "--job", job)
    done = ruie("learn", job, "--yes")
    assert done.returncode == 0, done.stderr
    assert "--corpus ads --refresh" in done.stderr
    assert done.stdout == ""
    unchanged = json.loads(ruie(*enqueue, "--json").stdout)
    assert (unchanged["documents"], unchanged["unchanged"]) == (0, 2)
    counted = ruie(*enqueue, "--refresh", "--dry-run", "--json")
    assert json.loads(counted.stdout)["documents"] == 2
    refreshed = json.loads(ruie(*enqueue, "--refresh", "--json").stdout)
    assert (refreshed["documents"], refreshed["items"]) == (2, 2)
    assert refreshed["removed"] == 0


def test_a_sample_is_annotated_imported_and_learned(
    ruie: Ruie, upgraded: Path, tmp_path: Path
) -> None:
    (tmp_path / "jobs.yaml").write_text("name: jobs\nentities: [SKILL]\n")
    cooks = [f"A cook who knows soup is wanted in kitchen {n} ." for n in range(6)]
    other = "The council of the town met to speak about the new bridge over the river ."
    texts = [*cooks, other]
    write(tmp_path / "ads.jsonl", *({"id": f"d{n}", "text": t} for n, t in enumerate(texts)))
    job = ruie("enqueue", "ads.jsonl", "--schema", "jobs.yaml").stdout.strip()

    done = ruie("review", "sample", job, "-n", "2", "-o", "todo.jsonl")
    assert done.returncode == 0, done.stderr
    assert f"ruie review import todo.jsonl --job {job}" in done.stderr
    rows = [json.loads(line) for line in (tmp_path / "todo.jsonl").read_text().splitlines()]
    assert [row["entities"] for row in rows] == [None, None]
    assert {row["text"] == other for row in rows} == {True, False}, "one of each kind"
    assert (tmp_path / "todo.yaml").exists()
    assert ruie("review", "sample", job, "-o", "todo.jsonl").returncode == 2  # it is there

    for row in rows:  # by hand: texts without offsets
        row["entities"] = [{"type": "SKILL", "text": "soup"}] if "soup" in row["text"] else []
    write(tmp_path / "todo.jsonl", *rows)
    assert ruie("review", "import", "todo.jsonl", "--job", job).returncode == 0
    learned = json.loads(ruie("learn", job, "--only", "--json").stdout)
    assert learned == {"version": 1, "reviews": 2, "demonstrations": 2}

    more = ruie("review", "sample", job, "-n", "9", "-o", "rest.jsonl")
    assert more.returncode == 0, more.stderr
    rest = [json.loads(line)["id"] for line in (tmp_path / "rest.jsonl").read_text().splitlines()]
    assert sorted([*rest, *(row["id"] for row in rows)]) == [f"d{n}" for n in range(7)]
    write(
        tmp_path / "all.jsonl",
        *({"id": f"d{n}", "text": t, "entities": []} for n, t in enumerate(texts)),
    )
    ruie("review", "import", "all.jsonl", "--job", job)
    none = ruie("review", "sample", job)
    assert none.returncode == 2
    assert "Every document of the job is reviewed" in none.stderr
