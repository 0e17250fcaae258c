"""Stage 6: the trained bundle, and for comparisons the same with the encoder before training."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruie.bundle.layout import seal, staged
from ruie.bundle.manifest import FILES, Manifest
from ruie.bundle.rerank_scores import RerankWeights
from ruie.exporter.build import StepProgress, build_bundle
from ruie.exporter.training.config import TrainConfig
from ruie.exporter.training.pools import Pools, load_pools
from ruie.exporter.training.stages import Figures


def export(
    config: TrainConfig,
    trained_on: Pools,
    encoder: str,
    figures: Mapping[str, Any],
    progress: StepProgress,
    *,
    overwrite: bool,
) -> Figures:
    """Write the trained bundle to `config.export.output` and the other to `base/` of the run.

    encoder: the trained one; `config.encoder` where none was trained. figures: of the earlier
    stages; the manifest has the last measurement of the trained encoder. Raises `BundleError`.
    """
    pools = trained_on
    if config.export.demonstrations:
        pools = load_pools(config.export.demonstrations, config.seed)
    history = figures.get("distillation", {}).get("history", ())
    measurements = [entry for entry in history if "mrr" in entry]
    training = {
        "llm": Path(config.preference.model).name,
        **({"reward_model": Path(config.reward.model).name} if "reward" in figures else {}),
        **(measurements[-1] if measurements else {}),
    }
    weights = figures["ranking"]
    ranking = RerankWeights(agreement=weights["agreement"], mentions=weights["mentions"])
    learned: dict[str, Any] = {"training": training, "ranking": ranking}
    options: dict[str, Any] = {"quantisation": config.export.quantise, "progress": progress}
    base, output = config.run / "base", config.export.output
    manifest = build_bundle(config.encoder, pools.examples, base, overwrite=True, **options)
    if encoder == config.encoder:
        manifest = _copy(base, output, manifest.model_copy(update=learned), overwrite)
    else:
        manifest = build_bundle(
            encoder, pools.examples, output, overwrite=overwrite, **learned, **options
        )
    return {"bundle": str(output), **manifest.parity.model_dump(mode="json")}


def _copy(bundle: Path, output: Path, manifest: Manifest, overwrite: bool) -> Manifest:
    """Write the files of `bundle` to `output`, with another manifest."""
    with staged(output, overwrite=overwrite) as folder:
        for name in FILES:
            shutil.copyfile(bundle / name, folder / name)
        return seal(folder, manifest)
