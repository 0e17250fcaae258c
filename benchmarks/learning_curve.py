"""F1 after so many annotated rows of types that no bundle knows: chosen as `ruie review sample`
chooses them, or at random.

    python benchmarks/learning_curve.py --output FOLDER [--limit 40] [--plot FILE.svg] CORPUS...

CORPUS are folders of benchmarks/corpora. Rows are chosen among those of train and dev, and asked is
a sample of test, with the local model under the grammar. Only the bundle's encoder is used: none of
its demonstrations is shown. Of random choices there are two, and their mean is given. Scores are
kept in the folder, one file for each run: the same command resumes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ruie.annotations import Corpus, demonstrations, load_corpus
from ruie.bundle import Bundle
from ruie.evaluation import predict
from ruie.extractor import Extractor
from ruie.formats.row import AnnotatedRow
from ruie.llm import connect
from ruie.records import Demonstration, Query
from ruie.scoring import Score
from ruie.settings import Settings, load
from ruie.worker.client import decoding
from ruie.worker.embedded.stack import local_llm
from ruie.worker.sampling import MOST, representatives

SIZES = (0, 5, 10, 20, 50, 100)
CHOICES = ("review sample", "random 0", "random 1")


def pool_of(folder: Path) -> list[AnnotatedRow]:
    """The rows that may be annotated, at most as many as `ruie review sample` compares."""
    files = [folder / f"{part}.jsonl.gz" for part in ("train", "dev")]
    rows = [row for file in files if file.exists() for row in load_corpus(file).rows]
    random.Random(0).shuffle(rows)
    return rows[:MOST]


def in_order(rows: Sequence[AnnotatedRow], choice: str, bundle: Bundle) -> list[AnnotatedRow]:
    """The first rows that would be annotated."""
    if choice != "review sample":
        return random.Random(choice).sample(rows, max(SIZES))
    prefix = bundle.manifest.encoder.query_prefix
    vectors = bundle.encoder.encode([prefix + row.text for row in rows])
    none = np.zeros(len(rows), dtype=bool)
    return [rows[n] for n in representatives(vectors, none, np.ones(len(rows)), max(SIZES))]


class Own:
    """What a bundle retrieves of the demonstrations of one schema's name."""

    def __init__(self, bundle: Bundle, schema: str) -> None:
        self._bundle, self._schema = bundle, schema
        self.digest = bundle.digest

    def retrieve(self, queries: Sequence[Query], k: int) -> list[list[Demonstration]]:
        found = self._bundle.retrieve(queries, k)
        return [[demo for demo in some if demo.schema == self._schema] for some in found]


async def ask(
    config: Settings, bundle: Bundle, gold: Corpus, shown: Sequence[AnnotatedRow]
) -> dict[str, list[int]]:
    """By task: gold, predicted, matched, calls, calls that failed."""
    added = [demo for row in shown for demo in demonstrations(row, gold.schema)]
    llm = connect(config)
    try:
        retriever = Own(bundle.over(added), gold.schema.name) if added else None
        extractor = Extractor(retriever, llm, "", decoding(config))
        await extractor.resolve()
        made = await predict(extractor, gold)
    finally:
        await llm.close()
    sums: dict[str, list[int]] = {}
    for one in made:
        s = one.strings
        row = [s.gold, s.predicted, s.matched, 1, int(one.error is not None)]
        before = sums.get(str(one.gold.query.task), [0] * 5)
        sums[str(one.gold.query.task)] = [a + b for a, b in zip(before, row, strict=True)]
    return sums


def named(gold: Corpus) -> Corpus:
    """Under a name that no partition of the bundle has: of equal types, only those of the rows that
    lie over it are shown then."""
    return replace(gold, schema=replace(gold.schema, name=f"{gold.schema.name} of one's own"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("corpora", nargs="+", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=40, help="sentences of each test part")
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    config = load()
    bundle = Bundle.open(config.bundle).by_similarity()
    with local_llm(load(output_form="grammar")) as local:
        for folder in arguments.corpora:
            rows, test = pool_of(folder), load_corpus(folder / "test.jsonl.gz")
            asked = tuple(random.Random(0).sample(test.rows, arguments.limit))
            gold = named(replace(test, rows=asked))
            for choice in CHOICES:
                order = in_order(rows, choice, bundle)
                for size in SIZES if choice == CHOICES[0] else SIZES[1:]:
                    file = arguments.output / f"{folder.name}, {choice}, {size}.json"
                    if not file.exists():
                        done = asyncio.run(ask(local, bundle, gold, order[:size]))
                        file.write_text(json.dumps(done), encoding="utf-8")
    curves = read(arguments.output, [folder.name for folder in arguments.corpora])
    table(curves)
    if arguments.plot:
        plot(curves, arguments.plot)


Curves = dict[str, dict[str, list[float]]]
"""By corpus and task, and by choice: F1 in percent, for each of `SIZES`."""


def read(folder: Path, corpora: Sequence[str]) -> Curves:
    curves: Curves = {}
    for corpus in corpora:
        nothing = json.loads((folder / f"{corpus}, {CHOICES[0]}, 0.json").read_text("utf-8"))
        for task in nothing:
            own = curves[f"{corpus}, {task}"] = {}
            for choice in CHOICES:
                own[choice] = [_f1(nothing[task])]
                for size in SIZES[1:]:
                    file = folder / f"{corpus}, {choice}, {size}.json"
                    own[choice].append(_f1(json.loads(file.read_text("utf-8"))[task]))
            own["random"] = [
                sum(pair) / 2 for pair in zip(own.pop("random 0"), own.pop("random 1"), strict=True)
            ]
    return curves


def _f1(sums: Sequence[int]) -> float:
    return 100 * Score(*sums[:3]).f1


def table(curves: Curves) -> None:
    print(f"| corpus, task | choice | {' | '.join(str(size) for size in SIZES)} |")
    print(f"|---|---|{'---|' * len(SIZES)}")
    for part, own in curves.items():
        for choice, points in own.items():
            print(f"| {part} | {choice} | {' | '.join(f'{point:.1f}' for point in points)} |")


def plot(curves: Curves, file: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(
        1, len(curves), figsize=(3.2 * len(curves), 3), sharey=True, layout="constrained"
    )
    for axis, (part, own) in zip(np.atleast_1d(axes), curves.items(), strict=True):
        for choice, style in (("review sample", "o-"), ("random", "s--")):
            axis.plot(range(len(SIZES)), own[choice], style, label=choice, markersize=4)
        axis.set_title(part, fontsize=9)
        axis.set_xticks(range(len(SIZES)), [str(size) for size in SIZES])
        axis.set_xlabel("annotated texts")
        axis.grid(alpha=0.3)
    np.atleast_1d(axes)[0].set_ylabel("F1, %")
    np.atleast_1d(axes)[0].legend(fontsize=8)
    figure.savefig(file)


if __name__ == "__main__":
    main()
