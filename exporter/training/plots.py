"""The plots of a run: losses and ranking metrics over the steps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

TITLES = {
    "loss": "loss",
    "accuracy_at_1": "accuracy@1",
    "mrr": "MRR",
    "gain_at_8": "gain@8, nats a token",
}


def plot(stages: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write one PNG for each trained model; returns their paths.

    stages: the figures of each trained model, with its `history`.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    written = []
    for name, figures in stages.items():
        history = figures["history"]
        shown = [key for key in TITLES if any(key in entry for entry in history)]
        if not shown:
            continue
        figure, axes = pyplot.subplots(
            1, len(shown), figsize=(3.6 * len(shown), 3), layout="constrained", squeeze=False
        )
        for axis, key in zip(axes[0], shown, strict=True):
            points = [(entry["step"], entry[key]) for entry in history if key in entry]
            axis.plot(*zip(*points, strict=True), marker="o", markersize=3, color="#0072b2")
            axis.set_title(TITLES[key], fontsize=11)
            axis.set_xlabel("step")
            axis.grid(alpha=0.3)
            axis.spines[["top", "right"]].set_visible(False)
        figure.suptitle(f"{name}: {figures['held_out']} queries held out", fontsize=12)
        written.append(folder / f"{name}.png")
        figure.savefig(written[-1], dpi=150)
        pyplot.close(figure)
    return written
