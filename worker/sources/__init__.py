"""Reading sources: files, folders, archives, standard input and URLs into documents."""

from ruie.worker.sources.find import find_sources
from ruie.worker.sources.mapping import Mapping
from ruie.worker.sources.source import Source, read_sources

__all__ = ["Mapping", "Source", "find_sources", "read_sources"]
