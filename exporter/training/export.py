"""The last step: the trained bundle, and the same with the encoder as it was, for comparisons."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from exporter.build import build_bundle
from exporter.training.config import TrainConfig
from exporter.training.pools import Pools, load_pools
from exporter.training.stages import Figures
from ruie.bundle.ranking import Ranking


def export(
    config: TrainConfig,
    trained_on: Pools,
    student: Path,
    figures: Mapping[str, Any],
    progress: Callable[[str, float], None],
    *,
    overwrite: bool,
) -> Figures:
    """Write both. figures: of the stages before; what the trained encoder was measured at stands
    in the manifest of its bundle."""
    wanted = config.export
    pools = trained_on
    if wanted.demonstrations:
        pools = load_pools(wanted.demonstrations, config.seed)
    measured = [entry for entry in figures["distillation"]["history"] if "mrr" in entry]
    training = {
        "llm": Path(config.preference.model).name,
        **({"reward_model": Path(config.reward.model).name} if "reward" in figures else {}),
        **(measured[-1] if measured else {}),
    }
    options: dict[str, Any] = {"quantisation": wanted.quantise, "progress": progress}
    build_bundle(config.encoder, pools.examples, config.run / "base", overwrite=True, **options)
    manifest = build_bundle(
        str(student),
        pools.examples,
        wanted.output,
        overwrite=overwrite,
        training=training,
        ranking=Ranking(agreement=figures["ranking"]["agreement"]),
        **options,
    )
    return {"bundle": str(wanted.output), **manifest.parity.model_dump(mode="json")}
