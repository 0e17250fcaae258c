"""A real bundle, built from the real MiniLM: exported and searched."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from support.bundles import query_of

from ruie.bundle import Bundle, retrieval_text
from ruie.bundle.encoder import Vectors
from ruie.bundle.layout import seal
from ruie.bundle.manifest import Quantisation
from ruie.bundle.rerank_scores import RerankWeights, expected_agreement, mentions
from ruie.bundle.retrieval import project, text_key, usable_partitions
from ruie.errors import AnnotationError, BundleError
from ruie.exporter.cli import bundle as command
from ruie.exporter.type_model import type_table
from ruie.records import Demonstration, Query, Task

SENTENCES = [
    "Oil prices rose by 2 % on Monday .",
    "",
    "   ",
    "Ein Satz auf Deutsch, mit Umlauten: äöü .",
    "原油価格は月曜日に上昇した。",
    "word " * 1000,  # longer than the encoder reads
    "x",
]


@pytest.fixture(scope="module")
def int8_path(
    minilm: Path, some_demonstrations: list[Demonstration], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    from ruie.exporter.build import build_bundle

    output = tmp_path_factory.mktemp("int8") / "bundle"
    build_bundle(minilm, some_demonstrations[::3], output, quantisation=Quantisation.INT8)
    return output


def torch_reference(minilm: Path, texts: list[str]) -> Vectors:
    """One sentence at a time, no padding, no batch: the plainest reading of the model."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(minilm)
    model = AutoModel.from_pretrained(minilm).eval()
    rows = []
    with torch.inference_mode():
        for text in texts:
            fed = tokenizer(text, truncation=True, max_length=256, return_tensors="pt")
            mean = model(**fed).last_hidden_state[0].mean(0)
            rows.append((mean / mean.norm()).numpy())
    return np.stack(rows)


def test_fp32_vectors_equal_torch(opened: Bundle, minilm: Path) -> None:
    texts = SENTENCES + [row.text for row in opened.demonstrations()[:40]]
    vectors = opened.encoder.encode(texts)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, torch_reference(minilm, texts), atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert opened.encoder.encode([]).shape == (0, 384)


def test_int8_vectors_stay_close(int8_path: Path, opened: Bundle) -> None:
    int8 = Bundle.open(int8_path, threads=2)
    parity = int8.manifest.parity
    assert parity.cosine_mean >= 0.98
    assert parity.top8_overlap >= 0.9
    texts = [row.text for row in opened.demonstrations()[:100]]
    cosines = (int8.encoder.encode(texts) * opened.encoder.encode(texts)).sum(1)
    assert cosines.mean() >= 0.98
    assert int8.manifest.files["encoder.onnx"].size < 0.5 * (
        opened.manifest.files["encoder.onnx"].size
    )


def test_the_manifest_says_what_was_built(opened: Bundle) -> None:
    manifest = opened.manifest
    assert manifest.parity.cosine_min >= 0.9999
    assert manifest.encoder.max_tokens == 256  # sentence_bert_config.json's, not the model's 512
    assert manifest.encoder.pooling == "mean"
    assert manifest.demonstrations == len(opened) == len(opened.demonstrations())
    assert {part.task for part in manifest.partitions} == set(Task)
    opened.check()


def test_retrieval_equals_brute_force_in_every_partition(opened: Bundle) -> None:
    rows = opened.demonstrations()
    vectors = opened.encoder.encode([retrieval_text(row) for row in rows])
    queries = [query_of(rows[part.start]) for part in opened.manifest.partitions]
    queries += [query_of(row, "Crude output fell in Libya .") for row in rows[::20]]
    queries += [
        Query(query.task, query.text, "another", query.labels, query.trigger)
        for query in queries[::3]
    ]
    retrieved = opened.retrieve(queries, 8)
    for query, got in zip(queries, retrieved, strict=True):
        scores = vectors @ opened.encoder.encode([retrieval_text(query)])[0]
        allowed = [
            index
            for part in usable_partitions(query, opened.manifest.partitions)
            for index in range(part.start, part.stop)
            if text_key(rows[index].text) != text_key(query.text)
        ]
        expected = sorted(allowed, key=lambda index: -scores[index])[:8]
        by_id = {row.id: index for index, row in enumerate(rows)}
        ours = [scores[by_id[demo.id]] for demo in got]
        # Compared by score: two rows as similar as each other may come in either order.
        np.testing.assert_allclose(ours, scores[expected], atol=1e-5)
        assert [project(rows[by_id[demo.id]], query) for demo in got] == got


