"""Annotated data of every format, damaged at random: an error is one of ours, with a sentence, and
the rows that are used are whole."""

from __future__ import annotations

import gzip
import json
import logging
import random
from pathlib import Path

import pytest
from support.damage import damaged

from ruie.annotations import load_corpus
from ruie.errors import RuieError
from ruie.formats.writing import write_corpus

ROW = {
    "id": "1",
    "text": "Shell owns Pernis, and Brent rose.",
    "entities": [{"type": "ORG", "text": "Shell", "start": 0, "end": 5}],
    "relations": [
        {
            "type": "owns",
            "head": {"text": "Shell", "start": 0, "end": 5},
            "tail": {"text": "Pernis", "start": 11, "end": 17},
        }
    ],
    "events": [
        {
            "type": "Rise",
            "trigger": {"text": "rose", "start": 29, "end": 33},
            "arguments": [{"role": "Item", "text": "Brent", "start": 23, "end": 28}],
        }
    ],
}
SENTENCE = {
    "sentence": "Shell owns Pernis and sold oil.",
    "entities": [{"name": "Shell", "type": "organization", "pos": [0, 5]}],
    "relations": [
        {
            "head": {"name": "Shell", "type": "organization", "pos": [0, 5]},
            "type": "owns",
            "tail": {"name": "Pernis", "type": "place", "pos": [11, 17]},
        }
    ],
    "events": [{"trigger": "sold", "type": "Sale", "pos": [22, 26], "arguments": []}],
}
LINES = "".join(json.dumps({**ROW, "id": str(n)}) + "\n" for n in range(8)).encode()
CONLL = "# a comment\nOPEC\tNNP\tB-ORG\ncut\tVBD\tO\nÖl\tNN\tI-X\n\n".encode() * 8
ANN = (
    b"T1\tOrganisation 0 5\tShell\nT2\tPlace 11 17\tPernis\nR1\towns Arg1:T1 Arg2:T2\nE1\tOwns:T1\n"
)


def docbin() -> bytes:
    spacy = pytest.importorskip("spacy", reason="the extra spacy is not installed")
    from spacy.tokens import DocBin, Span

    doc = spacy.blank("en")("OPEC cut output.")
    doc.ents = [Span(doc, 0, 1, "ORG")]
    raw: bytes = DocBin(docs=[doc] * 8).to_bytes()
    return raw


def good() -> dict[str, bytes]:
    return {
        "a.jsonl": LINES,
        "b.jsonl.gz": gzip.compress(LINES),
        "a.conll": CONLL,
        "a.json": json.dumps([SENTENCE] * 8).encode(),
        "b.json": (json.dumps(SENTENCE) + "\n").encode() * 8,
        "a.spacy": docbin(),
        "c.ann": ANN,
        "schema.yaml": b"name: x\nentities: [ORG]\nrelations: {owns: to have}\nevents: {A: [B]}\n",
    }


def check(folder: Path, files: dict[str, bytes], seed: int) -> int:
    """Each file is damaged and read. Returns how many were used."""
    rng = random.Random(seed)
    used = 0
    for name, content in files.items():
        place = folder / name.split(".")[1] / name
        place.parent.mkdir(exist_ok=True)
        broken = damaged(content, rng, rng.choice(list(files.values())))
        place.write_bytes(broken)
        place.with_suffix(".txt").write_bytes(b"Shell owns Pernis.\nBrent rose.\n")
        schema = place if name == "schema.yaml" else None
        try:
            corpus = load_corpus(folder / "jsonl" / "a.jsonl" if schema else place, schema)
            if not corpus.schema.tasks:  # nothing is annotated, and `ruie convert` says so
                continue
            write_corpus(folder / "out.jsonl", corpus.rows, corpus.schema, overwrite=True)
        except RuieError:
            continue
        assert corpus.rows
        for row in corpus.rows:
            for item in (i for items in row.gold.values() for i in items):
                assert all(row.text[s.start : s.end] == s.text for s in item.spans)
        again = load_corpus(folder / "out.jsonl", folder / "out.yaml")
        assert [row.text for row in again.rows] == [row.text for row in corpus.rows]
        used += 1
    return used


def test_damaged_annotations_are_refused_with_a_sentence(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = good()
    with caplog.at_level(logging.ERROR, "ruie"):
        assert sum(check(tmp_path, files, seed) for seed in range(60))


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_damaged_annotations_at_length(tmp_path: Path) -> None:
    files = good()
    logging.getLogger("ruie").setLevel(logging.ERROR)
    try:
        assert sum(check(tmp_path, files, seed) for seed in range(1000, 5000))
    finally:
        logging.getLogger("ruie").setLevel(logging.NOTSET)
