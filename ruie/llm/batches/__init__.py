"""Many requests at once at a provider's batch endpoint, for half the price."""

from ruie.llm.batches.service import (
    BatchService,
    Line,
    NotCreated,
    Phase,
    RemoteBatch,
    Unconfirmed,
)

__all__ = ["BatchService", "Line", "NotCreated", "Phase", "RemoteBatch", "Unconfirmed"]
