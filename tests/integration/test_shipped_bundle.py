"""The bundle that comes with ruie: whole, small, and good for the demo's schemas."""

from __future__ import annotations

import pytest

from ruie.bundle import Bundle
from ruie.bundle.manifest import Quantisation
from ruie.bundle.retrieval import text_key
from ruie.evaluation import gold_queries
from ruie.packaged import packaged_bundle
from ruie.records import Query, Task
from ruie.worker.demo import gold

LARGEST = 30_000_000


@pytest.fixture(scope="module")
def shipped() -> Bundle:
    bundle = Bundle.open(packaged_bundle(), threads=2)
    bundle.check()
    return bundle


def test_it_is_small_and_learned_from_an_llm(shipped: Bundle) -> None:
    assert sum(file.stat().st_size for file in shipped.path.iterdir()) <= LARGEST
    manifest = shipped.manifest
    assert manifest.encoder.quantisation is Quantisation.INT8
    assert manifest.ranking is not None
    assert manifest.ranking.agreement.keys() == set(Task)
    assert manifest.training["llm"]
    assert {part.schema_name for part in manifest.partitions} == {
        *("crossner_ai", "crossner_music", "crossner_science"),
        *("fewrel_wiki", "semeval2010", "crudeoilnews"),
    }


@pytest.mark.parametrize("name", gold.NAMES)
def test_demonstrations_of_the_demo_agree_with_its_gold(shipped: Bundle, name: str) -> None:
    """Its sentences are not among them; their types agree with the gold more than chance's do."""
    annotated = [
        each for each in gold_queries(gold.corpus(name)) if each.query.task is not Task.EAE
    ]
    queries: list[Query] = [each.query for each in annotated]
    (task,) = {query.task for query in queries}
    pool = [d for d in shipped.demonstrations() if (d.task, d.schema) == (task, queries[0].schema)]
    agreeing = drawn = 0.0
    for each, found in zip(annotated, shipped.retrieve(queries, 8), strict=True):
        assert len({demo.id for demo in found}) == 8
        assert text_key(each.query.text) not in {text_key(demo.text) for demo in found}
        wanted = {item.type for item in each.items}
        agreeing += sum(not wanted.isdisjoint(i.type for i in demo.items) for demo in found)
        chance = sum(not wanted.isdisjoint(i.type for i in demo.items) for demo in pool)
        drawn += 8 * chance / len(pool)
    assert agreeing > 1.3 * drawn
