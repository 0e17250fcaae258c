"""What a job found, as files: JSONL of the gold data's layout, Parquet, brat, one HTML page."""
