"""Demonstrations that lie over a real bundle: retrieved as if they were in it, and nothing else
changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import DEMO_DATA
from support.bundles import query_of

from ruie.annotations import load_corpus
from ruie.bundle import Bundle
from ruie.bundle.layout import seal
from ruie.bundle.rerank_scores import RerankWeights
from ruie.bundle.retrieval import text_key
from ruie.exporter.add import add_demonstrations
from ruie.records import Demonstration, Item, Query, Span, Task

JOBS = {"SKILL": "", "SALARY": ""}


@pytest.fixture(scope="module")
def more() -> list[Demonstration]:
    """Real ones that are not in the bundle."""
    found: list[Demonstration] = []
    for name, first, last in (("entities", 80, 95), ("relations", 120, 135), ("events", 220, 250)):
        file = DEMO_DATA / f"{name}.demonstrations.jsonl.gz"
        found += load_corpus(file, DEMO_DATA / f"{name}.yaml").demonstrations()[first:last]
    return found


def advert(number: int, *items: tuple[str, str]) -> Demonstration:
    """An annotated job advertisement, of types that the bundle does not know."""
    text = f"Advertisement {number}: " + ", ".join(words for _, words in items)
    spans = [(kind, Span(w, text.index(w), text.index(w) + len(w))) for kind, w in items]
    found = tuple(Item(kind, (span,)) for kind, span in spans)
    return Demonstration(f"ad{number}", Task.NER, "jobs", tuple(JOBS), text, found)


def shown(bundle: Bundle, queries: Sequence[Query], k: int = 8) -> list[list[tuple[object, ...]]]:
    """What each prompt shows, without the ids."""
    retrieved = bundle.retrieve(queries, k)
    return [[(d.text, d.labels, d.items, d.trigger) for d in some] for some in retrieved]


def test_they_are_retrieved_as_from_a_bundle_that_has_them(
    bundle_path: Path, opened: Bundle, more: list[Demonstration], tmp_path: Path
) -> None:
    add_demonstrations(bundle_path, more, tmp_path / "added")
    added = Bundle.open(tmp_path / "added", threads=2)
    asked = [*more, *opened.demonstrations()[::3]]
    queries = [query_of(row, row.text + " Again .") for row in asked]
    over = opened.over(more)
    assert len(over) == len(added)
    retrieved = over.retrieve(queries, 8)
    for ours, expected in zip(retrieved, added.retrieve(queries, 8), strict=True):
        if {text_key(d.text) for d in ours} != {text_key(d.text) for d in expected}:
            # those of one text, which may come in either order, are as similar as each other
            vectors = over.encoder.encode([demo.text for demo in [*ours, *expected]])
            own, theirs = np.split(vectors, 2)
            assert np.allclose(own.sum(0), theirs.sum(0), atol=0.2)
    fresh = {text_key(row.text) for row in more}
    got = [{text_key(demo.text) for demo in some} for some in retrieved]
    assert sum(bool(texts & fresh) for texts in got) > len(more)


def test_a_query_that_is_near_none_of_them_has_the_prompt_it_had(opened: Bundle) -> None:
    over = opened.over([advert(1, ("SKILL", "Python"))])
    queries = [query_of(row) for row in opened.demonstrations()[::3]]
    assert shown(over, queries) == shown(opened, queries)
    assert over.digest != opened.digest
    assert opened.over([]) is opened


def test_types_that_the_bundle_does_not_know_are_shown_at_once(opened: Bundle) -> None:
    adverts = [advert(n, ("SKILL", f"skill{n}"), ("SALARY", f"{n},000")) for n in range(3)]
    over = opened.over(adverts)
    query = Query(Task.NER, "Advertisement 9: skill9, 9,000", "jobs", JOBS)
    assert opened.retrieve([query], 8) == [[]]
    (found,) = over.retrieve([query], 8)
    assert {demo.id for demo in found} == {"ad0", "ad1", "ad2"}
    assert over.demonstration("ad1") == adverts[1]
    own = replace(query, text=adverts[1].text.upper())
    assert {demo.id for demo in over.retrieve([own], 8)[0]} == {"ad0", "ad2"}


def test_the_last_of_a_text_takes_the_place_of_those_before(opened: Bundle) -> None:
    rows = opened.demonstrations()
    row = next(row for row in rows if row.task is Task.NER and row.items)
    corrected = replace(row, items=row.items[:1])
    nothing = replace(row, items=())
    query = query_of(row, row.text + " Again .")
    stacked = opened.over([advert(1), nothing]).over([corrected])
    assert len(stacked) == len(opened) + 2
    for over in (opened.over([nothing, corrected]), stacked):
        (found,) = over.retrieve([query], 3)
        assert [demo.items for demo in found if demo.text == row.text] == [corrected.items]
        assert len({demo.id for demo in found}) == 3


def test_new_events_of_a_text_take_the_place_of_its_arguments(opened: Bundle) -> None:
    rows = opened.demonstrations()
    argued = next(row for row in rows if row.task is Task.EAE)
    event = next(row for row in rows if row.task is Task.ED and row.text == argued.text)
    query = query_of(argued, argued.text + " Again .")
    assert argued.text in {demo.text for demo in opened.retrieve([query], 1)[0]}
    (found,) = opened.over([replace(event, items=())]).retrieve([query], 8)
    assert argued.text not in {demo.text for demo in found}


def test_without_a_model_of_the_types_similarity_and_mentions_rank(
    copied: Path, opened: Bundle
) -> None:
    weights = dict.fromkeys(Task, 1.0)
    ranking = RerankWeights(agreement=weights, mentions=dict.fromkeys(Task, 0.1))
    seal(copied, opened.manifest.model_copy(update={"ranking": ranking}))
    similar = advert(7, ("SKILL", "Python"), ("SALARY", "7,000"))
    adverts = [replace(advert(1), text="Nothing of the kind ."), similar]
    over = Bundle.open(copied, threads=2).over(adverts)
    query = Query(Task.NER, "Advertisement 8: Python, 8,000", "jobs", JOBS)
    # not the one whose answer is empty, as none of the types is likely
    assert [demo.id for demo in over.retrieve([query], 2)[0]] == ["ad7", "ad1"]
    known = [query_of(row) for row in opened.demonstrations()[::10]]
    assert shown(over, known) == shown(Bundle.open(copied, threads=2), known)


def test_what_the_bundle_has_already_changes_nothing(opened: Bundle) -> None:
    rows = opened.demonstrations()
    assert opened.over([replace(row, id=f"again {row.id}") for row in rows]) is opened
    other = replace(rows[0], items=())
    changed = opened.over([rows[1], other])
    assert len(changed) == len(opened) + (rows[0].items != ())
