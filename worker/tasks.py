"""Celery's side: one task, which names a batch."""

from __future__ import annotations

from celery import shared_task

from worker.app import BATCH_TASK


@shared_task(name=BATCH_TASK)  # type: ignore[untyped-decorator]  # Celery ships no types
def batch(batch_id: str) -> None:
    """Work off one batch; its items and their leases are in SQL."""
    # Imported in the child, on its first task: ONNX Runtime and FAISS do not survive a fork, and
    # a child that takes seconds to start is killed in a loop.
    from worker.process import process

    process().run(batch_id)
