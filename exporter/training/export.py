"""The last step: the trained bundle, and the same with the encoder as it was, for comparisons."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ruie.bundle.layout import seal, staged
from ruie.bundle.manifest import FILES, Manifest
from ruie.bundle.ranking import Ranking
from ruie.exporter.build import build_bundle
from ruie.exporter.training.config import TrainConfig
from ruie.exporter.training.pools import Pools, load_pools
from ruie.exporter.training.stages import Figures


def export(
    config: TrainConfig,
    trained_on: Pools,
    encoder: str,
    figures: Mapping[str, Any],
    progress: Callable[[str, float], None],
    *,
    overwrite: bool,
) -> Figures:
    """Write both. encoder: the trained one, or where none was trained the one of before.

    figures: of the stages before; what the trained encoder was measured at stands in its manifest.
    """
    wanted = config.export
    pools = trained_on
    if wanted.demonstrations:
        pools = load_pools(wanted.demonstrations, config.seed)
    history = figures.get("distillation", {}).get("history", ())
    measured = [entry for entry in history if "mrr" in entry]
    training = {
        "llm": Path(config.preference.model).name,
        **({"reward_model": Path(config.reward.model).name} if "reward" in figures else {}),
        **(measured[-1] if measured else {}),
    }
    learned = figures["ranking"]
    ranking = Ranking(agreement=learned["agreement"], mentions=learned["mentions"])
    told: dict[str, Any] = {"training": training, "ranking": ranking}
    options: dict[str, Any] = {"quantisation": wanted.quantise, "progress": progress}
    base = config.run / "base"
    manifest = build_bundle(config.encoder, pools.examples, base, overwrite=True, **options)
    if encoder == config.encoder:
        manifest = _the_same(base, wanted.output, manifest.model_copy(update=told), overwrite)
    else:
        manifest = build_bundle(
            encoder, pools.examples, wanted.output, overwrite=overwrite, **told, **options
        )
    return {"bundle": str(wanted.output), **manifest.parity.model_dump(mode="json")}


def _the_same(bundle: Path, output: Path, manifest: Manifest, overwrite: bool) -> Manifest:
    """Write the files of `bundle` to `output`, under another manifest."""
    with staged(output, overwrite=overwrite) as folder:
        for name in FILES:
            shutil.copyfile(bundle / name, folder / name)
        return seal(folder, manifest)
