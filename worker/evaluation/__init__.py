"""`ruie evaluate`: retrievers compared over corpora; no answer is paid for twice."""
