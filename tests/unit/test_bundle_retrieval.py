"""Who may serve whom, and what of a demonstration is shown: no vector involved."""

from __future__ import annotations

import pytest

from ruie.bundle.manifest import Partition
from ruie.bundle.retrieval import arrange, project, retrieval_text, text_key, usable_partitions
from ruie.records import Demonstration, Item, Query, Span, Task, Trigger


def demonstration(
    id: str = "d",
    *,
    text: str = "Oil rose .",
    labels: tuple[str, ...] = ("A", "B"),
    schema: str = "s",
    task: Task = Task.NER,
    items: tuple[Item, ...] = (),
    trigger: Trigger | None = None,
) -> Demonstration:
    return Demonstration(id, task, schema, labels, text, items, trigger)


def query(
    labels: str = "A B", schema: str = "s", task: Task = Task.NER, event: str | None = None
) -> Query:
    trigger = Trigger(event, Span("rose", 4, 8)) if event else None
    return Query(task, "Gas fell .", schema, dict.fromkeys(labels.split(), ""), trigger)


def partition(
    labels: str = "A B",
    schema: str = "s",
    task: Task = Task.NER,
    event: str | None = None,
    start: int = 0,
) -> Partition:
    return Partition(
        task=task,
        schema_name=schema,
        labels=tuple(labels.split()),
        event=event,
        start=start,
        stop=start + 3,
        repeats=1,
    )


@pytest.mark.parametrize(
    ("query", "partition", "usable"),
    [
        (query("A B"), partition("A B"), True),
        (query("B A"), partition("A B"), True),
        (query("A"), partition("A B"), True),
        (query("A B C"), partition("A B"), True),
        (query("A C"), partition("A B"), False),
        (query("C"), partition("A B"), False),
        (query("A B", schema="other"), partition("A B"), True),
        (query("A B", task=Task.ED), partition("A B"), False),
        (query("A B", task=Task.EAE, event="Rise"), partition(task=Task.EAE, event="Rise"), True),
        (query("A B", task=Task.EAE, event="Rise"), partition(task=Task.EAE, event="Fall"), False),
        (query(""), partition("A B"), False),
        (query("A B"), partition(""), False),
    ],
)
def test_a_partition_serves_by_task_event_and_nested_labels(
    query: Query, partition: Partition, usable: bool
) -> None:
    assert usable_partitions(query, [partition]) == ([partition] if usable else [])


def test_the_querys_own_schema_with_equal_labels_serves_alone() -> None:
    own = partition("A B", "s", start=10)
    others = [partition("A B", "t"), partition("A", "s", start=20)]
    assert usable_partitions(query("A B", "s"), [others[0], own, others[1]]) == [own]
    assert usable_partitions(query("A B", "unknown"), [others[0], own, others[1]]) == [
        others[0],
        own,
        others[1],
    ]


def test_types_that_the_query_lacks_are_left_out() -> None:
    items = (Item("A", (Span("Oil", 0, 3),)), Item("B", (Span("rose", 4, 8),)))
    whole = demonstration(items=items)
    assert project(whole, query("B")) == demonstration(labels=("B",), items=items[1:])
    assert project(whole, query("A B C")) is whole


def test_the_event_stands_before_the_sentence_on_both_sides() -> None:
    trigger = Trigger("Rise", Span("rose", 4, 8))
    demo = demonstration(task=Task.EAE, trigger=trigger)
    assert retrieval_text(demo) == "Rise: rose | Oil rose ."
    assert retrieval_text(query(task=Task.EAE, event="Rise")) == "Rise: rose | Gas fell ."
    assert retrieval_text(demonstration()) == "Oil rose ."


@pytest.mark.parametrize("other", ["oil  ROSE .", " Oil\nrose\t.\u00a0", "Oil rose ."])
def test_white_space_and_case_do_not_make_another_text(other: str) -> None:
    assert text_key(other) == text_key("Oil rose .")


def test_rows_are_sorted_into_contiguous_partitions() -> None:
    rows, partitions = arrange(
        [
            demonstration("1", text="a", schema="t"),
            demonstration("2", text="b", task=Task.ED),
            demonstration("3", text="c"),
            demonstration("4", text="C", labels=("B", "A")),
            demonstration("5", text="d", schema="t"),
        ]
    )
    assert [row.id for row in rows] == ["2", "3", "4", "1", "5"]
    assert [(p.task, p.schema_name, p.start, p.stop, p.repeats) for p in partitions] == [
        (Task.ED, "s", 0, 1, 1),
        (Task.NER, "s", 1, 3, 2),
        (Task.NER, "t", 3, 5, 1),
    ]


def test_repeated_demonstrations_are_kept_once_and_shared_ids_told_apart() -> None:
    rows, partitions = arrange(
        [
            demonstration("1", text="a"),
            demonstration("2", text="a"),
            demonstration("1", text="b"),
            demonstration("1", text="c"),
        ]
    )
    assert [(row.id, row.text) for row in rows] == [("1", "a"), ("1~2", "b"), ("1~3", "c")]
    assert len(partitions) == 1


def test_no_demonstrations_give_no_partitions() -> None:
    assert arrange([]) == ([], ())
