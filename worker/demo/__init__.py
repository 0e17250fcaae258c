"""`ruie demo`: everything on one machine, with real sentences."""
