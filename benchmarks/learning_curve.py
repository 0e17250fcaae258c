"""F1 after so many annotated rows of types that no bundle knows: chosen as `ruie review sample`
chooses them, or at random.

    python benchmarks/learning_curve.py --output FOLDER [--limit 40] [--sizes 5,10,20]
        [--plot FILE.svg] CORPUS...

CORPUS are folders of benchmarks/corpora. Asked are sentences of test, with the local model under
the grammar. Rows are chosen among those of train and dev, and anew for each sentence: both ways
choose in a half of them that is drawn for this sentence, so that the intervals (of a bootstrap over
the sentences) also hold the luck of a choice. Only the bundle's encoder is used: none of its
demonstrations is shown. Scores are kept in the folder, one file for each corpus: the same command
resumes, with a higher limit too.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ruie.annotations import Corpus, demonstrations, load_corpus
from ruie.bootstrap import interval, resampled_f1
from ruie.bundle import Bundle
from ruie.bundle.encoder import Vectors, encode_distinct
from ruie.evaluation import predict
from ruie.extractor import Extractor
from ruie.formats.row import AnnotatedRow
from ruie.llm import LLMClient, connect
from ruie.records import Demonstration, Query
from ruie.scoring import Score
from ruie.settings import Settings, load
from ruie.worker.client import decoding
from ruie.worker.embedded.stack import local_llm
from ruie.worker.sampling import MOST, representatives, shows

SIZES = (0, 5, 10, 20, 50, 100)
CHOICES = ("review sample", "random")
AT_ONCE = 4
"""Sentences asked at a time."""

Cell = tuple[str, int]
"""A choice, and how many rows of it are shown."""


def cells_of(sizes: Sequence[int]) -> list[Cell]:
    return [(choice, size) for size in sizes for choice in (CHOICES if size else CHOICES[:1])]


@dataclass(frozen=True)
class Part:
    """A corpus: the rows that may be annotated, at most as many as `ruie review sample` compares,
    their vectors and those of their demonstrations by what is encoded, and the sentences to ask,
    under a name that no partition of the bundle has."""

    name: str
    rows: tuple[AnnotatedRow, ...]
    vectors: Vectors
    known: Mapping[str, Vectors]
    gold: Corpus

    @classmethod
    def load(cls, folder: Path, bundle: Bundle, limit: int) -> Part:
        files = [folder / f"{part}.jsonl.gz" for part in ("train", "dev")]
        rows = [row for file in files if file.exists() for row in load_corpus(file).rows]
        random.Random(0).shuffle(rows)
        rows = rows[:MOST]
        prefix = bundle.manifest.encoder.query_prefix
        vectors = bundle.encoder.encode([prefix + row.text for row in rows])
        test = load_corpus(folder / "test.jsonl.gz")
        asked = list(test.rows)
        random.Random(0).shuffle(asked)
        schema = replace(test.schema, name=f"{test.schema.name} of one's own")
        gold = replace(test, rows=tuple(asked[:limit]), schema=schema)
        passages = bundle.passages([demo for row in rows for demo in demonstrations(row, schema)])
        known = dict(zip(passages, encode_distinct(bundle.encoder.encode, passages), strict=True))
        return cls(folder.name, tuple(rows), vectors, known, gold)

    def chosen(self, number: int) -> dict[str, list[AnnotatedRow]]:
        """By choice, the first rows that would be annotated of the half that is drawn for a
        sentence."""
        draw = random.Random(number)
        half = draw.sample(range(len(self.rows)), len(self.rows) // 2)
        texts = [self.rows[row].text for row in half]
        none, alike = np.zeros(len(half), dtype=bool), np.ones(len(half))
        best = representatives(self.vectors[half], none, alike, shows(texts), max(SIZES))
        orders = ([half[row] for row in best], draw.sample(half, max(SIZES)))
        return {
            choice: [self.rows[row] for row in order]
            for choice, order in zip(CHOICES, orders, strict=True)
        }


class Own:
    """What a bundle retrieves of the demonstrations of one schema's name."""

    def __init__(self, bundle: Bundle, schema: str) -> None:
        self._bundle, self._schema = bundle, schema
        self.digest = bundle.digest

    def retrieve(self, queries: Sequence[Query], k: int) -> list[list[Demonstration]]:
        found = self._bundle.retrieve(queries, k)
        return [[demo for demo in some if demo.schema == self._schema] for some in found]


