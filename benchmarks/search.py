"""Milliseconds a query of the bundle's index, against FAISS' exact search of the same vectors.

    python benchmarks/search.py [--rows 1000000] [--threads 2] [--hnsw] [FILES...]

FILES are annotated rows; by default those of the demo. There are no million annotated sentences:
most rows are made. Each lies between a real sentence's vector and one of its 16 nearest, at a
random place, plus 0.3 times the difference of another such pair, at unit length. Queries are real
sentences that none of the rows was made from. All contenders search a batch in turn.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from ruie.annotations import read_rows
from ruie.bundle import Bundle, Partition
from ruie.bundle.encoder import available_threads
from ruie.bundle.index import Index, Rows, Vectors
from ruie.bundle.manifest import Quantisation
from ruie.exporter.build import build_bundle
from ruie.exporter.index import write_index
from ruie.packaged import packaged_encoder
from ruie.records import Demonstration, Task

DEMO = Path(__file__).parents[1] / "worker" / "demo" / "data"
BATCH = 32
K = 100  # what a bundle with a ranking looks at
INNER = faiss.METRIC_INNER_PRODUCT
PEER = "FAISS IndexFlatIP"
MB = 1e6

Search = Callable[[Vectors], Rows]


def real_vectors(files: list[Path], folder: Path) -> Vectors:
    """The int8 MiniLM's vectors of all different sentences of `files`, shuffled."""
    texts = list(dict.fromkeys(row.text for file in files for row in read_rows(file)))
    rows = [Demonstration(str(i), Task.NER, "s", ("A",), t, ()) for i, t in enumerate(texts)]
    build_bundle(packaged_encoder(), rows[:500], folder / "real", quantisation=Quantisation.INT8)
    vectors = Bundle.open(folder / "real").encoder.encode(texts)
    return vectors[np.random.default_rng(0).permutation(len(vectors))]


def made(real: Vectors, rows: int) -> Vectors:
    """The real vectors, and as many made ones as `rows` lacks."""
    rng = np.random.default_rng(1)
    near = faiss.knn(real, real, 17, metric=INNER)[1][:, 1:]
    vectors = np.empty((rows, real.shape[1]), dtype=np.float32)
    vectors[: len(real)] = real[:rows]
    for start in range(len(real), rows, 50_000):
        part = vectors[start : start + 50_000]
        one, third = rng.integers(len(real), size=(2, len(part)))
        other, fourth = (near[of, rng.integers(16, size=len(part))] for of in (one, third))
        place = rng.random((len(part), 1), dtype=np.float32)
        part[:] = place * real[one] + (1 - place) * real[other]
        part += 0.3 * (real[third] - real[fourth])
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return vectors


def recall(results: Rows, exact: Rows, k: int) -> float:
    """The mean share of the k exact results that are in the first k of `results`."""
    pairs = zip(results[:, :k], exact[:, :k], strict=True)
    return float(np.mean([len(set(a) & set(b)) / k for a, b in pairs]))


def in_turn(searches: dict[str, Search], queries: Vectors) -> dict[str, tuple[Rows, float, float]]:
    """For each search the rows of its results, and the median and the 95th percentile of the
    batches, in milliseconds a query."""
    times: dict[str, list[float]] = {name: [] for name in searches}
    results: dict[str, list[Rows]] = {name: [] for name in searches}
    for search in searches.values():
        search(queries)  # every page has been touched
    for start in range(0, len(queries) - BATCH + 1, BATCH):
        for name, search in searches.items():
            started = time.perf_counter()
            results[name].append(search(queries[start : start + BATCH]))
            times[name].append(1e3 * (time.perf_counter() - started) / BATCH)
    return {
        name: (np.concatenate(results[name]), *np.percentile(times[name], (50, 95)).tolist())
        for name in searches
    }


def mapped(process: Index, partition: Partition, queries: Vectors, pipe: Any) -> None:
    """In a process of its own: search; when the other has searched too, send RSS and PSS in MB of
    the index's map."""
    process.search(queries, K, partition)
    pipe.send(None)
    pipe.recv()
    _, _, region = Path("/proc/self/smaps").read_text().partition(".faiss\n")
    sizes = dict(line.split()[:2] for line in region.splitlines()[:10])
    pipe.send((int(sizes["Rss:"]) / 1024, int(sizes["Pss:"]) / 1024))


