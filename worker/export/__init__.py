"""A job's records as files: JSONL in the layout of gold data, Parquet, brat, one HTML page."""
