"""Reading sources: files, folders, archives, standard input and URLs into documents."""

from ruie.worker.ingest.sources.file_source import FileSource, read_sources
from ruie.worker.ingest.sources.find import find_sources
from ruie.worker.ingest.sources.mapping import ColumnMapping

__all__ = ["ColumnMapping", "FileSource", "find_sources", "read_sources"]
