"""The Celery task: one, whose message names a batch."""

from __future__ import annotations

from celery import shared_task
from celery.signals import worker_process_init, worker_process_shutdown

from ruie.worker.messages import BATCH_TASK


@shared_task(name=BATCH_TASK)  # type: ignore[untyped-decorator]  # Celery ships no types
def batch(batch_id: str, priority: int = 0) -> None:
    """Process one batch; its items and their leases are in SQL."""
    # Imported in the child, on its first task: ONNX Runtime and FAISS do not survive a fork, and
    # a child that takes seconds to start is killed in a loop.
    from ruie.worker.batches.process import process

    process().run(batch_id, priority)


@worker_process_init.connect  # type: ignore[untyped-decorator]  # Celery ships no types
def start(**_: object) -> None:
    """A process says that it is alive, also before it has anything to do. In a thread: a child that
    waits here is killed."""
    from ruie.worker.batches import child

    child.start()


@worker_process_shutdown.connect  # type: ignore[untyped-decorator]  # Celery ships no types
def close(**_: object) -> None:
    """A process that ends, for whatever reason, first waits for its calls in flight."""
    from ruie.worker.batches import child, process

    process.close()
    child.close()
