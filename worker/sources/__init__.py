"""Reading sources: files, folders, archives, standard input and URLs into documents."""

from worker.sources.find import find_sources
from worker.sources.mapping import Mapping
from worker.sources.source import Source, read_sources

__all__ = ["Mapping", "Source", "find_sources", "read_sources"]
