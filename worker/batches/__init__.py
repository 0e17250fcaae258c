"""A batch in a worker process: from its message to its records."""
