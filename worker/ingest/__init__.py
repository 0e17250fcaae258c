"""Sources into documents, chunks and work items."""