@dataclass(frozen=True)
class Asking:
    config: Settings
    bundle: Bundle
    llm: LLMClient

    async def scores(
        self, part: Part, number: int, shown: Sequence[AnnotatedRow]
    ) -> dict[str, list[int]]:
        """Of one sentence, by task: gold, predicted, matched, calls, calls that failed, tokens of
        the prompts."""
        schema = part.gold.schema
        added = [demo for row in shown for demo in demonstrations(row, schema)]
        retriever = Own(self.bundle.over(added, part.known), schema.name) if added else None
        extractor = Extractor(retriever, self.llm, "", decoding(self.config))
        await extractor.resolve()
        made = await predict(extractor, replace(part.gold, rows=(part.gold.rows[number],)))
        sums: dict[str, list[int]] = {}
        for one in made:
            s = one.strings
            failed, tokens = int(one.error is not None), one.usage.tokens[0]
            row = [s.gold, s.predicted, s.matched, 1, failed, tokens]
            before = sums.get(str(one.gold.query.task), [0] * len(row))
            sums[str(one.gold.query.task)] = [a + b for a, b in zip(before, row, strict=True)]
        return sums


async def measure(
    parts: Sequence[Part], cells: Sequence[Cell], config: Settings, bundle: Bundle, folder: Path
) -> None:
    """Ask what the folder does not have, sentence by sentence."""
    llm = connect(config)
    asking, room = Asking(config, bundle, llm), asyncio.Semaphore(AT_ONCE)

    async def sentence(part: Part, number: int, done: Mapping[Cell, Any]) -> None:
        async with room:
            chosen = part.chosen(number)
            for choice, size in cells:
                if (choice, size) in done:
                    continue
                sums = await asking.scores(part, number, chosen[choice][:size])
                with file_of(folder, part.name).open("a", encoding="utf-8") as file:
                    print(json.dumps([number, choice, size, sums]), file=file)

    try:
        known = {part.name: kept(folder, part.name) for part in parts}
        await asyncio.gather(
            *(
                sentence(part, number, known[part.name].get(number, {}))
                for number in range(max(len(part.gold.rows) for part in parts))
                for part in parts
                if number < len(part.gold.rows)
            )
        )
    finally:
        await llm.close()


def file_of(folder: Path, corpus: str) -> Path:
    return folder / f"{corpus}.jsonl"


def kept(folder: Path, corpus: str) -> dict[int, dict[Cell, dict[str, list[int]]]]:
    """By sentence and cell, what was measured."""
    found: dict[int, dict[Cell, dict[str, list[int]]]] = {}
    if (file := file_of(folder, corpus)).exists():
        for line in file.read_text("utf-8").splitlines():
            number, choice, size, sums = json.loads(line)
            found.setdefault(number, {})[choice, size] = sums
    return found


Sums = list[list[int]]
"""Of each sentence, as `Asking.scores`."""
Curves = dict[str, dict[Cell, Sums]]
"""By corpus and task, and by cell: the sums of each sentence that was asked in every cell."""


def read(folder: Path, corpora: Sequence[str], cells: Sequence[Cell]) -> Curves:
    curves: Curves = {}
    for corpus in corpora:
        whole = [one for one in kept(folder, corpus).values() if one.keys() >= set(cells)]
        for task in dict.fromkeys(task for one in whole for task in one[cells[0]]):
            curves[f"{corpus}, {task}"] = {
                cell: [one[cell].get(task, [0] * 6) for one in whole] for cell in cells
            }
    return curves


def tokens(sums: Sums) -> float:
    _, _, _, calls, _, read = np.sum(sums, axis=0)
    return float(read / calls)


def f1(sums: Sums) -> float:
    return 100 * sum((Score(*row[:3]) for row in sums), Score()).f1


