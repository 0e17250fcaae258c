"""`ruie evaluate`: several corpora and retrievers, one comparison; what was paid for is kept."""
