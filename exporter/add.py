"""`ruie bundle add` and `remove`: other demonstrations; the encoder and the ranking stay."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import ruie
from ruie.bundle import Bundle
from ruie.bundle.layout import check_target, seal, staged
from ruie.bundle.manifest import ENCODER, TOKENIZER, Manifest
from ruie.bundle.retrieval import arrange, partition_key, text_key
from ruie.errors import AnnotationError
from ruie.exporter.build import StepProgress, no_progress
from ruie.exporter.extend import write_changed_pool
from ruie.records import Demonstration, Task


@dataclass(frozen=True, slots=True)
class Added:
    """What `add_demonstrations` did: the demonstrations it added and the old ones it removed."""

    manifest: Manifest
    added: int
    replaced: int


def add_demonstrations(
    bundle: Path,
    demonstrations: Sequence[Demonstration],
    output: Path,
    *,
    overwrite: bool = False,
    threads: int | None = None,
    progress: StepProgress = no_progress,
) -> Added:
    """Write the bundle with more demonstrations to `output`, which may be the bundle itself.

    A demonstration replaces those of the same partition with the same text. Needs no torch: the
    bundle's own encoder embeds what is new. threads: as in `Bundle.open`. Raises
    `BundleError` (nothing is written then), `AnnotationError` if there are no demonstrations.
    """
    if not demonstrations:
        raise AnnotationError(
            "There are no demonstrations to add.", "Give a file with annotated rows."
        )
    opened = Bundle.open(bundle, threads=threads)
    old = opened.demonstrations()
    kept = _without_replaced(old, demonstrations)
    rows = [*kept, *demonstrations]
    sealed = _rewrite(opened, old, rows, output, overwrite=overwrite, progress=progress)
    return Added(sealed, len(rows) - len(kept), len(old) - len(kept))


def remove_demonstrations(
    bundle: Path,
    ids: Collection[str],
    output: Path,
    *,
    overwrite: bool = False,
    threads: int | None = None,
    progress: StepProgress = no_progress,
) -> Manifest:
    """Write the bundle without some of its demonstrations to `output`, as `add_demonstrations`
    does. Raises `BundleError`, `AnnotationError` for an id that it does not have, or if none would
    be left."""
    opened = Bundle.open(bundle, threads=threads)
    old = opened.demonstrations()
    if missing := sorted(set(ids) - {each.id for each in old}):
        raise AnnotationError(
            f"{bundle} has no demonstration {missing[0]}.", "`ruie bundle inspect` lists them."
        )
    rows = [each for each in old if each.id not in set(ids)]
    if not rows:
        raise AnnotationError(f"{bundle} has no other demonstrations.", "Delete the bundle.")
    return _rewrite(opened, old, rows, output, overwrite=overwrite, progress=progress)


def _rewrite(
    opened: Bundle,
    old: Sequence[Demonstration],
    demonstrations: Sequence[Demonstration],
    output: Path,
    *,
    overwrite: bool,
    progress: StepProgress,
) -> Manifest:
    """Write a bundle's encoder and ranking with other demonstrations. old: those that it has."""
    in_place = output.absolute() == opened.path.absolute()
    check_target(output, overwrite=overwrite or in_place)
    rows, partitions = arrange(demonstrations)
    with staged(output, overwrite=overwrite or in_place) as folder:
        for name in (ENCODER, TOKENIZER):
            shutil.copyfile(opened.path / name, folder / name)
        partitions = write_changed_pool(folder, opened, old, rows, partitions, progress)
        manifest = opened.manifest.model_copy(
            update={
                "ruie_version": ruie.__version__,
                "demonstrations": len(rows),
                "partitions": partitions,
            }
        )
        return seal(folder, manifest)


def _without_replaced(
    old: Sequence[Demonstration], new: Sequence[Demonstration]
) -> list[Demonstration]:
    """The old demonstrations that no new one replaces. New events of a text replace the arguments
    of its old events too."""
    replaced = {(partition_key(each), text_key(each.text)) for each in new}
    new_events = {(each.schema, text_key(each.text)) for each in new if each.task is Task.ED}
    return [
        each
        for each in old
        if (partition_key(each), text_key(each.text)) not in replaced
        and not (each.task is Task.EAE and (each.schema, text_key(each.text)) in new_events)
    ]
