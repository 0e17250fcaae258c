"""Many requests at once at a provider's batch endpoint, for half the price."""

from ruie.llm.batches.service import (
    BatchService,
    Found,
    Line,
    NotCreated,
    Phase,
    RemoteBatch,
    Sought,
    Unconfirmed,
)

__all__ = [
    "BatchService",
    "Found",
    "Line",
    "NotCreated",
    "Phase",
    "RemoteBatch",
    "Sought",
    "Unconfirmed",
]
