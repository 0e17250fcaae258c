"""Prompts that begin alike share a prefix."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ruie.exporter.training.prefixes import MIN_SHARED, group_by_prefix

prompts = st.lists(
    st.builds(
        lambda demonstration, query: (*[7] * 20, *[demonstration] * 18, *query),
        st.integers(0, 3),
        st.lists(st.integers(10, 12), min_size=1, max_size=4),
    ),
    max_size=12,
)


@given(prompts | st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=40).map(tuple)))
def test_a_group_shares_its_first_tokens(some: list[tuple[int, ...]]) -> None:
    head, groups = group_by_prefix(some)
    assert sorted(i for group in groups for i in group.members) == list(range(len(some)))
    for group in groups:
        assert head <= group.length
        assert len({some[i][: group.length] for i in group.members}) == 1
        assert all(group.length < len(some[i]) for i in group.members)
        assert len(group.members) == 1 or group.length >= head + MIN_SHARED
    assert len({prompt[:head] for prompt in some}) <= 1


def test_prompts_with_one_demonstration_are_a_group() -> None:
    some = [(*[7] * 20, *[d] * 30, q, 99) for q in (1, 2, 3) for d in (4, 5)]
    head, groups = group_by_prefix(some)
    assert head == 20
    assert sorted(group.members for group in groups) == [(0, 2, 4), (1, 3, 5)]
    assert {group.length for group in groups} == {50}