def test_a_ranking_orders_the_most_similar(copied: Path, opened: Bundle) -> None:
    weights = dict.fromkeys(Task, 0.8)
    ranking = RerankWeights(agreement=weights, mentions=dict.fromkeys(Task, 0.1), depth=20)
    seal(copied, opened.manifest.model_copy(update={"ranking": ranking}))
    ranked = Bundle.open(copied, threads=2)
    assert ranked.digest != opened.digest
    assert ranked.reranker is not None
    ranked.check()
    rows = ranked.demonstrations()
    queries = [query_of(row, "Crude output fell in Libya .") for row in rows[::20]]
    queries += [
        Query(q.task, q.text, "another", dict(list(q.labels.items())[::2]), q.trigger)
        for q in queries
    ]
    nearest = [some[: ranking.depth] for some in opened.retrieve(queries, 20)]
    for query, got, candidates in zip(queries, ranked.retrieve(queries, 5), nearest, strict=True):
        vector = opened.encoder.encode([retrieval_text(query)])[0]
        vectors = opened.encoder.encode([retrieval_text(demo) for demo in candidates])
        answers = [{item.type for item in demo.items} for demo in candidates]
        table = [[float(label in types) for label in query.labels] for types in answers]
        served = usable_partitions(query, opened.manifest.partitions)
        likely = ranked.reranker.probabilities(query, vector, served)
        assert likely is not None
        whole = [opened.demonstration(demo.id) for demo in candidates]
        spans = [[text_key(s.text) for item in d.items for s in item.spans] for d in whole]
        scores = (
            vectors @ vector
            + 0.8 * expected_agreement(likely, np.array(table, dtype=np.float32))
            + 0.1 * mentions(spans, text_key(query.text))
        )
        ours = [scores[[demo.id for demo in candidates].index(demo.id)] for demo in got]
        np.testing.assert_allclose(ours, np.sort(scores)[::-1][:5], atol=1e-5)
    more = ranked.retrieve(queries[:1], 30)[0]
    assert {demo.id for demo in more} == {d.id for d in opened.retrieve(queries[:1], 30)[0]}


def test_types_of_answers_are_learned_from_the_demonstrations(copied: Path, opened: Bundle) -> None:
    """Of the demonstrations themselves they are far better known than by their shares alone."""
    seal(copied, opened.manifest.model_copy(update={"ranking": RerankWeights()}))
    ranker = Bundle.open(copied, threads=2).reranker
    assert ranker is not None
    rows = opened.demonstrations()
    part = max((p for p in opened.manifest.partitions if p.task is Task.RE), key=len)
    types = type_table(rows[part.start : part.stop], part.labels)
    queries = [query_of(row) for row in rows[part.start : part.stop]]
    vectors = opened.encoder.encode([retrieval_text(query) for query in queries])
    likely = np.array(
        [
            [dict(zip(query.labels, p, strict=True))[label] for label in part.labels]
            for query, vector in zip(queries, vectors, strict=True)
            for p in [ranker.probabilities(query, vector, [part])]
            if p is not None
        ]
    )
    assert ((likely - types) ** 2).mean() < 0.5 * ((types.mean(0) - types) ** 2).mean()


def test_a_demonstration_with_the_querys_text_is_never_retrieved(opened: Bundle) -> None:
    rows = opened.demonstrations()
    queries = [query_of(row, f"  {row.text.upper()}\n") for row in rows]
    for query, retrieved in zip(queries, opened.retrieve(queries, 3), strict=True):
        assert text_key(query.text) not in {text_key(demo.text) for demo in retrieved}
        (part,) = usable_partitions(query, opened.manifest.partitions)
        others = sum(
            text_key(row.text) != text_key(query.text) for row in rows[part.start : part.stop]
        )
        assert len(retrieved) == min(3, others)


