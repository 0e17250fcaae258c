"""The main job on one machine, with real sentences: what `ruie demo` runs and prints."""
