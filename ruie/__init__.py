"""The kernel of ruie: schema, prompts, parsing, grounding, scoring, the bundle and `Extractor`.

    from ruie import Extractor, Schema

Names are loaded when they are first used, so that `import ruie` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from ruie.bundle import Bundle as Bundle
    from ruie.extractor import Extractor as Extractor
    from ruie.frame import to_frame as to_frame
    from ruie.result import Result as Result
    from ruie.results import Results as Results
    from ruie.schema import Schema as Schema

_MODULE_OF = {
    "Bundle": "ruie.bundle",
    "Extractor": "ruie.extractor",
    "Result": "ruie.result",
    "Results": "ruie.results",
    "Schema": "ruie.schema",
    "to_frame": "ruie.frame",
}

__all__ = ["Bundle", "Extractor", "Result", "Results", "Schema", "__version__", "to_frame"]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'ruie' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULE_OF[name]), name)