def test_a_query_that_nothing_serves_gets_nothing(opened: Bundle) -> None:
    unknown = Query(Task.NER, "A text .", "new", {"SOMETHING": ""})
    known = query_of(opened.demonstrations()[0], "A text .")
    assert opened.retrieve([unknown], 8) == [[]]
    assert [len(some) for some in opened.retrieve([unknown, known], 2)] == [0, 2]
    assert opened.retrieve([known], 0) == [[]]
    assert opened.retrieve([], 8) == []


def test_items_of_other_types_are_left_out(opened: Bundle) -> None:
    row = next(row for row in opened.demonstrations() if row.task is Task.NER)
    label = row.labels[0]
    query = Query(Task.NER, "A text .", row.schema, {label: ""})
    for demo in opened.retrieve([query], 20)[0]:
        assert demo.labels == (label,)
        assert {item.type for item in demo.items} <= {label}


def test_a_demonstration_is_found_by_its_id(opened: Bundle) -> None:
    row = opened.demonstrations()[7]
    assert opened.demonstration(row.id) == row
    with pytest.raises(KeyError):
        opened.demonstration("no such id")


def test_the_digest_names_the_contents(bundle_path: Path, copied: Path, int8_path: Path) -> None:
    assert Bundle.open(bundle_path).digest == Bundle.open(copied).digest
    assert Bundle.open(bundle_path).digest != Bundle.open(int8_path).digest


def test_too_low_parity_writes_nothing(
    minilm: Path,
    some_demonstrations: list[Demonstration],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from ruie.exporter import parity
    from ruie.exporter.build import build_bundle

    monkeypatch.setattr(parity, "FP32_COSINE_MIN", 1.1)
    with pytest.raises(BundleError, match="differs from torch"):
        build_bundle(minilm, some_demonstrations[:5], tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


def test_wrong_input_is_one_clear_sentence(minilm: Path, tmp_path: Path) -> None:
    from ruie.exporter.build import build_bundle

    with pytest.raises(AnnotationError, match="no demonstrations"):
        build_bundle(minilm, [], tmp_path / "b")
    row = Demonstration("1", Task.NER, "s", ("A",), "text", ())
    with pytest.raises(BundleError, match="no-such-model"):
        build_bundle(tmp_path / "no-such-model", [row], tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


def test_the_command_builds_inspects_and_verifies(minilm: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    annotated = {"type": "PLACE", "text": "Bonn", "start": 8, "end": 12}
    lines = [{"id": str(i), "text": f"Born in Bonn {i} .", "entities": [annotated]} for i in "ab"]
    rows.write_text("".join(json.dumps(line) + "\n" for line in lines))
    output = tmp_path / "bundle"
    arguments = ["build", "--encoder", str(minilm), "--demonstrations", str(rows), str(rows)]
    arguments += ["--output", str(output)]
    built = CliRunner().invoke(command, [*arguments, "--json"], catch_exceptions=False)
    assert built.exit_code == 0
    assert json.loads(built.stdout)["manifest"]["demonstrations"] == 2  # the same file twice
    shown = CliRunner().invoke(command, ["inspect", str(output)], catch_exceptions=False)
    assert "all-MiniLM" in shown.stdout or "model" in shown.stdout
    verified = CliRunner().invoke(command, ["verify", str(output)], catch_exceptions=False)
    assert "is undamaged" in verified.stdout
    again = CliRunner().invoke(command, arguments)
    assert isinstance(again.exception, BundleError)


def test_reading_a_bundle_needs_no_torch(bundle_path: Path) -> None:
    script = (
        "import sys; sys.modules['torch'] = sys.modules['transformers'] = None\n"
        "from ruie.exporter.cli import bundle\n"
        "assert not {'numpy', 'onnxruntime', 'rich', 'pydantic'} & set(sys.modules)\n"
        "bundle(['verify', sys.argv[1]], standalone_mode=False)\n"
        "bundle(['inspect', sys.argv[1], '--json'], standalone_mode=False)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(bundle_path)], check=True)
