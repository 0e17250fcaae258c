"""Money for the calls of a batch, reserved before they are sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ruie.db import reservations
from ruie.llm import Call
from ruie.worker.batches.batch_item import BatchItem, PendingCall
from ruie.worker.batches.store import Store
from ruie.worker.prices import most_nusd


async def reserve(
    store: Store, job_id: str, calls: Sequence[tuple[BatchItem, Call]], day_cap_nusd: int | None
) -> reservations.Denied | None:
    """Reserve the most that each call can cost, as long as the caps leave room; each item then has
    its reservation. Returns why the rest was denied."""
    amounts = {
        item.leased.id: most_nusd(item.call.price, call)
        for item, call in calls
        if item.call.price is not None and item.call.has_cost
    }
    if not amounts:
        return None
    wanted = [(i.leased, amounts[i.leased.id]) for i, _ in calls if i.leased.id in amounts]
    reserved, denied = await store.write(
        lambda conn: reservations.reserve(conn, job_id, wanted, day_cap_nusd)
    )
    for item, _ in calls:
        if reservation := reserved.get(item.leased.id):
            item.call = replace(item.call, reservation=reservation)
    return denied


def covered(pending: PendingCall, call: Call) -> bool:
    """Whether what was reserved is enough for the call as it is about to be sent."""
    if pending.reservation is None or pending.price is None:
        return True
    return most_nusd(pending.price, call) <= pending.reservation.nusd
