"""What `ruie bundle` shows of a bundle: its facts and its partitions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.table import Table

    from ruie.bundle.manifest import Manifest


def print_bundle(
    directory: Path, manifest: Manifest, *, as_json: bool, read: int | None = None
) -> None:
    """On standard output. read: demonstrations that were read for it, repeated ones too."""
    if as_json:
        from ruie.bundle.manifest import digest

        document = {
            "path": str(directory),
            "digest": digest(manifest.to_bytes()),
            "manifest": manifest.model_dump(mode="json"),
        }
        click.echo(json.dumps(document, indent=1))
        return
    from ruie.console import Console

    console = Console()
    console.print(_facts(directory, manifest, read))
    console.print()
    console.print(_partitions(manifest))


def _facts(directory: Path, manifest: Manifest, read: int | None) -> Table:
    from rich.table import Table

    card, parity = manifest.encoder, manifest.parity
    repeated = (read or manifest.demonstrations) - manifest.demonstrations
    left_out = f" ({repeated} repeated ones left out)" if repeated else ""
    facts = {
        "bundle": str(directory),
        "encoder": f"{card.base_model} ({card.architecture}), {card.dimension} dimensions, "
        f"{card.pooling} pooling, {card.max_tokens} tokens",
        "quantisation": f"{card.quantisation}, opset {card.opset}",
        "against torch": f"cosine {parity.cosine_mean:.5f} on average, {parity.cosine_min:.5f} at "
        f"worst; {parity.top8_overlap:.1%} of the nearest 8 agree ({parity.sentences} sentences)",
        "demonstrations": f"{manifest.demonstrations:,}{left_out}",
        "order": _order(manifest),
        "size": megabytes(sum(file.size for file in manifest.files.values())),
        "written by": f"ruie {manifest.ruie_version}, format {manifest.format_version}",
    }
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, value in facts.items():
        table.add_row(name, value)
    return table


def _order(manifest: Manifest) -> str:
    if manifest.ranking is None:
        return "by similarity"
    weights = {"agreement": manifest.ranking.agreement, "mentions": manifest.ranking.mentions}
    features = ["similarity"] + [
        f"{name} ({', '.join(f'{task} {weight:g}' for task, weight in by_task.items())})"
        for name, by_task in weights.items()
        if by_task
    ]
    return f"by {' and '.join(features)}, learned from {manifest.training.get('llm', 'an LLM')}"


def _partitions(manifest: Manifest) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("schema", "task", "event"):
        table.add_column(name)
    table.add_column("labels", justify="right")
    table.add_column("demonstrations", justify="right")
    for part in manifest.partitions:
        labels = str(len(part.labels))
        table.add_row(part.schema_name, part.task, part.event or "", labels, f"{len(part):,}")
    return table


def megabytes(size: int) -> str:
    """A size in bytes, for a person."""
    return f"{size / 1e6:,.1f} MB"