def in_two_processes(index: Index, partition: Partition, queries: Vectors) -> tuple[float, float]:
    """RSS and PSS in MB of the index's map, in one of two processes that both searched it."""
    context = multiprocessing.get_context("spawn")
    pipes = [context.Pipe() for _ in range(2)]
    children = [
        context.Process(target=mapped, args=(index, partition, queries, theirs))
        for _, theirs in pipes
    ]
    for child in children:
        child.start()
    for ours, _ in pipes:
        ours.recv()
    sizes: list[tuple[float, float]] = []
    for ours, _ in pipes:
        ours.send(None)
        sizes.append(ours.recv())
    for child in children:
        child.join()
    return sizes[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("files", nargs="*", type=Path, default=sorted(DEMO.glob("*.jsonl*")))
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=960)
    parser.add_argument("--threads", type=int, default=available_threads())
    parser.add_argument("--fp32", action="store_true", help="what `--quantise none` stores, too")
    parser.add_argument(
        "--hnsw", action="store_true", help="FAISS' IndexHNSWFlat too: slow to build"
    )
    arguments = parser.parse_args()
    faiss.omp_set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        real = real_vectors(arguments.files, folder)
        queries, vectors = (
            real[: arguments.queries],
            made(real[arguments.queries :], arguments.rows),
        )
        compare(vectors, queries, folder, arguments)


def compare(
    vectors: Vectors, queries: Vectors, folder: Path, arguments: argparse.Namespace
) -> None:
    """Build all contenders, measure and print."""
    rows = len(vectors)
    whole = Partition(task=Task.NER, schema_name="s", labels=("A",), start=0, stop=rows, repeats=1)
    flat = faiss.IndexFlatIP(vectors.shape[1])
    searches: dict[str, Search] = {PEER: lambda some: flat.search(some, K)[1]}
    built = {PEER: timed(lambda: flat.add(vectors))}
    sizes = {PEER: vectors.nbytes / MB}
    notes = []
    for form in [Quantisation.INT8, Quantisation.NONE][: 1 + arguments.fp32]:
        file = folder / f"{form}.faiss"
        started = time.perf_counter()
        (part,) = write_index(file, vectors, [whole], form)
        label = f"bundle, encoder {'fp32' if form is Quantisation.NONE else form}"
        built[label], sizes[label] = time.perf_counter() - started, file.stat().st_size / MB
        index = Index(file, [part], threads=arguments.threads)
        for share in (0.5, 0.75, 1, 1.5) if part.lists > 1 else (1,):
            some = part.model_copy(update={"searched": min(part.lists, int(share * part.searched))})
            name = label if share == 1 else f"  {some.searched} lists a query"
            searches[name] = lambda few, index=index, some=some: index.search(few, K, some)[1]
        rss, pss = in_two_processes(index, part, queries)
        notes.append(
            f"{label}: {part.lists} lists, {part.searched} searched; "
            f"map in each of two processes: RSS {rss:.0f} MB, PSS {pss:.0f} MB"
        )
    if arguments.hnsw:
        graph = faiss.IndexHNSWFlat(vectors.shape[1], 32, INNER)
        built["HNSW"] = timed(lambda: graph.add(vectors))
        faiss.write_index(graph, str(folder / "hnsw"))
        sizes["HNSW"] = (folder / "hnsw").stat().st_size / MB
        for width in (100, 200, 400):
            wide = faiss.SearchParametersHNSW(efSearch=width)
            name = "HNSW" if width == 100 else f"  efSearch {width}"
            searches[name] = lambda few, wide=wide: graph.search(few, K, params=wide)[1]
    measured = in_turn(searches, queries)
    exact, peer, _ = measured[PEER]
    print(
        f"{rows:,} rows of {vectors.shape[1]}, {len(queries)} queries in batches of {BATCH}, "
        f"k = {K}, {arguments.threads} threads"
    )
    print(
        f"{'':28}{'p50 ms':>8}{'p95 ms':>8}{'ratio':>7}{'@8':>8}{'@100':>8}{'MB':>7}{'build s':>9}"
    )
    for name, (results, median, slow) in measured.items():
        ends = f"{sizes[name]:7.0f}{built[name]:9.1f}" if name in built else ""
        print(
            f"{name:28}{median:8.2f}{slow:8.2f}{peer / median:7.1f}"
            f"{recall(results, exact, 8):8.4f}{recall(results, exact, K):8.4f}{ends}"
        )
    print("\n".join(notes))


def timed(work: Callable[[], object]) -> float:
    """Seconds."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
