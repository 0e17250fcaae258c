"""Sentences a second: the bundle's encoder against sentence-transformers (torch, fp32).

    python benchmarks/encode.py [--sentences 2000] [--repetitions 5] [FILES...]

FILES are annotated rows; by default those of the demo. Every repetition runs every contender once,
in turn, so that whatever else the machine does falls on all alike; shown are medians. CPU is the
processor time of all threads: on a shared machine it is the steadier of the two.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ruie.annotations import read_rows
from ruie.bundle import Bundle
from ruie.bundle.encoder import Vectors, available_threads
from ruie.bundle.manifest import Quantisation
from ruie.exporter.build import build_bundle
from ruie.exporter.parity import overlap
from ruie.packaged import packaged_encoder
from ruie.records import Demonstration, Task

DEMO = Path(__file__).parents[1] / "worker" / "demo" / "data"
BATCH_SIZES = (32, 8)  # sentence-transformers' default, and the best of 8 to 64 with one thread

Run = Callable[[], Vectors]


def sentences(files: list[Path], count: int) -> tuple[list[str], list[str]]:
    """At most `count` different sentences, evenly from the files' rows, and others to calibrate
    the bundle on: every fourth."""
    texts = list(dict.fromkeys(row.text for file in files for row in read_rows(file)))
    measured = [text for number, text in enumerate(texts) if number % 4]
    return measured[:: max(1, len(measured) // count)][:count], texts[::4]


def contenders(texts: list[str], others: list[str], folder: Path, threads: int) -> dict[str, Run]:
    """Each contender's name and how it encodes `texts`. others: of a bundle's demonstrations."""
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(threads)
    minilm = packaged_encoder()
    model: Any = SentenceTransformer(str(minilm), device="cpu")
    runs: dict[str, Run] = {}
    for size in BATCH_SIZES:
        runs[f"sentence-transformers, batches of {size}"] = lambda size=size: model.encode(
            texts, batch_size=size, normalize_embeddings=True, show_progress_bar=False
        )
    rows = [
        Demonstration(str(number), Task.NER, "s", ("A",), text, ())
        for number, text in enumerate(others)
    ]
    for quantisation in Quantisation:
        path = folder / quantisation
        build_bundle(minilm, rows, path, quantisation=quantisation)
        encoder = Bundle.open(path, threads=threads).encoder
        name = "fp32" if quantisation is Quantisation.NONE else str(quantisation)
        runs[f"bundle, {name}"] = lambda encoder=encoder: encoder.encode(texts)
    return runs


def measure(runs: dict[str, Run], count: int, repetitions: int) -> list[dict[str, Any]]:
    """Medians of sentences a second and of CPU milliseconds a sentence, and agreement with fp32."""
    vectors = {name: run() for name, run in runs.items()}  # also the warm-up
    wall: dict[str, list[float]] = {name: [] for name in runs}
    cpu: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repetitions):
        for name, run in runs.items():
            started, started_cpu = time.perf_counter(), time.process_time()
            run()
            wall[name].append(count / (time.perf_counter() - started))
            cpu[name].append(1e3 * (time.process_time() - started_cpu) / count)
    first = next(iter(runs))
    return [
        {
            "name": name,
            "sentences_per_s": round(statistics.median(wall[name]), 1),
            "ratio": round(
                statistics.median(a / b for a, b in zip(wall[name], wall[first], strict=True)),
                2,
            ),
            "cpu_ms": round(statistics.median(cpu[name]), 2),
            "cosine_mean": round(float((vectors[name] * vectors[first]).sum(1).mean()), 4),
            "top8_overlap": round(overlap(vectors[first], vectors[name], 8), 4),
        }
        for name in runs
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("files", nargs="*", type=Path, default=sorted(DEMO.glob("*.jsonl*")))
    parser.add_argument("--sentences", type=int, default=2000)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--threads", type=int, default=available_threads())
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    texts, others = sentences(arguments.files, arguments.sentences)
    with tempfile.TemporaryDirectory() as folder:
        runs = contenders(texts, others, Path(folder), arguments.threads)
        rows = measure(runs, len(texts), arguments.repetitions)
    if arguments.json:
        print(json.dumps({"sentences": len(texts), "threads": arguments.threads, "rows": rows}))
        return
    words = np.mean([len(text.split()) for text in texts])
    print(f"{len(texts)} sentences of {words:.0f} words, {arguments.threads} threads")
    print(f"{'':42}{'per s':>8}{'ratio':>8}{'CPU ms':>8}{'cosine':>9}{'top-8':>8}")
    for row in rows:
        print(
            f"{row['name']:42}{row['sentences_per_s']:8.1f}{row['ratio']:8.2f}{row['cpu_ms']:8.2f}"
            f"{row['cosine_mean']:9.4f}{row['top8_overlap']:8.4f}"
        )


if __name__ == "__main__":
    main()