def resampled(sums: Sums) -> np.ndarray:
    return 100 * resampled_f1([Score(*row[:3]) for row in sums])


def less(own: Mapping[Cell, Sums], pairs: Sequence[tuple[int, int]]) -> str:
    """F1 of `ruie review sample` after so many rows, less that at random after as many or more, on
    the same sentences, with the 95 % interval; of several such pairs all answers together."""
    best, drawn = (
        np.sum([own[choice, pair[side]] for pair in pairs], axis=0).tolist()
        for side, choice in enumerate(CHOICES)
    )
    low, high = interval(resampled(best) - resampled(drawn))
    return f"{f1(best) - f1(drawn):+.1f} ({low:+.1f} … {high:+.1f})"


def table(curves: Curves, sizes: Sequence[int], shown: Callable[[Sums], str]) -> Iterator[str]:
    """A row for each part and choice, a column for each size."""
    yield f"| corpus, task | sentences | choice | {' | '.join(map(str, sizes))} |"
    yield "|---|---|---|" + "---|" * len(sizes)
    for part, own in curves.items():
        for choice in CHOICES:
            points = [own[choice if size else CHOICES[0], size] for size in sizes]
            yield f"| {part} | {len(points[0])} | {choice} | {' | '.join(map(shown, points))} |"


def differences(curves: Curves, pairs: Sequence[tuple[int, int]]) -> Iterator[str]:
    """Rows of `ruie review sample` against as many or more at random."""
    yield f"| corpus, task | {' | '.join(f'{a} less {b} at random' for a, b in pairs)} | together |"
    yield "|---|---|" + "---|" * len(pairs)
    for part, own in curves.items():
        cells = [less(own, [pair]) for pair in pairs] + [less(own, pairs)]
        yield f"| {part} | {' | '.join(cells)} |"


def report(curves: Curves, sizes: Sequence[int]) -> None:
    some = [size for size in sizes if size]
    print(*table(curves, sizes, lambda sums: f"{f1(sums):.1f}"), sep="\n")
    print("", *differences(curves, [(size, size) for size in some]), sep="\n")
    print("", *differences(curves, list(pairwise(some))), sep="\n")
    print("", "Tokens of a prompt", "", sep="\n")
    print(*table(curves, sizes, lambda sums: f"{tokens(sums):.0f}"), sep="\n")


def plot(curves: Curves, sizes: Sequence[int], file: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(
        1, len(curves), figsize=(3.2 * len(curves), 3), sharey=True, layout="constrained"
    )
    for axis, (part, own) in zip(np.atleast_1d(axes), curves.items(), strict=True):
        for choice, style in zip(CHOICES, ("o-", "s--"), strict=True):
            points = [own[choice if size else CHOICES[0], size] for size in sizes]
            axis.plot(range(len(sizes)), [f1(p) for p in points], style, label=choice, markersize=4)
            ends = [interval(resampled(point)) for point in points]
            low, high = [end.low for end in ends], [end.high for end in ends]
            axis.fill_between(range(len(sizes)), low, high, alpha=0.15)
        axis.set_title(part, fontsize=9)
        axis.set_xticks(range(len(sizes)), [str(size) for size in sizes])
        axis.set_xlabel("annotated texts")
        axis.grid(alpha=0.3)
    np.atleast_1d(axes)[0].set_ylabel("F1, %")
    np.atleast_1d(axes)[0].legend(fontsize=8)
    figure.savefig(file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("corpora", nargs="+", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=40, help="sentences of each test part")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="rows that are shown")
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    sizes = [int(size) for size in arguments.sizes.split(",")]
    bundle = Bundle.open(load().bundle).by_similarity()
    parts = [Part.load(folder, bundle, arguments.limit) for folder in arguments.corpora]
    with local_llm(load(output_form="grammar")) as local:
        asyncio.run(measure(parts, cells_of(sizes), local, bundle, arguments.output))
    curves = read(arguments.output, [part.name for part in parts], cells_of(sizes))
    report(curves, sizes)
    if arguments.plot:
        plot(curves, sizes, arguments.plot)


if __name__ == "__main__":
    main()
