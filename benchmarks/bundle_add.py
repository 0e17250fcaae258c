"""What ten rows cost that are added to a bundle of some 25,000, beside encoding it all anew.

    python benchmarks/bundle_add.py GOLD...

GOLD are annotated rows, of which 14,000 are made, with other words at their ends. The rows lie in
one partition, beside the 11,000 of the included bundle.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ruie.bundle import Bundle
from ruie.bundle.retrieval import arrange
from ruie.exporter.add import add_demonstrations
from ruie.exporter.build import no_progress, read_demonstrations, write_pool
from ruie.packaged import packaged_bundle
from ruie.records import Demonstration

ROWS, ADDED, TIMES = 14_000, 10, 5


def made(rows: list[Demonstration], number: int, draw: random.Random) -> list[Demonstration]:
    """So many others, all of one partition."""
    words = [word for row in rows for word in row.text.split()]
    some = [row for row in rows if row.task == rows[0].task]
    return [
        replace(
            draw.choice(some),
            id=f"made {n}",
            schema="made",
            labels=("t",),
            items=(),
            text=f"{draw.choice(some).text} {' '.join(draw.sample(words, 6))}",
        )
        for n in range(number)
    ]


def seconds(run: Callable[[], object]) -> float:
    since = time.monotonic()
    run()
    return time.monotonic() - since


def main() -> None:
    draw = random.Random(0)
    gold = read_demonstrations([Path(each) for each in sys.argv[1:]])
    with tempfile.TemporaryDirectory() as folder:
        whole, other = Path(folder, "whole"), Path(folder, "other")
        add_demonstrations(packaged_bundle(), made(gold, ROWS, draw), whole)
        opened = Bundle.open(whole)
        rows, partitions = arrange(opened.demonstrations())
        card = opened.manifest.encoder
        other.mkdir()
        anew = seconds(
            lambda: write_pool(other, opened.encoder, card, rows, partitions, no_progress)
        )
        ten = [
            seconds(lambda: add_demonstrations(whole, made(gold, ADDED, draw), whole))
            for _ in range(TIMES)
        ]
    took = statistics.median(ten)
    print(f"{len(rows):,} rows anew: {anew:.1f} s")
    print(f"{ADDED} rows added: {took:.1f} s (median of {TIMES}), {anew / took:.0f} times as fast")


if __name__ == "__main__":
    main()
