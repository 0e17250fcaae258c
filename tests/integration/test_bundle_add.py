"""Demonstrations that are added to a real bundle are retrieved, and replace older ones."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from ruie.bundle import Bundle
from ruie.bundle.manifest import TYPES
from ruie.bundle.retrieval import text_key
from ruie.bundle.type_model import read_models
from ruie.errors import AnnotationError, BundleError
from ruie.exporter.add import add_demonstrations, remove_demonstrations
from ruie.exporter.cli import bundle as command
from ruie.records import Demonstration, Item, Query, Span, Task

TEXT = "The zeppelin yard of Friedrichshafen hired forty riveters."
QUERY = "The zeppelin yard of Hamburg hired ten riveters."


def demonstration(bundle: Path, *spans: str, task: Task = Task.NER) -> Demonstration:
    """One about `TEXT`, for the first partition of entities; every span is of its first type."""
    part = next(p for p in Bundle.open(bundle).manifest.partitions if p.task is task)
    items = tuple(
        Item(part.labels[0], (Span(s, TEXT.index(s), TEXT.index(s) + len(s)),)) for s in spans
    )
    return Demonstration("new", task, part.schema_name, part.labels, TEXT, items)


def test_what_was_added_is_retrieved_and_a_correction_replaces_it(
    bundle_path: Path, tmp_path: Path
) -> None:
    wrong = demonstration(bundle_path, "zeppelin yard")
    once = add_demonstrations(bundle_path, [wrong], tmp_path / "once")
    assert (once.added, once.replaced) == (1, 0)
    right = demonstration(bundle_path, "Friedrichshafen")
    twice = add_demonstrations(tmp_path / "once", [right], tmp_path / "once")
    assert (twice.added, twice.replaced) == (1, 1)

    opened = Bundle.open(tmp_path / "once")
    opened.check()
    assert len(opened) == len(Bundle.open(bundle_path)) + 1
    query = Query(Task.NER, QUERY, right.schema, dict.fromkeys(right.labels, ""))
    (retrieved,) = opened.retrieve([query], 1)
    assert [each.items for each in retrieved] == [right.items]


def test_new_events_of_a_text_replace_the_arguments_of_the_old_ones(
    bundle_path: Path, some_demonstrations: list[Demonstration], tmp_path: Path
) -> None:
    argued = next(each for each in some_demonstrations if each.task is Task.EAE)
    event = next(
        each
        for each in some_demonstrations
        if each.task is Task.ED and each.schema == argued.schema and each.text == argued.text
    )
    nothing = Demonstration("again", Task.ED, event.schema, event.labels, event.text, ())
    add_demonstrations(bundle_path, [nothing], tmp_path / "new")
    left = [
        (each.task, each.items)
        for each in Bundle.open(tmp_path / "new").demonstrations()
        if each.schema == event.schema and text_key(each.text) == text_key(event.text)
    ]
    assert left == [(Task.ED, ())]


def test_a_bundle_is_replaced_only_with_overwrite_and_never_half_written(
    bundle_path: Path, tmp_path: Path
) -> None:
    target = tmp_path / "new"
    add_demonstrations(bundle_path, [demonstration(bundle_path)], target)
    before = Bundle.open(target).digest
    with pytest.raises(BundleError, match="exists"):
        add_demonstrations(bundle_path, [demonstration(bundle_path)], target)
    with pytest.raises(AnnotationError, match="no demonstrations to add"):
        add_demonstrations(bundle_path, [], target, overwrite=True)
    assert Bundle.open(target).digest == before


def test_the_command(bundle_path: Path, tmp_path: Path) -> None:
    rows = tmp_path / "gold.jsonl"
    start = TEXT.index("Friedrichshafen")
    row = {
        "text": TEXT,
        "entities": [
            {"type": "PLACE", "text": "Friedrichshafen", "start": start, "end": start + 15}
        ],
    }
    rows.write_text(json.dumps(row) + "\n")
    result = CliRunner().invoke(
        command, ["add", str(bundle_path), str(rows), "-o", f"{tmp_path}/b"]
    )
    assert result.exit_code == 0, result.output
    assert "1 added, 0 older ones replaced." in result.output
    assert Bundle.open(tmp_path / "b").demonstrations()[0].text


def test_what_is_not_new_stays_as_it_is(bundle_path: Path, tmp_path: Path) -> None:
    """Models of types are fitted again only where a tenth is new."""

    def models(folder: Path) -> dict[object, tuple[int, bytes]]:
        manifest = Bundle.open(folder).manifest
        found = read_models(folder / TYPES, manifest.partitions, manifest.encoder.dimension)
        parts = zip(manifest.partitions, found, strict=True)
        return {part.key: (len(part), model.weights.tobytes()) for part, model in parts}

    added = [demonstration(bundle_path, "Friedrichshafen")]
    add_demonstrations(bundle_path, added, tmp_path / "one")
    before, after = models(bundle_path), models(tmp_path / "one")
    key = next(key for key in after if after[key][0] != before[key][0])
    assert after[key][0] == before[key][0] + 1 > 11
    assert {key: weights for key, (_, weights) in after.items()} == {
        key: weights for key, (_, weights) in before.items()
    }
    rows = before[key][0] // 10 + 1
    more = [replace(added[0], id=f"n{n}", text=f"{TEXT} {n}") for n in range(rows)]
    add_demonstrations(tmp_path / "one", more, tmp_path / "one")
    changed = models(tmp_path / "one")
    assert {each for each in changed if changed[each][1] != before[each][1]} == {key}


def test_it_needs_no_torch() -> None:
    code = "import sys, ruie.exporter.add; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_is_removed_is_in_none_of_its_files_and_the_rest_is_retrieved(
    bundle_path: Path, tmp_path: Path
) -> None:
    added = demonstration(bundle_path, "Friedrichshafen")
    add_demonstrations(bundle_path, [added], tmp_path / "bundle")
    result = CliRunner().invoke(command, ["remove", str(tmp_path / "bundle"), "new"])
    assert result.exit_code == 0, result.output
    assert "1 removed." in result.output
    opened = Bundle.open(tmp_path / "bundle")
    opened.check()
    ids = [each.id for each in opened.demonstrations()]
    assert ids == [each.id for each in Bundle.open(bundle_path).demonstrations()]
    query = Query(Task.NER, QUERY, added.schema, dict.fromkeys(added.labels, ""))
    assert opened.retrieve([query], 3) == Bundle.open(bundle_path).retrieve([query], 3)


def test_what_it_does_not_have_cannot_be_removed_nor_all_it_has(
    bundle_path: Path, tmp_path: Path
) -> None:
    with pytest.raises(AnnotationError, match="no demonstration nosuch"):
        remove_demonstrations(bundle_path, ["nosuch"], tmp_path / "out")
    every = [each.id for each in Bundle.open(bundle_path).demonstrations()]
    with pytest.raises(AnnotationError, match="no other demonstrations"):
        remove_demonstrations(bundle_path, every, tmp_path / "out")
    assert not (tmp_path / "out").exists()
