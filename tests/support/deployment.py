"""deploy/compose.yaml as tests read it."""

from __future__ import annotations

from typing import Any

import yaml
from support.commands import ROOT

COMPOSE_TEXT = (ROOT / "deploy/compose.yaml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "ruie"}
