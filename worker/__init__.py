"""The same extraction at scale: Celery workers, the coordinator, ingestion and the command."""
