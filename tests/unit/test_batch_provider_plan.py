"""Which occasions have a scripted fault of the batch provider."""

from __future__ import annotations

import pytest
from support.batch_provider_plan import BatchPlan, Draws, Fault


def hits(count: int, **fault: float) -> list[int]:
    """The occasions, of `count`, that have it."""
    draws = Draws(BatchPlan(faults=[Fault("stuck", **fault)]))  # type: ignore[arg-type]  # numbers
    return [number for number in range(count) if draws.hit("stuck")]


def test_a_fault_spares_the_first_and_ends_after_the_most() -> None:
    assert hits(5) == [0, 1, 2, 3, 4]
    assert hits(5, most=2) == [0, 1]
    assert hits(5, skip=1, most=2) == [1, 2]


def test_a_share_of_the_occasions_has_it_and_the_same_every_time() -> None:
    assert 20 < len(hits(100, share=0.3)) < 40
    assert hits(100, share=0.3) == hits(100, share=0.3)


def test_a_fault_of_any_request_falls_on_each() -> None:
    draws = Draws(BatchPlan(faults=[Fault("poll 500", most=1), Fault("any cut")]))
    kinds = [fault.kind for fault in map(draws.request, ("poll", "poll", "list")) if fault]
    assert kinds == ["poll 500", "any cut", "any cut"]
    assert draws.hit("twice") is None


@pytest.mark.parametrize(
    "kind", ["", "create", "create 200", "poll lost 99", "upload late", "slow"]
)
def test_a_fault_that_is_none_is_refused(kind: str) -> None:
    with pytest.raises(ValueError, match="no such fault"):
        Fault(kind)
