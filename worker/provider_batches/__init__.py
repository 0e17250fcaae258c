"""Batches at a provider, as the leading coordinator sends, watches and harvests them."""

from ruie.worker.provider_batches.sender import BatchSender

__all__ = ["BatchSender"]
