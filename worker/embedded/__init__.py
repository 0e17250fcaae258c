"""The embedded default: a Redis server and a local LLM as child processes on this machine."""
