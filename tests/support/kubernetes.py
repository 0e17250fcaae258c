"""deploy/kubernetes as tests read it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from support.commands import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
KUSTOMIZATIONS: dict[Path, dict[str, Any]] = {
    path.parent: yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in sorted(FOLDER.rglob("kustomization.yaml"))
}


def resources() -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every object of every file that is no kustomization, with its file."""
    for path in sorted(FOLDER.rglob("*.yaml")):
        if path.name != "kustomization.yaml":
            for made in yaml.safe_load_all(path.read_text(encoding="utf-8")):
                yield path, made


RESOURCES = list(resources())


def of_kind(*kinds: str) -> dict[str, dict[str, Any]]:
    """The objects of these kinds by their names."""
    return {made["metadata"]["name"]: made for _, made in RESOURCES if made["kind"] in kinds}


def pods() -> dict[str, dict[str, Any]]:
    """What each deployment and stateful set says of its pods, by its name."""
    found = of_kind("Deployment", "StatefulSet")
    return {name: made["spec"]["template"]["spec"] for name, made in found.items()}


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod.get("initContainers", []), *pod["containers"]]
