"""One sentence for whatever is raised while a source is read: nothing of it stops the rest."""

from __future__ import annotations

import logging
import zlib
from zipfile import BadZipFile

MAX_SHOWN = 300
"""Characters of a decoder's own message that a refusal shows."""

log = logging.getLogger("ruie.sources")


class UnreadableError(Exception):
    """The rest of a source cannot be read; the message says why."""


_FAMILIAR = (OSError, EOFError, zlib.error, BadZipFile, UnreadableError)
"""What damaged files and networks raise; anything else may be a mistake of the program."""


def cause_of(error: Exception, where: str) -> str:
    """Why, for a refusal. An error that damaged files do not usually raise is named by its class
    too, and its traceback goes to the log, at the level INFO."""
    name = type(error).__name__
    said = str(getattr(error, "strerror", None) or error).strip().split("\n")[0][:MAX_SHOWN]
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, _FAMILIAR):
        return said or name
    log.info("%s: %s", where, name, exc_info=error)
    return f"{name}: {said}" if said else name
